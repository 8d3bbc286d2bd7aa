//! `host-runner trial`: not for people. A new program shows that it starts here, reads what is here and sees the edge.

use crate::config::Config;
use crate::edge;
use crate::identity::Identity;
use crate::policy::Policy;
use anyhow::Context as _;
use std::process::ExitCode;

pub(super) fn execute(config: &Config) -> anyhow::Result<ExitCode> {
    let identity = Identity::load(&config.state_dir)?;
    Policy::load(&config.policy_file)?;
    let base = config.edge.as_ref().unwrap_or(&identity.edge_url);
    super::runtime()?
        .block_on(edge::probe(base, config.ca_file.as_deref()))
        .context("the edge cannot be seen")?;
    Ok(ExitCode::SUCCESS)
}
