//! `cargo xtask chaos`: deployments while every part is killed at random moments, and whether all is true and whole afterwards.

use crate::setup::{self, Need};
use crate::show::Step;
use crate::{build_edge, cargo};
use anyhow::{Context, Result, bail};
use clap::Args;
use devflow_tests::chaos::{Chaos, FASTER, Plan, Report};
use devflow_tests::docker::Engine;
use devflow_tests::process::interrupt;
use devflow_tests::runner;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Options {
    /// How many pushes, after the first one of each project.
    #[arg(long, default_value_t = 200)]
    deployments: u32,
    /// How many projects.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    projects: u16,
    /// The same seed breaks the same parts in the same order; without it another one each time, which is told.
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs it; an error where something is not as it has to be.
pub(crate) fn chaos(options: &Options) -> Result<()> {
    ctrlc::set_handler(interrupt).context("cannot handle Ctrl-C")?;
    setup::for_edge()?;
    build_edge::build()?;
    let shared = setup::for_servers(Need::Stories)?;
    runner::use_program(&cargo::build_runner(cargo::Build::Debug)?);
    let plan = Plan {
        deployments: options.deployments,
        projects: options.projects,
        seed: match options.seed {
            Some(seed) => seed,
            None => getrandom::u64()?,
        },
    };
    println!("The seed is {}.", plan.seed);
    let started = Instant::now();
    let step = Step::begin("bring the projects live");
    let chaos = Chaos::start(Engine::own("dk-stories")?, plan)?;
    step.done();
    let step = Step::begin("deploy while parts are killed");
    let report = chaos.run(&|what| step.at(what))?;
    step.done();
    drop(shared);
    tell(&report, started.elapsed().as_secs());
    if !report.problems.is_empty() {
        bail!(
            "{} things are not as they have to be; the same again: --seed {}",
            report.problems.len(),
            plan.seed
        );
    }
    Ok(())
}

fn tell(report: &Report, seconds: u64) {
    let count = |times: u32, what: &str| format!("  {times:>5}  {what}");
    println!("\nDeployments, by how they ended ({seconds} s in all):");
    for (state, times) in &report.ended {
        println!("{}", count(*times, state));
    }
    println!("Taken away:");
    for (what, times) in &report.broken {
        println!("{}", count(*times, what));
    }
    println!(
        "The network was away for {} s in all, which is {} min by the time-outs of an installation.",
        report.apart.as_secs(),
        (report.apart * FASTER).as_secs() / 60
    );
    for problem in &report.problems {
        println!("✗ {problem}");
    }
    for log in &report.logs {
        println!("  {}", log.display());
    }
}
