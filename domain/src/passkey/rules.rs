//! Rules about keys that are not of their format.

use super::Refusal;
use url::{Host, Url};

/// Keys of a person, at most.
pub const MAX_KEYS: usize = 10;
/// Characters of a key's name, at most.
pub const NAME_CHARS: usize = 60;
/// Random bytes of a challenge (section 13.4.3 asks for 16 at least).
pub const CHALLENGE_BYTES: usize = 32;
/// How long a challenge may be answered, in milliseconds.
pub const CHALLENGE_MS: i64 = 5 * 60_000;

/// The relying party's id of pages at `origin`: their host name. None where browsers offer no passkeys: at a bare
/// address, and without https elsewhere than on this machine.
pub fn host_of(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    let Some(Host::Domain(name)) = url.host() else {
        return None;
    };
    let here = name == "localhost" || name.ends_with(".localhost");
    (url.scheme() == "https" || here).then(|| name.to_owned())
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in with nothing else.
    Alone,
    /// After the password.
    AfterPassword,
    /// In a session, before something dangerous.
    Proof,
}

/// Whether the key has to check who uses it. Alone it is both factors; in a session it must not be enough to touch what
/// stayed in the machine, where the key can do better: `can_check` says that it did when it was added.
pub fn needs_person(purpose: Purpose, can_check: bool) -> bool {
    match purpose {
        Purpose::Alone => true,
        Purpose::AfterPassword => false,
        Purpose::Proof => can_check,
    }
}

/// The count to keep: it has to grow, unless the key does not count at all (section 6.1.1).
pub(super) fn count(stored: u32, given: u32) -> Result<u32, Refusal> {
    if given > stored || (stored, given) == (0, 0) {
        Ok(given)
    } else {
        Err(Refusal::Regressed { stored, given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_has_to_grow_where_the_key_counts() {
        for (stored, given, taken) in [
            (0, 0, true),
            (0, 1, true),
            (7, 8, true),
            (7, u32::MAX, true),
            (7, 7, false),
            (7, 6, false),
            (7, 0, false),
            (u32::MAX, u32::MAX, false),
        ] {
            let expected = if taken {
                Ok(given)
            } else {
                Err(Refusal::Regressed { stored, given })
            };
            assert_eq!(count(stored, given), expected, "{stored} {given}");
        }
    }

    #[test]
    fn host_of_an_origin_is_a_name_that_browsers_take() {
        for (origin, host) in [
            ("https://devflow.example.com", Some("devflow.example.com")),
            ("https://devflow.example.com:8443", Some("devflow.example.com")),
            ("http://localhost:8787", Some("localhost")),
            ("http://edge.localhost:8787", Some("edge.localhost")),
            ("http://devflow.example.com", None),
            ("http://127.0.0.1:8787", None),
            ("https://192.0.2.1", None),
            ("https://[2001:db8::1]", None),
            ("localhost", None),
        ] {
            assert_eq!(host_of(origin).as_deref(), host, "{origin}");
        }
    }

    #[test]
    fn needs_person_alone_always_and_as_a_proof_where_the_key_can() {
        let needs = |purpose| [false, true].map(|can| needs_person(purpose, can));
        assert_eq!(needs(Purpose::Alone), [true, true]);
        assert_eq!(needs(Purpose::AfterPassword), [false, false]);
        assert_eq!(needs(Purpose::Proof), [false, true]);
    }
}
