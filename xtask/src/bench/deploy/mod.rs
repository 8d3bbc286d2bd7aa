//! From a push to the first answer of the new release, for an application with more than a hundred packages; beside
//! Capistrano, where that is asked for.

mod peer;

use super::{Say, percentile};
use anyhow::{Result, ensure};
use devflow_tests::process::wait_for;
use devflow_tests::realistic;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

const WARM_RUNS: u32 = 7;

/// Measures; with `beside_peer` Capistrano deploys each version after us.
pub(super) fn measure(say: Say, beside_peer: bool) -> Result<Value> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: true,
    })?;
    let release = json!({"keep": 3, "drain_s": 10, "observe_s": 2, "ready_s": 60});
    let site = here.project_named(
        "realistic",
        "laravel",
        &json!({"services": {"mariadb": true, "redis": true}, "release": release}),
    )?;
    realistic::write(site.repository.path())?;
    here.api
        .set_environment(&site.project, &realistic::environment())?;

    let peer = beside_peer
        .then(|| peer::Capistrano::prepare(&here, &site))
        .transpose()?;
    let peer_run = |version: u32| -> Result<Option<u64>> {
        let took = peer
            .as_ref()
            .map(|peer| peer.deploy(&shown(version)))
            .transpose()?;
        if let Some(ms) = took {
            say.line(&format!("  Capistrano: {ms} ms"));
        }
        Ok(took)
    };

    let (cold_ms, cold_steps) = run(&here, &site, 1)?;
    say.line(&format!("cold: {cold_ms} ms, steps {cold_steps}"));
    let peer_cold_ms = peer_run(1)?;
    let (mut warm, mut peer_warm) = (Vec::new(), Vec::new());
    let mut steps = Value::Null;
    for version in 2..2 + WARM_RUNS {
        let (ms, of_run) = run(&here, &site, version)?;
        say.line(&format!("warm: {ms} ms, steps {of_run}"));
        warm.push(ms);
        steps = of_run;
        peer_warm.extend(peer_run(version)?);
    }
    warm.sort_unstable();
    peer_warm.sort_unstable();
    let mut result = json!({
        "warm_ms": percentile(&warm, 50), "cold_ms": cold_ms, "steps": {"warm": steps, "cold": cold_steps},
    });
    if let Some(cold) = peer_cold_ms {
        result["peer_ms"] = json!(percentile(&peer_warm, 50));
        result["peer_cold_ms"] = json!(cold);
    }
    Ok(result)
}

/// What the page of a version holds.
fn shown(version: u32) -> String {
    format!("\"version\":\"{version}\"")
}

/// Pushes a version; milliseconds from sending the webhook to the first answer of that version, and those of each step.
fn run(here: &Installation, site: &Site<'_>, version: u32) -> Result<(u64, Value)> {
    site.repository.write("VERSION", &format!("{version}\n"))?;
    let push = site.repository.push(&format!("Version {version}"))?;
    let started = Instant::now();
    let deployment = site.announce(&push)?;
    let wanted = shown(version);
    wait_for(
        &format!("version {version} through Nginx"),
        Duration::from_mins(3),
        || {
            let answer = site.visit("/up")?;
            let text = answer.text();
            ensure!(
                text.contains(&wanted),
                "{} {text:.200}\n{}",
                answer.status,
                here.api.deployment(&deployment)?["reason"]
            );
            Ok(Some(()))
        },
    )?;
    let took = u64::try_from(started.elapsed().as_millis())?;
    let live = here.api.live(&deployment, Duration::from_mins(2))?;
    let mut steps = Map::new();
    for step in live["steps"].as_array().into_iter().flatten() {
        steps.insert(
            step["step"].as_str().unwrap_or_default().to_owned(),
            step["ms"].clone(),
        );
    }
    Ok((took, Value::Object(steps)))
}
