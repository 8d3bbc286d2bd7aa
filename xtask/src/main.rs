//! `cargo xtask`: the one entry point to set-up, build, demo, test and bench. The one place that knows about tools.

mod bench;
mod build_edge;
mod build_runner;
mod cargo;
mod chaos;
mod copies;
mod demo;
mod deploy_edge;
mod fuzz;
mod place;
mod progress;
mod publish;
mod rotate;
mod screenshots;
mod setup;
mod show;
mod stamp;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Everything that developers run.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need: tools, npm packages, Debian packages (as root), Docker, the PHP image.
    Setup,
    /// Show it at work: a control plane, a server and a Laravel site on this machine, and a push that goes live.
    Demo {
        /// Push once, check the live page, and end.
        #[arg(long)]
        once: bool,
        /// Go through it on a terminal as a newcomer does, and check that Ctrl-C leaves nothing behind.
        #[arg(long, conflicts_with = "once")]
        rehearse: bool,
    },
    /// Build the worker: its pages' assets, then WebAssembly.
    BuildEdge,
    /// Build the runner as a static program for each processor, as servers get it.
    BuildRunner(build_runner::Options),
    /// Sign the built runner and put it where the edge hands it to servers; a worker on this machine must not run meanwhile.
    PublishRunner(publish::Options),
    /// Create what the edge needs on Cloudflare, as far as it is missing, and upload the Worker; also how it is updated.
    DeployEdge(deploy_edge::Options),
    /// Make a copy of an installation's databases; a worker on this machine must not run meanwhile.
    BackupEdge(copies::BackupOptions),
    /// Make an installation from a copy, where its databases are lost; a worker on this machine must not run meanwhile.
    RestoreEdge(copies::RestoreOptions),
    /// Give an installation a new key; a worker on this machine has to be started again afterwards.
    Rotate(rotate::Options),
    /// Measure on real parts; the last line is one JSON object.
    Bench {
        /// What to measure.
        name: bench::Name,
        /// Print nothing but the JSON object.
        #[arg(long)]
        json: bool,
        /// With `deploy`: let Debian's Capistrano deploy the same application beside us.
        #[arg(long)]
        peer: bool,
    },
    /// Make the pictures of the main pages in `docs/images`, with sample data.
    Screenshots {
        /// Every page instead, in both themes, wide and on a phone, into this folder.
        #[arg(long, value_name = "FOLDER")]
        every: Option<std::path::PathBuf>,
    },
    /// Deploy while every part is killed at random moments, and look whether all is true and whole afterwards.
    Chaos(chaos::Options),
    /// Look for bytes that a parser of strangers' input falls over; `test` does so for two seconds a target.
    Fuzz {
        /// One target of `fuzz/targets`; all without it.
        target: Option<String>,
        /// Time for each target, in seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Run every check: formatting, clippy, unit tests, fuzzing, the worker's build, end-to-end stories.
    Test {
        /// Leave out the end-to-end stories.
        #[arg(long)]
        fast: bool,
        /// Run only the end-to-end stories whose name contains this.
        #[arg(conflicts_with = "fast")]
        filter: Option<String>,
    },
}

fn main() -> ExitCode {
    match execute(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\n✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup => setup::everything().map(drop)?,
        Command::Demo { rehearse: true, .. } => demo::rehearse()?,
        Command::Demo { once, .. } => demo::demo(once)?,
        Command::BuildEdge => {
            setup::for_edge()?;
            build_edge::build()?;
        }
        Command::BuildRunner(options) => build_runner::execute(&options)?,
        Command::PublishRunner(options) => publish::execute(&options)?,
        Command::DeployEdge(options) => deploy_edge::deploy(&options)?,
        Command::BackupEdge(options) => copies::backup(&options)?,
        Command::RestoreEdge(options) => copies::restore(&options)?,
        Command::Rotate(options) => rotate::rotate(&options)?,
        Command::Screenshots { every } => screenshots::screenshots(every.as_deref())?,
        Command::Chaos(options) => chaos::chaos(&options)?,
        Command::Fuzz { target, seconds } => fuzz::fuzz(seconds, target.as_deref())?,
        Command::Bench { name, json, peer } => bench::bench(name, json, peer)?,
        // Its last line is the count, so nothing more is said of a failure.
        Command::Test { fast, filter } => {
            if !test::test(fast, filter.as_deref()) {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
