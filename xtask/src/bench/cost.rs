//! What the edge is charged for, as D1 counts it in workerd: rows of a deployment that prints little and of one that
//! prints for a minute without a pause, of one that an endpoint is told about, what a server costs that has nothing to
//! do, and the CPU time of a request.

use super::{Say, cpu};
use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::docker::Docker;
use devflow_tests::places;
use devflow_tests::process::{output, wait_for};
use devflow_tests::recorder::Recorder;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Polls that the idle time is measured over.
const POLLS: u64 = 3;
const DAY_MS: u64 = 86_400_000;
/// What an endpoint is told of a deployment: its start and its end.
const TOLD: u64 = 2;
/// The message of the commit that prints.
const CHATTY: &str = "Chatty";
/// Prints ten lines a second for a minute.
const CHATTER: &str = "i=0; while [ $i -lt 600 ]; do i=$((i+1)); echo line $i; sleep 0.1; done";

/// Requests of providers and runners, and their rows.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    requests: u64,
    polls: u64,
    /// Ends of jobs, as runners report them.
    ends: u64,
    /// Times that the outbox was drained after a request.
    drains: u64,
    read: u64,
    written: u64,
}

impl Cost {
    fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            polls: self.polls - before.polls,
            ends: self.ends - before.ends,
            drains: self.drains - before.drains,
            read: self.read - before.read,
            written: self.written - before.written,
        }
    }
}

/// All costs so far, from what the worker logs.
fn so_far(here: &Installation) -> Result<Cost> {
    let log = fs::read(here.edge.log()).context("the worker has no log")?;
    let mut all = Cost::default();
    for line in String::from_utf8_lossy(&log).lines() {
        let Some((_, words)) = line.split_once("cost of ") else {
            continue;
        };
        let drain = words.starts_with("the outbox");
        if !drain && !words.starts_with("POST /hooks/") && !words.starts_with("POST /runner/") {
            continue;
        }
        let number = |unit: &str| -> Result<u64> {
            let before = words.split(unit).next().and_then(|text| text.rsplit(' ').next());
            before
                .and_then(|text| text.parse().ok())
                .with_context(|| format!("no {unit} in {line}"))
        };
        all.requests += u64::from(!drain);
        all.drains += u64::from(drain);
        all.ends += u64::from(words.starts_with("POST /runner/v1/complete"));
        all.polls += u64::from(words.starts_with("POST /runner/v1/poll"));
        all.read += number(" rows read")?;
        all.written += number(" rows written")?;
    }
    Ok(all)
}

pub(super) fn measure(say: Say) -> Result<Value> {
    let parts = Parts {
        mariadb: true,
        redis: false,
    };
    let here = Installation::start_with(Docker::find()?, parts, &json!({"DEBUG_COST": "1"}))?;
    let site = here.project("laravel", &json!({"services": {"mariadb": true}}))?;
    site.push_live("First version")?;
    let quiet = deployment(&here, &site, "Quiet", 0)?;
    say.line(&format!("a deployment: {quiet:?}"));
    let recorder = Recorder::start()?;
    let endpoint = json!({"name": "Bench", "url": recorder.url("/")});
    here.api.post(
        &format!("/projects/{}/endpoints", site.project.id),
        &endpoint,
        201,
    )?;
    let told = deployment(&here, &site, "Told", TOLD)?;
    say.line(&format!("one that an endpoint is told about: {told:?}"));
    ensure!(
        recorder.requests().len() == 2,
        "the endpoint was told something else"
    );
    let manifest = site.repository.path().join("composer.json");
    let read = fs::read_to_string(&manifest).context("the application has no composer.json")?;
    let mut composer: Value = serde_json::from_str(&read).context("composer.json is not JSON")?;
    composer["scripts"]["post-install-cmd"] = json!([format!("sh -c '{CHATTER}'")]);
    site.repository.write("composer.json", &composer.to_string())?;
    let chatty = deployment(&here, &site, CHATTY, TOLD)?;
    say.line(&format!("one that prints for a minute: {chatty:?}"));
    let (idle, millis) = idle(&here)?;
    say.line(&format!("idle for {} s: {idle:?}", millis / 1000));
    let of_day = |count: u64| count * DAY_MS / millis;
    let cpu = cpu::by_route(say)?;
    let wasm = places::workspace().join("edge-worker/build/index_bg.wasm");
    let gzip = output(
        Command::new("sh")
            .args(["-c", "gzip -9 -c \"$0\" | wc -c"])
            .arg(&wasm),
    )?;
    Ok(json!({
        "deployment_rows_written": quiet.written,
        "deployment_rows_read": quiet.read,
        "told_rows_written": told.written,
        "chatty_rows_written": chatty.written,
        "chatty_requests": chatty.requests,
        // A poll is a request to the worker and one from there to the Hub.
        "idle_day_requests": of_day(idle.requests + idle.polls),
        "idle_day_rows_written": of_day(idle.written),
        "cpu_ms": cpu,
        "worker_gzip_bytes": gzip.trim().parse::<u64>().context("no size of the worker")?,
    }))
}

fn deployment(here: &Installation, site: &Site<'_>, message: &str, told: u64) -> Result<Cost> {
    let before = so_far(here)?;
    let (_, ended) = site.push_live(message)?;
    // The worker logs a cost after its answer, and what was put into the outbox is sent after that.
    let cost = wait_for("the costs to be logged", Duration::from_secs(30), || {
        let cost = so_far(here)?.since(before);
        Ok((cost.ends >= 1 && cost.drains >= told).then_some(cost))
    })?;
    ensure!(
        cost.written > 0,
        "the worker's log tells no cost of the deployment"
    );
    let output = here.api.output(&text(&ended, "/id")?)?;
    ensure!(
        output.contains("line 600") == (message == CHATTY),
        "the deployment {message} printed something else than it should"
    );
    Ok(cost)
}

/// The cost of the time between two ends of polls, and how long it was in milliseconds.
fn idle(here: &Installation) -> Result<(Cost, u64)> {
    let until = |polls: u64| {
        wait_for("an idle server's polls", Duration::from_mins(5), || {
            let cost = so_far(here)?;
            Ok((cost.polls >= polls).then_some(cost))
        })
    };
    let before = until(so_far(here)?.polls + 1)?;
    let start = Instant::now();
    let after = until(before.polls + POLLS)?;
    let millis = u64::try_from(start.elapsed().as_millis()).context("too long a time")?;
    Ok((after.since(before), millis))
}
