//! A Docker engine that answers: the machine's, or one that is started for as long as the command runs.

use crate::show::Step;
use anyhow::{Result, bail};
use devflow_tests::docker::{Docker, Engine};
use devflow_tests::places;

/// The engine, and the value that ends it where it had to be started.
pub(crate) fn engine() -> Result<(Docker, Option<Engine>)> {
    if let Ok(docker) = Docker::find() {
        return Ok((docker, None));
    }
    if !nix::unistd::Uid::effective().is_root() {
        bail!(
            "no Docker engine answers: start it (`sudo systemctl start docker`) and join the group `docker`, or run this as root"
        );
    }
    let step = Step::begin("start a Docker engine of our own");
    let engine = Engine::start(&places::cache()?.join("dk"), "devflow")?;
    step.done();
    Ok((engine.docker().clone(), Some(engine)))
}
