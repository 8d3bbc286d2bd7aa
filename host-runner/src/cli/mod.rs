//! The command line.

mod doctor;
mod enrol;
mod policy;
mod relay;
mod run;
mod set_up;
mod status;
mod trial;

use crate::config::Config;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Exit code when a newer runner with the same identity polls: starting again would only push that one out.
pub(crate) const SUPERSEDED: u8 = 3;
const DEFAULT_CONFIG: &str = "/etc/devflow/runner.toml";

#[derive(Debug, Parser)]
#[command(
    name = "host-runner",
    version,
    about = "Does the work of DevFlow Pro on this server",
    max_term_width = 100
)]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Log more: -v for details, -vv for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this server known to an edge; the dashboard shows the whole command
    Enrol(enrol::Enrol),
    /// Write the service unit, and configuration and policy where there are none; the installation calls it
    SetUp,
    /// Fetch and do jobs until stopped
    Run,
    /// Show the enrolment, open jobs and live releases
    Status(status::Status),
    /// Check every tool and setting and say what to do about what is missing
    Doctor(doctor::Doctor),
    /// Show or change what this server allows
    #[command(subcommand)]
    Policy(policy::Command),
    /// Show that this program starts here and sees the edge
    #[command(hide = true)]
    Trial,
    /// Pass requests on to the containers of a project
    #[command(hide = true)]
    Relay(relay::Relay),
}

/// Reads the command line, does what it asks for and gives the exit code: 0, 1 for a failure, 2 for a wrong
/// command line, 3 when a newer runner with the same identity has taken over.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(arguments.verbose);
    match execute(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("host-runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = || read_config(&arguments.config);
    match &arguments.command {
        Command::Enrol(enrol) => enrol.execute(&config()?),
        // Before there is a configuration.
        Command::SetUp => set_up::execute(),
        Command::Run => run::execute(&config()?, &arguments.config),
        Command::Trial => trial::execute(&config()?),
        Command::Status(status) => status.execute(&config()?),
        Command::Doctor(doctor) => doctor.execute(&config()?),
        Command::Policy(command) => command.execute(&config()?),
        // In its container there is no configuration.
        Command::Relay(relay) => relay.execute(),
    }
}

fn read_config(path: &Path) -> anyhow::Result<Config> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // Without a file the defaults hold, unless one was asked for.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path == Path::new(DEFAULT_CONFIG) => {
            String::new()
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Config::parse(&text).map_err(|problems| anyhow::anyhow!("{} has problems:\n{problems}", path.display()))
}

fn log(verbose: u8) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    // What libraries say in detail is about bytes and sockets, and could hold what is not for a log.
    let (own, others) = match verbose {
        0 => (LevelFilter::INFO, LevelFilter::WARN),
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    let filter = Targets::new()
        .with_default(others)
        .with_target("host_runner", own)
        // It logs what the error says as well, and that is logged once, where it is handled.
        .with_target("rustls_platform_verifier", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// A runtime on this thread, as every command that talks to something needs.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Name look-ups and the like: two at once are plenty, and each costs a stack.
        .max_blocking_threads(4)
        .thread_stack_size(512 * 1024)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .build()
        .context("cannot start the runtime")
}
