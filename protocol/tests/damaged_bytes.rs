//! Whatever bytes arrive at either side are read or refused, never a panic, and damage never passes a signature. The
//! bodies to damage are in `fuzz/corpus/` and `vectors/`; cases that failed once are kept beside this file.

#[path = "checks/bodies.rs"]
mod bodies;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bodies::read_or_refused;
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::enrol::{EnrolRequest, EnrolToken};
use devflow_protocol::job::Job;
use devflow_protocol::keys::{Pins, read_key};
use devflow_protocol::request::{Seen, UnverifiedRequest};
use devflow_protocol::runner_api::{CompleteRequest, EventsRequest, HeadFound, PollRequest};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::Value;

/// A place, how many bytes are taken out there, and what is put in their place.
#[derive(Clone, Debug)]
struct Damage {
    at: prop::sample::Index,
    taken: usize,
    put: Vec<u8>,
}

impl Damage {
    fn done_to(&self, bytes: &[u8]) -> Vec<u8> {
        let at = self.at.index(bytes.len());
        let mut damaged = bytes.to_vec();
        damaged.splice(at..(at + self.taken).min(bytes.len()), self.put.iter().copied());
        damaged
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let texts = [
        "\"",
        "{",
        "}",
        "[",
        ",",
        "-",
        "9",
        "99999999999999999999",
        "null",
        "\\u0000",
        "..",
        "/",
    ];
    let put = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(texts.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0_usize..6, put).prop_map(|(at, taken, put)| Damage { at, taken, put })
}

const BODIES: [&str; 4] = [
    include_str!("../../fuzz/corpus/runner_body/complete.json"),
    include_str!("../../fuzz/corpus/runner_body/events.json"),
    include_str!("../../fuzz/corpus/runner_body/head.json"),
    include_str!("../../fuzz/corpus/runner_body/poll.json"),
];

fn vectors(text: &str) -> (SigningKey, Value) {
    let all: Value = serde_json::from_str(text).expect("vectors");
    let seed = STANDARD
        .decode(all["key"]["seed"].as_str().expect("a seed"))
        .expect("base64");
    (SigningKey::from_bytes(&seed.try_into().expect("32 bytes")), all)
}

#[test]
fn corpus_is_read_whole() {
    let [complete, events, head, poll] = BODIES;
    serde_json::from_str::<CompleteRequest>(complete).expect("complete");
    serde_json::from_str::<EventsRequest>(events).expect("events");
    serde_json::from_str::<HeadFound>(head).expect("head");
    serde_json::from_str::<PollRequest>(poll).expect("poll");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_or_refused(&bytes);
    }

    #[test]
    fn damaged_bodies_are_read_or_refused(
        body in prop::sample::select(BODIES.to_vec()),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let damaged = damages.iter().fold(body.as_bytes().to_vec(), |bytes, damage| damage.done_to(&bytes));
        read_or_refused(&damaged);
    }

    #[test]
    fn damaged_job_opens_as_what_was_signed_or_not_at_all(which in any::<prop::sample::Index>(), damage in damage()) {
        let (key, all) = vectors(include_str!("../vectors/jobs.json"));
        let jobs = all["jobs"].as_array().expect("jobs");
        let vector = &jobs[which.index(jobs.len())];
        let damaged = damage.done_to(vector["envelope"].to_string().as_bytes());
        if let Ok(envelope) = serde_json::from_slice::<Envelope>(&damaged)
            && let Ok(job) = Job::open(&envelope, [&key.verifying_key()])
        {
            prop_assert_eq!(&serde_json::to_value(&job).expect("JSON"), &vector["job"]);
        }
    }

    #[test]
    fn damaged_enrolment_opens_as_what_was_signed_or_not_at_all(damage in damage()) {
        let vector: Value = serde_json::from_str(include_str!("../vectors/enrolment.json")).expect("vectors");
        let damaged = damage.done_to(vector["request"].to_string().as_bytes());
        if let Ok(request) = serde_json::from_slice::<EnrolRequest>(&damaged)
            && let Ok(opened) = request.open(vector["claims"]["audience"].as_str().expect("text"))
        {
            prop_assert_eq!(&serde_json::to_value(&opened.claims).expect("JSON"), &vector["claims"]);
            prop_assert_eq!(Some(opened.token.as_str()), vector["fingerprint"].as_str());
        }
    }

    #[test]
    fn damaged_statement_about_keys_is_followed_as_it_was_signed_or_not_at_all(
        which in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let all: Value = serde_json::from_str(include_str!("../vectors/keys.json")).expect("vectors");
        let key = |name: &str| read_key(all[name]["public"].as_str().expect("text")).expect("a key");
        let statements = all["statements"].as_array().expect("statements");
        let vector = &statements[which.index(statements.len())];
        let pins = Pins {
            edge: "edge_00112233445566778899aabbccddeeff".to_owned(),
            job_key: key("first"),
            recovery_key: Some(key("recovery")),
            recovered_at: UnixMillis(0),
        };
        let damaged = damage.done_to(vector["envelope"].to_string().as_bytes());
        if let Ok(envelope) = serde_json::from_slice::<Envelope>(&damaged)
            && let Ok(next) = pins.follow(&envelope)
        {
            prop_assert_eq!(next.job_key, key(vector["job_key"].as_str().expect("text")));
            prop_assert_eq!(next.recovery_key, pins.recovery_key);
        }
    }

    #[test]
    fn damaged_token_text_is_read_or_refused(text in "(dfe_)?[A-Za-z0-9_-]{0,50}|\\PC{0,60}") {
        if let Ok(token) = text.parse::<EnrolToken>() {
            prop_assert_eq!(&*token.to_text(), &text);
        }
    }

    #[test]
    fn damaged_request_is_verified_as_what_was_signed_or_not_at_all(damage in damage(), inside in any::<bool>()) {
        let (key, vector) = vectors(include_str!("../vectors/requests.json"));
        let header = vector["header"].as_str().expect("a header");
        let damaged = if inside {
            STANDARD.encode(damage.done_to(&STANDARD.decode(header).expect("base64")))
        } else {
            String::from_utf8_lossy(&damage.done_to(header.as_bytes())).into_owned()
        };
        let seen = Seen {
            audience: "edge-1",
            route: "/runner/v1/poll",
            body: vector["body"].as_str().expect("a body").as_bytes(),
            now: UnixMillis(1_700_000_001_000),
        };
        if let Ok(read) = UnverifiedRequest::from_header(&damaged)
            && let Ok(claims) = read.verify(&key.verifying_key(), seen)
        {
            prop_assert_eq!(&serde_json::to_value(&claims).expect("JSON"), &vector["claims"]);
        }
    }
}
