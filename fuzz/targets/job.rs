//! Envelopes of jobs: what opens is what was signed.

#![no_main]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::Job;
use ed25519_dalek::SigningKey;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;

const VECTORS: &str = include_str!("../../protocol/vectors/jobs.json");

/// The key of the vectors, and the jobs that were signed with it.
static SIGNED: LazyLock<(SigningKey, Vec<Value>)> = LazyLock::new(|| {
    let all: Value = serde_json::from_str(VECTORS).expect("vectors");
    let seed = STANDARD
        .decode(all["key"]["seed"].as_str().expect("a seed"))
        .expect("base64");
    let jobs = all["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|signed| signed["job"].clone());
    (
        SigningKey::from_bytes(&seed.try_into().expect("32 bytes")),
        jobs.collect(),
    )
});

fuzz_target!(|bytes: &[u8]| {
    let (key, jobs) = &*SIGNED;
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes)
        && let Ok(job) = Job::open(&envelope, [&key.verifying_key()])
    {
        let job = serde_json::to_value(&job).expect("a job is JSON");
        assert!(jobs.contains(&job), "nobody signed this job");
    }
});
