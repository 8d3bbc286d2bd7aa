//! Ids as `TypeIDs` (<https://github.com/jetify-com/typeid>, specification 0.3): a prefix that names the kind and
//! a `UUIDv7` in 26 characters of Crockford's base32. They sort by the time they were made.

use crate::time::UnixMillis;
use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LEN: usize = 26;

/// Why a text is not an id of the kind that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form {prefix}_<26 characters>")]
pub struct InvalidId {
    prefix: &'static str,
    text: String,
}

fn uuid_v7(at: UnixMillis, entropy: [u8; 10]) -> u128 {
    let millis = u128::try_from(at.0).unwrap_or(0) & 0xffff_ffff_ffff;
    let mut low = [0_u8; 16];
    low[6..].copy_from_slice(&entropy);
    let random = u128::from_be_bytes(low);
    let with_version = (random & !(0xf << 76)) | (0x7 << 76);
    let with_variant = (with_version & !(0b11 << 62)) | (0b10 << 62);
    (millis << 80) | with_variant
}

fn encode(mut value: u128) -> String {
    let mut text = [0_u8; SUFFIX_LEN];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

fn decode(suffix: &str) -> u128 {
    let place = |byte: u8| ALPHABET.iter().position(|letter| *letter == byte).unwrap_or(0);
    suffix
        .bytes()
        .fold(0, |value, byte| (value << 5) | place(byte) as u128)
}

fn is_suffix(text: &str) -> bool {
    text.len() == SUFFIX_LEN
        && text.as_bytes()[0] <= b'7'
        && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The part before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of the moment and 80 bits of entropy (74 of them are used).
            pub fn new(at: UnixMillis, entropy: [u8; 10]) -> Self {
                Self(format!("{}_{}", $prefix, encode(uuid_v7(at, entropy))))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// When it was made.
            pub fn made_at(&self) -> UnixMillis {
                let millis = decode(&self.0[$prefix.len() + 1..]) >> 80;
                UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match text.split_once('_') {
                    Some(($prefix, suffix)) if is_suffix(suffix) => Ok(Self(text.to_owned())),
                    _ => Err(InvalidId { prefix: $prefix, text: text.chars().take(64).collect() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let pattern = concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$");
                schemars::json_schema!({ "type": "string", "pattern": pattern })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A server, that is: one enrolled runner.
    ServerId = "srv";
    /// A project.
    ProjectId = "prj";
    /// A deployment, and the release that it makes on a server.
    DeploymentId = "dep";
    /// A job for one server.
    JobId = "job";
    /// A stored webhook delivery.
    DeliveryId = "dlv";
    /// A webhook address.
    HookId = "hok";
    /// Somebody outside who is told what happens.
    EndpointId = "ept";
    /// A message to endpoints that is about no deployment.
    MessageId = "msg";
    /// A person.
    UserId = "usr";
    /// An API key.
    ApiKeyId = "key";
    /// An invitation of a person.
    InvitationId = "inv";
    /// A sign-in of a person in one browser.
    LoginId = "lgn";
    /// A passkey of a person.
    PasskeyId = "psk";
    /// One run of a runner process: the newest one of a server wins.
    RunnerSessionId = "ses";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_at_gives_back_the_time_of_new() {
        for at in [0, 1, 1_700_000_000_123, 0xffff_ffff_ffff] {
            let id = DeploymentId::new(UnixMillis(at), [0xff; 10]);
            assert_eq!(id.made_at(), UnixMillis(at));
        }
    }

    #[test]
    fn new_uses_version_7_and_sorts_by_time() {
        let early = DeploymentId::new(UnixMillis(1_700_000_000_000), [0xff; 10]);
        let late = DeploymentId::new(UnixMillis(1_700_000_000_001), [0; 10]);
        assert!(early < late);
        assert_eq!(early.as_str().len(), "dep_".len() + SUFFIX_LEN);
        assert_eq!(early.as_str().parse::<DeploymentId>().as_ref(), Ok(&early));
    }

    #[test]
    fn encode_matches_the_typeid_specification() {
        // valid.json of the specification: uuid 0110c853-1d09-52d8-d73e-1194e95b5f19
        assert_eq!(
            encode(0x0110_c853_1d09_52d8_d73e_1194_e95b_5f19),
            "0123456789abcdefghjkmnpqrs"
        );
        assert_eq!(
            encode(0x0188_9c89_df6b_7f1c_a388_9139_6ec3_14bc),
            "01h2e8kqvbfwea724h75qc655w"
        );
        assert_eq!(encode(u128::MAX), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn parse_refuses_other_prefixes_lengths_and_alphabets() {
        for text in [
            "",
            "dep",
            "dep_",
            "prj_01h2e8kqvbfwea724h75qc655w",
            "dep_01h2e8kqvbfwea724h75qc655",
            "dep_01H2E8KQVBFWEA724H75QC655W",
            "dep_81h2e8kqvbfwea724h75qc655w",
            "dep_01h2e8kqvbfwea724h75qc65il",
            "dep_01h2e8kqvbfwea724h75qc65é",
        ] {
            assert!(text.parse::<DeploymentId>().is_err(), "{text}");
        }
    }
}
