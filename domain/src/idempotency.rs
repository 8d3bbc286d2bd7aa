//! What to do with a request that carries an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07).

use devflow_protocol::UnixMillis;

/// How long a key is known, in milliseconds.
pub const KNOWN_MS: i64 = 24 * 3_600_000;
/// How long a first request may take before nobody expects its answer any more, in milliseconds.
const LONGEST_REQUEST_MS: i64 = 60_000;

/// What is known of a key that was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// True where it came with the same method, path and body.
    pub same_request: bool,
    /// True where its answer is known.
    pub answered: bool,
    /// When the first request came.
    pub at: UnixMillis,
}

/// What the second request with a key gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// The answer of the first one.
    Replay,
    /// A refusal: the key is for one request only.
    OtherRequest,
    /// A refusal for now: the first one is being worked on.
    InProgress,
    /// A refusal: the first one ended without an answer, so what it did is not known.
    Unknown,
}

/// Decides for a key that is known.
pub fn decide(earlier: Earlier, now: UnixMillis) -> Second {
    if !earlier.same_request {
        Second::OtherRequest
    } else if earlier.answered {
        Second::Replay
    } else if now.since(earlier.at) < LONGEST_REQUEST_MS {
        Second::InProgress
    } else {
        Second::Unknown
    }
}

/// Whether a key can be used as one: 1 to 255 visible ASCII characters.
pub fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_request_is_replayed_or_refused_by_what_the_first_came_to() {
        let cases = [
            (true, true, 0, Second::Replay),
            (true, true, KNOWN_MS, Second::Replay),
            (true, false, 0, Second::InProgress),
            (true, false, LONGEST_REQUEST_MS - 1, Second::InProgress),
            (true, false, LONGEST_REQUEST_MS, Second::Unknown),
            (false, true, 0, Second::OtherRequest),
            (false, false, 0, Second::OtherRequest),
        ];
        for (same_request, answered, age, expected) in cases {
            let at = UnixMillis(1_000);
            let earlier = Earlier {
                same_request,
                answered,
                at,
            };
            assert_eq!(
                decide(earlier, at.plus(age)),
                expected,
                "{earlier:?} after {age} ms"
            );
        }
    }

    #[test]
    fn key_is_short_and_visible() {
        assert!(is_key("5e0c-\"x\""));
        for bad in ["", " ", "a b", "ü", "a\n", &"a".repeat(256)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
