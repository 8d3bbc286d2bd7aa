//! Stopping in order: no new jobs, running ones get time, then those before their switch are ended.

use super::{Agent, reporter};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long running jobs may go on undisturbed.
const FINISH: Duration = Duration::from_mins(1);
/// How long ended jobs may take to put things back.
const UNWIND: Duration = Duration::from_secs(90);
/// How long the last results may take to reach the edge.
const REPORT: Duration = Duration::from_secs(5);

/// The signals that end the runner.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for the running jobs. A second signal ends the waiting; the next start looks at what was cut off.
pub(super) async fn wind_down(agent: &Agent, signals: &mut Signals) {
    tokio::select! {
        () = finish_jobs(agent) => {}
        () = signals.next() => tracing::warn!("asked twice: running jobs are cut off and looked at after the next start"),
    }
    match tokio::time::timeout(REPORT, reporter::flush_all(agent)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "what is not reported yet stays in the journal"),
        Err(_) => tracing::info!("the edge does not answer; what is not reported yet stays in the journal"),
    }
}

async fn finish_jobs(agent: &Agent) {
    let count = agent.running.borrow().len();
    if count > 0 {
        tracing::info!(jobs = count, "waiting for running jobs");
    }
    if tokio::time::timeout(FINISH, idle(agent)).await.is_ok() {
        return;
    }
    for running in agent.running.borrow().values() {
        tracing::warn!(job.id = %running.key.job, "the job is ended, unless it is past its switch");
        running.cancel.cancel();
    }
    if tokio::time::timeout(UNWIND, idle(agent)).await.is_err() {
        tracing::warn!("jobs are cut off and looked at after the next start");
    }
}

async fn idle(agent: &Agent) {
    loop {
        let change = agent.idle.notified();
        if agent.running.borrow().is_empty() {
            return;
        }
        change.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> &'static str {
        include_str!("../../packaging/devflow-runner.service")
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .expect("the unit has the setting")
    }

    #[test]
    fn the_unit_waits_for_as_long_as_stopping_may_take() {
        let unit: u64 = setting("TimeoutStopSec").parse().expect("seconds");
        assert!(Duration::from_secs(unit) > FINISH + UNWIND + REPORT);
    }

    #[test]
    fn the_unit_has_only_sections_settings_and_comments() {
        let unit = include_str!("../../packaging/devflow-runner.service");
        for line in unit
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let section = ["[Unit]", "[Service]", "[Install]"].contains(&line);
            let setting = line.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
            assert!(section || setting, "{line}");
        }
        assert_eq!(
            setting("RestartPreventExitStatus"),
            crate::cli::SUPERSEDED.to_string()
        );
    }
}
