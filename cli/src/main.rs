//! The `devflow` command: what the dashboard does, for a terminal and for scripts.
//!
//! In scope: reading the command line, asking the JSON API, showing answers. Not in scope: decisions, which are the
//! edge's or pure functions in `devflow-domain`.

mod answers;
mod arguments;
mod commands;
mod edge;
mod failure;
mod find;
mod follow;
mod out;
mod settings;
mod table;

use arguments::Arguments;
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
