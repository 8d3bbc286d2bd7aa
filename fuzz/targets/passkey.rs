//! What browsers send of passkeys: each part of the specification's first example in turn.

#![no_main]

use devflow_domain::passkey::{Assertion, Expected, Known, NewKey, Registration, assert, register};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

const VECTORS: &str = include_str!("../../domain/tests/vectors/webauthn.json");

/// An example of a ceremony: the challenge, and what the browser gave.
struct Ceremony {
    challenge: Vec<u8>,
    client_data: Vec<u8>,
    rest: [Vec<u8>; 2],
}

struct Example {
    registration: Ceremony,
    authentication: Ceremony,
    key: NewKey,
}

static EXAMPLE: LazyLock<Example> = LazyLock::new(|| {
    let all: Value = serde_json::from_str(VECTORS).expect("vectors");
    let read = |ceremony: &str, names: [&str; 2]| {
        let bytes =
            |name: &str| hex::decode(all[0][ceremony][name].as_str().unwrap_or_default()).expect("hex");
        Ceremony {
            challenge: bytes("challenge"),
            client_data: bytes("clientDataJSON"),
            rest: names.map(bytes),
        }
    };
    let registration = read("registration", ["attestationObject", ""]);
    let authentication = read("authentication", ["authenticatorData", "signature"]);
    let key = registered(&registration, &registration.client_data, &registration.rest[0]).expect("it holds");
    Example {
        registration,
        authentication,
        key,
    }
});

fn expected(ceremony: &Ceremony) -> Expected<'_> {
    Expected {
        challenge: &ceremony.challenge,
        origin: "https://example.org",
        host: "example.org",
        verified: false,
    }
}

fn registered(ceremony: &Ceremony, client_data: &[u8], attestation_object: &[u8]) -> Option<NewKey> {
    let given = Registration {
        client_data,
        attestation_object,
    };
    register(&expected(ceremony), &given).ok()
}

fn used(key: &NewKey, ceremony: &Ceremony, authenticator_data: &[u8], signature: &[u8]) -> bool {
    let known = Known {
        public_key: &key.public_key,
        sign_count: key.sign_count,
        backup_eligible: key.backup_eligible,
    };
    let given = Assertion {
        client_data: &ceremony.client_data,
        authenticator_data,
        signature,
    };
    assert(&known, &expected(ceremony), &given).is_ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Example {
        registration,
        authentication,
        key,
    } = &*EXAMPLE;
    let [data, signature] = &authentication.rest;
    let _ = registered(registration, bytes, &registration.rest[0]);
    if let Some(other) = registered(registration, &registration.client_data, bytes) {
        let _ = used(&other, authentication, data, signature);
    }
    let signed = used(key, authentication, bytes, signature);
    assert!(!signed || bytes == data.as_slice(), "nobody signed this");
    let _ = used(key, authentication, data, bytes);
});
