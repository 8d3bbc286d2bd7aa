//! `host-runner relay`: not for people. It is what runs in the container that passes requests on.

use crate::relay::{self, Target};
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Relay {
    /// The folder of its sockets
    #[arg(long)]
    folder: PathBuf,
    /// A replica, as host:port
    #[arg(long, required = true)]
    to: Vec<Target>,
}

impl Relay {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        super::runtime()?
            .block_on(relay::serve(&self.folder, self.to.clone()))
            .with_context(|| format!("cannot relay from {}", self.folder.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
