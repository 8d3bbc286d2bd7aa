//! `cargo xtask bench NAME`: figures of a release build on real parts. The last line is one JSON object.

mod cost;
mod cpu;
mod deploy;
mod hooks;
mod memory;
mod pages;
mod switch;
mod wake;

use crate::setup::{self, Need};
use crate::{build_edge, cargo};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use devflow_tests::process::interrupt;
use devflow_tests::runner;
use serde_json::Value;

/// What can be measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Name {
    /// Failed requests over 50 switches of a trivial page and of Laravel, under keep-alive and closing connections.
    Switch,
    /// From the webhook to the first answer of the new release, for an application of real size.
    Deploy,
    /// From the API's request to the job's acknowledgement by the runner, 200 times.
    Wake,
    /// Signed pushes that are stored a second, beside Debian's `webhook`, which stores nothing.
    Hooks,
    /// Time, size and rows read of each page of the dashboard, with 2,500 projects in the database.
    Pages,
    /// Requests and database rows: of a deployment, and of an idle server's day.
    EdgeCost,
    /// The runner's memory and idle CPU time with 50 projects.
    RunnerMemory,
}

/// Says what is being done; nothing with `--json`.
#[derive(Clone, Copy)]
struct Say(bool);

impl Say {
    fn line(self, text: &str) {
        if self.0 {
            println!("{text}");
        }
    }
}

/// Measures one thing.
pub(crate) fn bench(name: Name, json: bool, beside_peer: bool) -> Result<()> {
    ensure!(
        !beside_peer || matches!(name, Name::Deploy),
        "--peer goes with `deploy` alone; `hooks` always measures its peer too"
    );
    ctrlc::set_handler(interrupt).context("cannot handle Ctrl-C")?;
    setup::for_edge()?;
    build_edge::build()?;
    // Pages and hooks are the edge's alone.
    let engine = if matches!(name, Name::Pages | Name::Hooks) {
        None
    } else {
        let engine = setup::for_servers(Need::Stories)?;
        runner::use_program(&cargo::build_runner(cargo::Build::Release)?);
        Some(engine)
    };
    let say = Say(!json);
    let result: Value = match name {
        Name::Pages => pages::measure(say)?,
        Name::Hooks => {
            setup::packages(Need::Benches)?;
            hooks::measure(say)?
        }
        Name::Switch => switch::measure(say)?,
        Name::Deploy => {
            if beside_peer {
                setup::packages(Need::Benches)?;
            }
            deploy::measure(say, beside_peer)?
        }
        Name::Wake => wake::measure(say)?,
        Name::EdgeCost => cost::measure(say)?,
        Name::RunnerMemory => memory::measure(say)?,
    };
    drop(engine);
    println!("{result}");
    Ok(())
}

/// The value at a percentile of sorted values.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((sorted.len() * percent / 100).min(last))
        .copied()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_of_few_and_of_many_values_is_one_of_them() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(
            [
                percentile(&hundred, 50),
                percentile(&hundred, 99),
                percentile(&[7], 99),
                percentile(&[], 50)
            ],
            [51, 100, 7, 0]
        );
    }
}
