//! A Docker engine that answers: the machine's, or one that is started for as long as the command runs.

use crate::show::Step;
use anyhow::Result;
use devflow_tests::docker::{Docker, Engine};
use devflow_tests::places;

/// The engine, and the value that ends it where it had to be started.
pub(super) fn engine() -> Result<(Docker, Option<Engine>)> {
    if let Ok(docker) = Docker::find() {
        return Ok((docker, None));
    }
    let step = Step::begin("start a Docker engine of our own");
    let engine = Engine::start(&places::cache()?.join("dk"), "devflow")?;
    step.done();
    Ok((engine.docker().clone(), Some(engine)))
}
