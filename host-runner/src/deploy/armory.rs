//! The commands of a deployment, started ahead: while one runs, those after it are put into the container and wait there
//! for the word to go, so that none of them waits for the engine to start a process.

use super::run::Run;
use crate::host::Host;
use crate::host::docker::Armed;
use devflow_protocol::project::Phase;
use devflow_protocol::text::StepName;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::AbortHandle;

/// Commands that wait in their container. Those that are still there when it is dropped end by themselves.
#[derive(Debug, Default)]
pub(crate) struct Armory {
    waiting: Arc<Mutex<BTreeMap<StepName, Armed>>>,
    arming: Mutex<Option<AbortHandle>>,
}

impl Armory {
    /// Starts commands one after the other, in the order in which they will be wanted.
    fn fill(&self, host: Arc<Host>, container: String, commands: Vec<(StepName, Vec<String>)>) {
        let waiting = Arc::clone(&self.waiting);
        let task = tokio::spawn(async move {
            for (step, argv) in commands {
                match host.docker.arm(&container, &argv).await {
                    Ok(armed) => {
                        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                        waiting.insert(step, armed);
                    }
                    // The step itself will start it then, and say what is wrong.
                    Err(error) => return tracing::debug!(%step, %error, "no commands are started ahead"),
                }
            }
        });
        *self.arming.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    fn take(&self, step: &StepName) -> Option<Armed> {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(step)
    }
}

impl Drop for Armory {
    fn drop(&mut self) {
        if let Some(task) = &*self.arming.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

impl Run<'_> {
    /// Starts the commands of some phases ahead.
    pub(crate) fn arm(&self, container: &str, phases: &[Phase]) {
        let commands = self
            .spec
            .steps
            .iter()
            .filter(|step| phases.contains(&step.phase))
            // A tree from the cache makes such a command unnecessary most of the time.
            .filter(|step| !step.cache.as_ref().is_some_and(|cache| cache.skip_on_hit))
            .filter(|step| step.tenants.is_none())
            .map(|step| (step.name.clone(), step.argv.clone()))
            .collect();
        let host = Arc::clone(&self.job.host);
        self.armory.fill(host, container.to_owned(), commands);
    }

    /// The command of a step, where it was started ahead. A second try finds none.
    pub(crate) fn armed(&self, step: &StepName) -> Option<Armed> {
        self.armory.take(step)
    }
}
