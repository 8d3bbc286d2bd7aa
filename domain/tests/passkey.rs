//! Passkeys against the test vectors of Web Authentication, Level 3, section 16
//! (<https://www.w3.org/TR/webauthn-3/#sctn-test-vectors>), and against answers that were tampered with.

use devflow_domain::passkey::{
    Assertion, Expected, Known, NewKey, Refusal, Registration, Used, assert, register,
};
use proptest::prelude::*;
use serde_json::Value;

const ORIGIN: &str = "https://example.org";
const HOST: &str = "example.org";

/// One example of the specification.
struct Example {
    name: String,
    registration: Ceremony,
    authentication: Ceremony,
}

struct Ceremony(Value);

impl Ceremony {
    fn bytes(&self, name: &str) -> Vec<u8> {
        hex::decode(self.0[name].as_str().expect(name)).expect("the file has hexadecimal values")
    }
}

/// What each answer of the specification has to fit.
fn expected(challenge: &[u8]) -> Expected<'_> {
    Expected {
        challenge,
        origin: ORIGIN,
        host: HOST,
        verified: false,
    }
}

impl Example {
    fn all() -> Vec<Self> {
        let all: Vec<Value> =
            serde_json::from_str(include_str!("vectors/webauthn.json")).expect("the file is JSON");
        let example = |mut value: Value| Self {
            name: value["name"].as_str().expect("each has a name").to_owned(),
            registration: Ceremony(value["registration"].take()),
            authentication: Ceremony(value["authentication"].take()),
        };
        all.into_iter().map(example).collect()
    }

    fn called(name: &str) -> Self {
        Self::all()
            .into_iter()
            .find(|example| example.name == name)
            .expect(name)
    }

    fn register(&self, attestation_object: &[u8]) -> Result<NewKey, Refusal> {
        let ceremony = &self.registration;
        let given = Registration {
            client_data: &ceremony.bytes("clientDataJSON"),
            attestation_object,
        };
        register(&expected(&ceremony.bytes("challenge")), &given)
    }

    fn assert(&self, key: &NewKey) -> Result<Used, Refusal> {
        let known = Known {
            public_key: &key.public_key,
            sign_count: key.sign_count,
            backup_eligible: key.backup_eligible,
        };
        let ceremony = &self.authentication;
        let given = Assertion {
            client_data: &ceremony.bytes("clientDataJSON"),
            authenticator_data: &ceremony.bytes("authenticatorData"),
            signature: &ceremony.bytes("signature"),
        };
        assert(&known, &expected(&ceremony.bytes("challenge")), &given)
    }

    /// The same without whoever vouches for it, as a browser makes it that was asked for no attestation.
    fn unattested(&self) -> Vec<u8> {
        let object = self.registration.bytes("attestationObject");
        // The authenticator data is the last entry: the text "authData", then a byte string.
        let mark = b"\x68authData";
        let at = object.windows(mark.len()).position(|part| part == mark);
        let at = at.expect("each has authenticator data");
        [b"\xa3\x63fmt\x64none\x67attStmt\xa0", &object[at..]].concat()
    }
}

#[test]
fn register_answers_each_example_of_the_specification() {
    let answers: Vec<(String, Result<(), Refusal>)> = Example::all()
        .into_iter()
        .map(|example| {
            let object = example.registration.bytes("attestationObject");
            let answer = example.register(&object).map(drop);
            (example.name, answer)
        })
        .collect();
    let answers: Vec<(&str, Result<(), Refusal>)> = answers
        .iter()
        .map(|(name, answer)| (name.as_str(), *answer))
        .collect();
    assert_eq!(
        answers,
        [
            ("none-es256", Ok(())),
            ("packed-self-es256", Ok(())),
            ("none-es256-crossOrigin", Err(Refusal::Embedded)),
            ("none-es256-topOrigin", Err(Refusal::Embedded)),
            ("none-es256-long-credential-id", Ok(())),
            ("packed-es256", Err(Refusal::Attestation)),
            ("packed-es384", Err(Refusal::Attestation)),
            ("packed-es512", Err(Refusal::Attestation)),
            ("packed-rs256", Err(Refusal::Attestation)),
            ("packed-eddsa", Err(Refusal::Attestation)),
            ("packed-ed448", Err(Refusal::Attestation)),
            ("tpm-es256", Err(Refusal::Attestation)),
            ("android-key-es256", Err(Refusal::Attestation)),
            ("apple-es256", Err(Refusal::Attestation)),
            ("fido-u2f-es256", Err(Refusal::Attestation)),
        ]
    );
}

#[test]
fn assert_takes_each_kind_of_key_of_the_specification_that_is_known_here() {
    for example in Example::all() {
        let outcome = example.register(&example.unattested()).and_then(|key| {
            assert_eq!(key.sign_count, 0);
            example.assert(&key)
        });
        let expected = match example.name.as_str() {
            "none-es256-crossOrigin" | "none-es256-topOrigin" => Some(Refusal::Embedded),
            "packed-es384" | "packed-es512" | "packed-ed448" => Some(Refusal::Algorithm),
            _ => None,
        };
        assert_eq!(outcome.err(), expected, "{}", example.name);
    }
}

#[test]
fn register_gives_what_is_to_be_kept() {
    let example = Example::called("none-es256");
    let key = example.register(&example.unattested()).unwrap();
    assert_eq!(
        hex::encode(&key.credential),
        "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4"
    );
    assert!(hex::encode(&key.public_key).starts_with("a5010203262001215820afefa16f"));
    // Flags 0x59: touched, eligible for backup and backed up, not verified.
    assert_eq!(
        (key.verified, key.backup_eligible, key.backed_up),
        (false, true, true)
    );
}

/// A key and an answer of it, to be changed.
struct Answer {
    key: NewKey,
    challenge: Vec<u8>,
    origin: &'static str,
    host: &'static str,
    verified: bool,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

fn answer_of(name: &str) -> Answer {
    let example = Example::called(name);
    let bytes = |name: &str| example.authentication.bytes(name);
    Answer {
        key: example.register(&example.unattested()).expect(name),
        challenge: bytes("challenge"),
        origin: ORIGIN,
        host: HOST,
        verified: false,
        client_data: bytes("clientDataJSON"),
        authenticator_data: bytes("authenticatorData"),
        signature: bytes("signature"),
    }
}

impl Answer {
    fn with(change: impl FnOnce(&mut Self)) -> Result<Used, Refusal> {
        let mut answer = answer_of("none-es256");
        change(&mut answer);
        answer.check()
    }

    fn check(&self) -> Result<Used, Refusal> {
        let known = Known {
            public_key: &self.key.public_key,
            sign_count: self.key.sign_count,
            backup_eligible: self.key.backup_eligible,
        };
        let expected = Expected {
            challenge: &self.challenge,
            origin: self.origin,
            host: self.host,
            verified: self.verified,
        };
        let given = Assertion {
            client_data: &self.client_data,
            authenticator_data: &self.authenticator_data,
            signature: &self.signature,
        };
        assert(&known, &expected, &given)
    }

    fn rewrite(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(self.client_data.clone()).expect("client data is text");
        assert!(text.contains(from));
        self.client_data = text.replace(from, to).into_bytes();
    }
}

#[test]
fn assert_refuses_what_answers_another_request_or_comes_from_elsewhere() {
    let refusal = |change: fn(&mut Answer)| Answer::with(change).err();
    assert_eq!(refusal(|_| {}), None);
    assert_eq!(
        refusal(|answer| answer.challenge[0] ^= 1),
        Some(Refusal::Challenge)
    );
    assert_eq!(
        refusal(|answer| answer.challenge.clear()),
        Some(Refusal::Challenge)
    );
    assert_eq!(
        refusal(|answer| answer.rewrite("webauthn.get", "webauthn.create")),
        Some(Refusal::Kind)
    );
    for origin in [
        "http://example.org",
        "https://example.org:8443",
        "https://www.example.org",
        "https://example.org.evil.test",
    ] {
        let outcome = Answer::with(|answer| answer.origin = origin);
        assert_eq!(outcome.err(), Some(Refusal::Origin), "{origin}");
    }
    assert_eq!(
        refusal(|answer| answer.rewrite("\"crossOrigin\":false", "\"crossOrigin\":true")),
        Some(Refusal::Embedded)
    );
    assert_eq!(
        refusal(|answer| answer.host = "www.example.org"),
        Some(Refusal::Host)
    );
    assert_eq!(
        refusal(|answer| answer.verified = true),
        Some(Refusal::NotVerified)
    );
    assert_eq!(
        refusal(|answer| answer.key.backup_eligible = false),
        Some(Refusal::Backup)
    );
}

#[test]
fn assert_refuses_what_the_key_did_not_sign() {
    let other = answer_of("packed-self-es256");
    let refusal = |change: &dyn Fn(&mut Answer)| Answer::with(|answer| change(answer)).err();
    // A member that is not looked at is signed all the same.
    assert_eq!(
        refusal(&|answer| answer.rewrite("\"crossOrigin\":false", "\"crossOrigin\":false,\"x\":1")),
        Some(Refusal::Signature)
    );
    // Flags: verified, which it was not.
    assert_eq!(
        refusal(&|answer| answer.authenticator_data[32] |= 4),
        Some(Refusal::Signature)
    );
    assert_eq!(
        refusal(&|answer| answer.authenticator_data[36] = 9),
        Some(Refusal::Signature)
    );
    assert_eq!(
        refusal(&|answer| answer.key.public_key.clone_from(&other.key.public_key)),
        Some(Refusal::Signature)
    );
    assert_eq!(
        refusal(&|answer| answer.signature.clear()),
        Some(Refusal::Signature)
    );
    for name in ["none-es256", "packed-eddsa", "packed-rs256"] {
        let mut answer = answer_of(name);
        assert!(answer.check().is_ok(), "{name}");
        let last = answer.signature.len() - 1;
        answer.signature[last] ^= 1;
        assert_eq!(answer.check().err(), Some(Refusal::Signature), "{name}");
    }
}

#[test]
fn assert_refuses_a_count_that_does_not_grow() {
    let regressed = Answer::with(|answer| answer.key.sign_count = 5);
    assert_eq!(
        regressed.unwrap_err().to_string(),
        "it counts 0 uses where 5 are known: there may be a copy of the key"
    );
}

#[test]
fn register_refuses_a_key_that_vouches_for_itself_and_cannot() {
    let example = Example::called("packed-self-es256");
    let object = example.registration.bytes("attestationObject");
    assert!(example.register(&object).is_ok());
    let mark = b"\x63sig\x58\x46";
    let at = object.windows(mark.len()).position(|part| part == mark).unwrap() + mark.len();
    let mut forged = object.clone();
    forged[at + 40] ^= 1;
    assert_eq!(example.register(&forged), Err(Refusal::Attestation));
    // Nothing may follow it.
    let longer = [&object[..], &[0]].concat();
    assert_eq!(example.register(&longer), Err(Refusal::Unreadable("attestation")));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        object in prop::collection::vec(any::<u8>(), 0..300),
        data in prop::collection::vec(any::<u8>(), 0..120),
        key in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let example = Example::called("none-es256");
        prop_assert!(example.register(&object).is_err());
        let outcome = Answer::with(|answer| {
            answer.authenticator_data = data;
            answer.key.public_key = key;
        });
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn one_changed_byte_is_never_taken(at in 0_usize..1_000, bit in 0_u8..8) {
        let outcome = Answer::with(|answer| {
            let parts = [&mut answer.authenticator_data, &mut answer.client_data, &mut answer.signature];
            let mut bytes: Vec<&mut u8> = parts.into_iter().flatten().collect();
            let at = at % bytes.len();
            *bytes[at] ^= 1 << bit;
        });
        prop_assert!(outcome.is_err());
    }
}
