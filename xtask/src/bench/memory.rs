//! What a runner costs a server: resident memory with 50 projects, after 100 more deployments, and CPU time when idle.

use super::Say;
use super::cpu::cpu_ms;
use anyhow::{Context, Result};
use devflow_tests::server::{Installation, Parts};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PROJECTS: usize = 50;
const DEPLOYMENTS: usize = 100;
/// Long enough for two rounds of what happens each minute.
const IDLE: Duration = Duration::from_secs(130);

pub(super) fn measure(say: Say) -> Result<Value> {
    let here = Installation::start(Parts::default())?;
    let pid = here.server.runner.pid().context("the runner runs")?;
    let release = json!({"keep": 1, "drain_s": 1, "observe_s": 0, "ready_s": 20});
    let mut sites = Vec::new();
    for number in 0..PROJECTS {
        let site = here.project_named(
            &format!("p{number}"),
            "php",
            &json!({"release": release, "limits": {"max_children": 2}}),
        )?;
        site.push_live("First version")?;
        sites.push(site);
    }
    say.line(&format!("{PROJECTS} projects are live: {} kB", resident_kb(pid)?));
    let before = cpu_ms(pid)?;
    let started = Instant::now();
    std::thread::sleep(IDLE);
    let used = cpu_ms(pid)? - before;
    let idle_kb = resident_kb(pid)?;
    let idle_cpu_percent = used / started.elapsed().as_secs_f64() / 10.0;
    say.line(&format!(
        "idle for {} s: {idle_kb} kB, {used} ms of CPU time ({idle_cpu_percent:.3} %)",
        IDLE.as_secs()
    ));
    for number in 0..DEPLOYMENTS {
        let site = &sites[number % PROJECTS];
        let deployment = here.api.deploy(&site.project)?;
        here.api.live(&deployment, Duration::from_mins(2))?;
    }
    let after_kb = resident_kb(pid)?;
    say.line(&format!("after {DEPLOYMENTS} deployments: {after_kb} kB"));
    Ok(
        json!({"idle_kb": idle_kb, "after_kb": after_kb, "idle_cpu_percent": (idle_cpu_percent * 1000.0).round() / 1000.0}),
    )
}

fn resident_kb(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the runner is gone")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .context("VmRSS is not a number")
}
