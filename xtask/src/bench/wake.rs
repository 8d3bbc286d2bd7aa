//! How long a job waits for its runner: from the API's request to the acknowledgement, by the edge's clock. The
//! acknowledgement is sent when the signature is verified and the job is in the runner's journal, so this is the
//! upper bound of what a user waits.

use super::{Say, percentile};
use anyhow::{Context, Result};
use devflow_tests::api::text;
use devflow_tests::server::{Installation, Parts};
use serde_json::{Value, json};
use std::time::Duration;

const RUNS: u32 = 200;

pub(super) fn measure(say: Say) -> Result<Value> {
    let here = Installation::start(Parts::default())?;
    let path = format!("/servers/{}/ping", here.server.runner.id());
    let mut waits = Vec::new();
    for _ in 0..RUNS {
        let answer = here.api.post(&path, &json!({}), 202)?;
        let job = here.api.job(
            &text(&answer, "/job/id").or_else(|_| text(&answer, "/job"))?,
            Duration::from_secs(30),
        )?;
        let at = |name: &str| {
            job[name]
                .as_u64()
                .with_context(|| format!("the job has no {name}: {job}"))
        };
        waits.push(at("acked_at")?.saturating_sub(at("created_at")?));
    }
    waits.sort_unstable();
    let (p50, p99) = (percentile(&waits, 50), percentile(&waits, 99));
    say.line(&format!(
        "{RUNS} jobs: p50 {p50} ms, p99 {p99} ms, worst {} ms",
        waits.last().copied().unwrap_or(0)
    ));
    Ok(json!({"p50_ms": p50, "p99_ms": p99}))
}
