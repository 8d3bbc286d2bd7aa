//! What the parts of one deployment share: the job, the paths, and how a step is announced, timed and ended.

use super::armory::Armory;
use super::containers::Blueprint;
use super::layout::{Layout, ReleaseDir};
use super::trees::Kept;
use crate::fault;
use crate::host::{Host, HostError};
use crate::job::JobContext;
use devflow_domain::compose::Compose;
use devflow_protocol::event::{DeploymentState, StepOutcome, Stream};
use devflow_protocol::limits::REASON_BYTES;
use devflow_protocol::outcome::{Outcome, StepTime};
use devflow_protocol::project::{Environment, ProjectSpec};
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::text::StepName;
use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a deployment ended before its release was live.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// A step failed.
    #[error("step `{step}` failed: {reason}")]
    Step { step: StepName, reason: String },
    /// Something outside a step failed, or the request itself cannot be followed.
    #[error("{0}")]
    Other(String),
    /// A person ended it.
    #[error("it was cancelled")]
    Cancelled,
    /// A newer commit is live.
    #[error("{0}")]
    Superseded(String),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Other(error.to_string())
    }
}

impl Failure {
    /// The result to report. `after` says how visitors are served now.
    pub(crate) fn outcome(self, after: &str) -> Outcome {
        match self {
            Self::Step { .. } | Self::Other(_) => Outcome::Failed {
                reason: sentence(&format!("{self}; {after}")),
                step: match self {
                    Self::Step { step, .. } => Some(step),
                    _ => None,
                },
            },
            Self::Cancelled => Outcome::Cancelled,
            Self::Superseded(reason) => Outcome::Superseded {
                reason: sentence(&reason),
            },
        }
    }
}

/// Cuts a reason to what a result may hold.
pub(crate) fn sentence(text: &str) -> String {
    text[..text.floor_char_boundary(REASON_BYTES)].to_owned()
}

/// One deployment or rollback while it runs.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) job: &'a JobContext,
    pub(crate) layout: Layout,
    pub(crate) release: ReleaseDir,
    pub(crate) spec: &'a ProjectSpec,
    pub(crate) environment: Environment,
    /// What the repository asks for.
    pub(crate) token: Option<RepositoryToken>,
    pub(crate) uid: u32,
    pub(crate) armory: Armory,
    compose: OnceLock<Compose>,
    times: Mutex<Vec<StepTime>>,
    answers: Mutex<Vec<Duration>>,
    trees: Mutex<Vec<Kept>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        job: &'a JobContext,
        layout: Layout,
        release: ReleaseDir,
        spec: &'a ProjectSpec,
        environment: Environment,
        uid: u32,
    ) -> Self {
        Self {
            job,
            layout,
            release,
            spec,
            environment,
            token: None,
            uid,
            armory: Armory::default(),
            compose: OnceLock::new(),
            times: Mutex::default(),
            answers: Mutex::default(),
            trees: Mutex::default(),
        }
    }

    /// The same, with what the repository asks for.
    pub(crate) fn with(self, token: Option<RepositoryToken>) -> Self {
        Self { token, ..self }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.job.host
    }

    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.job.cancel
    }

    pub(crate) fn blueprint(&self) -> Blueprint<'_> {
        Blueprint {
            host: self.host(),
            layout: &self.layout,
            release: &self.release,
            spec: self.spec,
            environment: &self.environment,
            compose: self.compose(),
            uid: self.uid,
        }
    }

    /// What the release's compose file says, where it has one; known once its image is made.
    pub(crate) fn compose(&self) -> Option<&Compose> {
        self.compose.get()
    }

    /// Notes what the release's compose file says.
    pub(crate) fn set_compose(&self, compose: Compose) {
        // It says the same for all of a deployment.
        let _ = self.compose.set(compose);
    }

    pub(crate) fn state(&self, state: DeploymentState) {
        self.job.events.state(state);
    }

    /// A line of the runner itself in a step's output.
    pub(crate) fn note(&self, step: &StepName, text: &str) {
        self.job.events.output(step, Stream::Runner, text);
    }

    /// Does a step that cannot be left out: announced, timed, not begun after a cancellation.
    pub(crate) async fn step<T, E: Into<Failure>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let name = step_name(name);
        let work = async { work.await.map(|value| (value, StepOutcome::Ok)) };
        self.named_step(&name, work).await
    }

    /// Does a step that says itself whether there was something to do.
    pub(crate) async fn named_step<T, E: Into<Failure>>(
        &self,
        name: &StepName,
        work: impl Future<Output = Result<(T, StepOutcome), E>>,
    ) -> Result<T, Failure> {
        if self.cancel().is_cancelled() {
            return Err(Failure::Cancelled);
        }
        self.timed(name, work).await.map_err(|failure| match failure {
            _ if self.cancel().is_cancelled() => Failure::Cancelled,
            other => other,
        })
    }

    /// Does a step after the switch, where a cancellation comes too late.
    pub(crate) async fn late<T, E: Into<Failure>>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        let work = async { work.await.map(|value| (value, StepOutcome::Ok)) };
        self.timed(&step_name(name), work).await
    }

    /// Announces, times and ends a step.
    pub(crate) async fn timed<T, E: Into<Failure>>(
        &self,
        name: &StepName,
        work: impl Future<Output = Result<(T, StepOutcome), E>>,
    ) -> Result<T, Failure> {
        self.mark(name.as_str())?;
        self.job.events.step_started(name);
        let state_dir = &self.host().config.state_dir;
        fault::reach(state_dir, "before", name.as_str());
        let begun = Instant::now();
        let result = work.await;
        fault::reach(state_dir, "after", name.as_str());
        let ms = millis(begun.elapsed());
        let outcome = result
            .as_ref()
            .map_or(StepOutcome::Failed, |(_, outcome)| *outcome);
        self.job.events.step_finished(name, outcome, ms);
        self.times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(StepTime {
                step: name.clone(),
                ms,
            });
        result
            .map(|(value, _)| value)
            .map_err(|error| self.failure(name, error.into()))
    }

    fn failure(&self, step: &StepName, failure: Failure) -> Failure {
        match failure {
            Failure::Other(reason) => {
                let reason = self.job.events.masked(&reason);
                self.note(step, &reason);
                Failure::Step {
                    step: step.clone(),
                    reason,
                }
            }
            other => other,
        }
    }

    /// Notes in the journal what is begun, so that a restarted runner can say where it was.
    pub(crate) fn mark(&self, name: &str) -> Result<(), Failure> {
        self.job
            .checkpoints
            .mark(name)
            .map_err(|error| Failure::Other(format!("could not write to the runner's journal: {error}")))
    }

    /// Notes that the release has a kept tree.
    pub(crate) fn use_tree(&self, kept: &Kept) {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees.push(kept.clone());
    }

    /// The kept trees that the release has.
    pub(crate) fn used_trees(&self) -> Vec<Kept> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how long the release took for a good answer to a visitor.
    pub(crate) fn answered_in(&self, time: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(time);
    }

    /// The middle one of those times, in milliseconds; None where there was no good answer.
    pub(crate) fn answer_ms(&self) -> Option<u32> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        middle(answers.clone())
    }

    /// How long each step took so far.
    pub(crate) fn times(&self) -> Vec<StepTime> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn middle(mut times: Vec<Duration>) -> Option<u32> {
    times.sort_unstable();
    let time = times.get(times.len() / 2)?;
    u32::try_from(time.as_millis()).ok()
}

/// A name of a step that this crate's own code writes.
pub(crate) fn step_name(name: &'static str) -> StepName {
    name.parse().expect("step names in the code are valid")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs work that blocks (walks a tree, copies files) beside the runtime's thread.
///
/// # Errors
/// The work's own, or that it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> crate::host::Result<T> + Send + 'static,
) -> crate::host::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| HostError::because("finish work on the file system", error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_is_not_moved_by_the_first_answer_of_a_cold_release() {
        let times = |list: &[u64]| list.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(middle(times(&[900, 12, 11, 13, 12])), Some(12));
        assert_eq!(middle(times(&[7])), Some(7));
        assert_eq!(middle(times(&[])), None);
    }
}
