//! The daemon that does the work on a server: it asks the edge for signed jobs, keeps a journal of them, does
//! them with Docker, Nginx and git, and reports what happened.
//!
//! The binary is a thin wrapper around [`main`]; nothing else is meant for other crates.

mod clock;
mod config;
mod deploy;
mod host;
mod job;
mod journal;
mod mask;
mod table;

use std::process::ExitCode;

/// Reads the command line, does what it asks for and gives the exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
