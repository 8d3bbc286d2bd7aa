//! What both sides must produce and accept, on every target. The files in `vectors/` were made by other
//! implementations (Python's `cryptography` and `pyhpke`, OpenSSL), so that this crate is not checked against itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::{self, Envelope};
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::job::Job;
use devflow_protocol::keys::{KeyStatement, Pins};
use devflow_protocol::request::{RequestClaims, Seen, UnverifiedRequest};
use devflow_protocol::runner_api::{CompleteRequest, EventsRequest, HeadFound, PollRequest};
use devflow_protocol::seal::{self, Sealed};
use ed25519_dalek::SigningKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Deserialize)]
struct Key {
    seed: String,
    public: String,
    fingerprint: String,
}

impl Key {
    fn signing(&self) -> SigningKey {
        let key = SigningKey::from_bytes(&bytes(&self.seed));
        assert_eq!(key.verifying_key().as_bytes(), &bytes(&self.public));
        assert_eq!(dsse::fingerprint(&key.verifying_key()), self.fingerprint);
        key
    }
}

fn bytes(text: &str) -> [u8; 32] {
    STANDARD
        .decode(text)
        .expect("base64")
        .try_into()
        .expect("32 bytes")
}

#[derive(Deserialize)]
struct Jobs {
    key: Key,
    jobs: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    job: Option<serde_json::Value>,
    envelope: Envelope,
}

#[test]
fn jobs_are_signed_and_opened_as_the_vectors_say() {
    let vectors: Jobs = serde_json::from_str(include_str!("../vectors/jobs.json")).expect("vectors");
    let key = vectors.key.signing();
    let mut verbs = BTreeSet::new();
    for vector in vectors.jobs {
        let job = Job::open(&vector.envelope, [&key.verifying_key()]).expect(&vector.name);
        assert_eq!(
            Some(serde_json::to_value(&job).expect("a job is JSON")),
            vector.job,
            "{}",
            vector.name
        );
        assert_eq!(job.sign(&key).expect("signs"), vector.envelope, "{}", vector.name);
        verbs.insert(job.work.verb());
    }
    assert_eq!(verbs.len(), 10, "a verb has no vector: {verbs:?}");
}

/// What a runner sends is read, and written back as the same bytes.
fn same_bytes<T: DeserializeOwned + Serialize>(body: &str) {
    let read: T = serde_json::from_str(body).expect("it is read");
    assert_eq!(serde_json::to_string(&read).expect("JSON"), body.trim_end());
}

#[test]
fn bodies_of_runners_are_written_as_they_are_read() {
    same_bytes::<CompleteRequest>(include_str!("../../fuzz/corpus/runner_body/complete.json"));
    same_bytes::<EventsRequest>(include_str!("../../fuzz/corpus/runner_body/events.json"));
    same_bytes::<HeadFound>(include_str!("../../fuzz/corpus/runner_body/head.json"));
    same_bytes::<PollRequest>(include_str!("../../fuzz/corpus/runner_body/poll.json"));
}

#[test]
fn jobs_with_anything_unknown_are_refused_by_name() {
    let vectors: Jobs = serde_json::from_str(include_str!("../vectors/refused_jobs.json")).expect("vectors");
    let key = vectors.key.signing().verifying_key();
    let messages: Vec<String> = vectors
        .jobs
        .into_iter()
        .map(|vector| {
            format!(
                "{}: {}",
                vector.name,
                Job::open(&vector.envelope, [&key]).expect_err("is refused")
            )
        })
        .collect();
    let starts = [
        "unknown verb: the job cannot be read: unknown variant `shell`",
        "unknown field: the job cannot be read: unknown field `extra`",
        "unknown argument: the job cannot be read: unknown field `x`",
        "newer version: the job has version 2, this side speaks 1; update the older side",
        "path out of the release: the job cannot be read: `../x` is not a relative path without `..`",
        "slug with a slash: the job cannot be read: `a/b` is not a slug",
    ];
    for (message, start) in messages.iter().zip(starts) {
        assert!(message.starts_with(start), "{message}");
    }
    assert_eq!(messages.len(), starts.len());
}

#[derive(Deserialize)]
struct Requests {
    key: Key,
    claims: RequestClaims,
    body: String,
    header: String,
}

#[test]
fn requests_are_signed_and_verified_as_the_vectors_say() {
    let vector: Requests = serde_json::from_str(include_str!("../vectors/requests.json")).expect("vectors");
    let key = vector.key.signing();
    assert_eq!(vector.claims.to_header(&key).expect("signs"), vector.header);
    let seen = Seen {
        audience: "edge-1",
        route: "/runner/v1/poll",
        body: vector.body.as_bytes(),
        now: UnixMillis(1_700_000_001_000),
    };
    let read = UnverifiedRequest::from_header(&vector.header).expect("reads");
    assert_eq!(
        read.verify(&key.verifying_key(), seen).expect("verifies"),
        vector.claims
    );
}

#[derive(Deserialize)]
struct Enrolment {
    token: String,
    fingerprint: String,
    claims: EnrolClaims,
    request: EnrolRequest,
}

#[test]
fn enrolments_are_signed_and_opened_as_the_vectors_say() {
    let vector: Enrolment = serde_json::from_str(include_str!("../vectors/enrolment.json")).expect("vectors");
    let token: EnrolToken = vector.token.parse().expect("a token");
    assert_eq!(*token.to_text(), vector.token);
    assert_eq!(
        EnrolRequest::sign(&vector.claims, &token).expect("signs"),
        vector.request
    );
    let opened = vector.request.open(&vector.claims.audience).expect("opens");
    assert_eq!((opened.token, opened.claims), (vector.fingerprint, vector.claims));
}

#[derive(Deserialize)]
struct Keys {
    first: Key,
    second: Key,
    recovery: Key,
    statements: Vec<KeyVector>,
}

#[derive(Deserialize)]
struct KeyVector {
    name: String,
    by: String,
    job_key: String,
    statement: KeyStatement,
    envelope: Envelope,
}

#[test]
fn statements_about_keys_are_signed_and_followed_as_the_vectors_say() {
    let vectors: Keys = serde_json::from_str(include_str!("../vectors/keys.json")).expect("vectors");
    let key = |name: &str| match name {
        "first" => vectors.first.signing(),
        "second" => vectors.second.signing(),
        _ => vectors.recovery.signing(),
    };
    let mut pins = Pins {
        edge: vectors.statements[0].statement.edge.clone(),
        job_key: key("first").verifying_key(),
        recovery_key: None,
        recovered_at: UnixMillis(0),
    };
    for vector in &vectors.statements {
        let (name, envelope) = (&vector.name, &vector.envelope);
        let signed = vector.statement.sign(&key(&vector.by), &key(&vector.job_key));
        assert_eq!(&signed, envelope, "{name}");
        assert_eq!(KeyStatement::read(envelope).expect(name), vector.statement);
        pins = pins.follow(envelope).expect(name);
        assert_eq!(pins.job_key, key(&vector.job_key).verifying_key(), "{name}");
        assert_eq!(pins.recovered_at, vector.statement.recovered_at, "{name}");
    }
    assert_eq!(pins.recovery_key, Some(key("recovery").verifying_key()));
}

#[derive(Deserialize)]
struct SealedVector {
    private: String,
    public: String,
    context: String,
    plain: String,
    sealed: Sealed,
}

#[test]
fn sealed_values_open_as_the_vectors_say() {
    let vector: SealedVector = serde_json::from_str(include_str!("../vectors/sealed.json")).expect("vectors");
    let private = bytes(&vector.private);
    assert_eq!(seal::public_key(&private), Ok(bytes(&vector.public)));
    let plain = seal::open(&private, &vector.context, &vector.sealed).expect("opens");
    assert_eq!(plain.as_slice(), vector.plain.as_bytes());
    assert!(seal::open(&private, "environment/other/3", &vector.sealed).is_err());
}
