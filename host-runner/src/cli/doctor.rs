//! `host-runner doctor`: checks every tool and setting.

use crate::config::Config;
use crate::doctor::{self, Verdict};
use std::process::ExitCode;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn execute(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let checks = super::runtime()?.block_on(doctor::examine(config));
        if self.json {
            println!("{}", serde_json::to_string_pretty(&checks)?);
        } else {
            print!("{}", doctor::describe(&checks));
        }
        let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}
