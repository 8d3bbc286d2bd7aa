//! What a job's handler gets, and which handler does which verb.

use crate::clock::Clock;
use crate::deploy;
use crate::host::Host;
use crate::identity::Identity;
use crate::inspect;
use crate::journal::{JobKey, Journal, JournalError};
use crate::mask::{self, Mask};
use crate::policy::Policy;
use devflow_protocol::event::{DeploymentState, Happening, StepOutcome, Stream};
use devflow_protocol::job::{Deploy, Inspect, Job, Work, environment_context};
use devflow_protocol::limits;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Environment;
use devflow_protocol::repository::{RepositoryToken, repository_token_context};
use devflow_protocol::runner_api::ProjectReport;
use devflow_protocol::seal::{self, Sealed};
use devflow_protocol::text::{GitSha, RepositoryUrl, StepName};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest subject of a commit that is reported, in characters.
const SUBJECT_CHARS: usize = 200;
/// Most output that is kept of a job, in bytes: a command that never stops printing must fill neither this disk nor
/// the edge's database.
const OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Everything that a handler works with.
#[derive(Debug)]
pub(crate) struct JobContext {
    /// The job, verified.
    pub(crate) job: Job,
    /// The server.
    pub(crate) host: Arc<Host>,
    /// What is allowed, for what a handler learns only on the server.
    pub(crate) policy: Arc<Policy>,
    /// Where it tells what happens.
    pub(crate) events: EventSink,
    /// Cancelled when a person ends the job or the runner shuts down.
    pub(crate) cancel: CancellationToken,
    /// What it has reached, also before a restart.
    pub(crate) checkpoints: Checkpoints,
}

/// Takes a job's events: numbers them, hides secrets, spools them in the journal and wakes the sender. Copies
/// share the numbers. Never waits for the network.
#[derive(Clone, Debug)]
pub(crate) struct EventSink(Arc<Sink>);

/// Wakes the sender of events: output can wait longer than the rest.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// A state, a commit or a step was spooled.
    pub(crate) steps: Notify,
    /// Output was spooled.
    pub(crate) output: Notify,
}

impl News {
    fn spooled(&self, is_output: bool) {
        let news = if is_output { &self.output } else { &self.steps };
        news.notify_one();
    }
}

#[derive(Debug)]
struct Sink {
    key: JobKey,
    journal: Journal,
    clock: Clock,
    sender: Arc<News>,
    state: Mutex<SinkState>,
}

#[derive(Debug)]
struct SinkState {
    last: u64,
    output_bytes: usize,
    mask: Mask,
    failed: bool,
}

impl EventSink {
    /// A sink that goes on after the last event in the journal.
    pub(crate) fn new(
        key: JobKey,
        journal: Journal,
        clock: Clock,
        sender: Arc<News>,
    ) -> Result<Self, JournalError> {
        let last = journal.last_event(&key)?;
        let state = Mutex::new(SinkState {
            last,
            output_bytes: 0,
            mask: Mask::default(),
            failed: false,
        });
        Ok(Self(Arc::new(Sink {
            key,
            journal,
            clock,
            sender,
            state,
        })))
    }

    /// Registers values that are replaced in all further output.
    pub(crate) fn mask<'v>(&self, values: impl IntoIterator<Item = &'v str>) {
        self.lock().mask.add(values);
    }

    /// `text` with the registered values replaced, for reasons of results.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.lock().mask.apply(text)
    }

    /// The deployment has a new state.
    pub(crate) fn state(&self, state: DeploymentState) {
        self.push(Happening::State { state });
    }

    /// The ref was resolved.
    pub(crate) fn commit(&self, sha: &GitSha, subject: &str, author: &str) {
        self.push(Happening::Commit {
            sha: sha.clone(),
            subject: subject.chars().take(SUBJECT_CHARS).collect(),
            author: author.chars().take(SUBJECT_CHARS).collect(),
        });
    }

    /// A step began.
    pub(crate) fn step_started(&self, step: &StepName) {
        self.push(Happening::StepStarted { step: step.clone() });
    }

    /// A step ended after `ms` milliseconds.
    pub(crate) fn step_finished(&self, step: &StepName, outcome: StepOutcome, ms: u64) {
        self.push(Happening::StepFinished {
            step: step.clone(),
            outcome,
            ms,
        });
    }

    /// A step printed; text with several lines becomes several events.
    pub(crate) fn output(&self, step: &StepName, stream: Stream, text: &str) {
        for line in text.lines() {
            let Some(line) = self.kept(line) else {
                continue;
            };
            self.push(Happening::Output {
                step: step.clone(),
                stream,
                text: line,
            });
        }
    }

    /// What is kept of a line: masked, cut, and nothing beyond a job's allowance but one word about that.
    fn kept(&self, line: &str) -> Option<String> {
        let mut state = self.lock();
        if state.output_bytes > OUTPUT_BYTES {
            return None;
        }
        let line = cut(&state.mask.apply(line));
        state.output_bytes += line.len() + 1;
        if state.output_bytes > OUTPUT_BYTES {
            return Some(format!(
                "… more than {} MiB of output: the rest is not kept",
                OUTPUT_BYTES / (1024 * 1024)
            ));
        }
        Some(line)
    }

    fn lock(&self) -> MutexGuard<'_, SinkState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, what: Happening) {
        let is_output = matches!(what, Happening::Output { .. });
        let mut state = self.lock();
        let n = state.last + 1;
        match self
            .0
            .journal
            .append_event(&self.0.key, n, self.0.clock.now(), what)
        {
            Ok(()) => {
                state.last = n;
                self.0.sender.spooled(is_output);
            }
            // The number is not used up, so the events stay without gaps. Logged once a job: with a full disk
            // every further line would fail the same way.
            Err(error) if !state.failed => {
                state.failed = true;
                tracing::error!(job.id = %self.0.key.job, %error, "an event of the job is lost");
            }
            Err(_) => {}
        }
    }
}

/// Cuts a line to what one event holds, at a character's border, and marks the cut.
fn cut(line: &str) -> String {
    const MARK: &str = " … (cut)";
    if line.len() <= limits::OUTPUT_LINE_BYTES {
        return line.to_owned();
    }
    let room = limits::OUTPUT_LINE_BYTES - MARK.len();
    format!("{}{MARK}", &line[..line.floor_char_boundary(room)])
}

/// What a job has reached, kept over restarts.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    key: JobKey,
    journal: Journal,
}

impl Checkpoints {
    /// The checkpoints of one attempt.
    pub(crate) fn new(key: JobKey, journal: Journal) -> Self {
        Self { key, journal }
    }

    /// Notes that `name` is reached; on disk when this returns.
    pub(crate) fn mark(&self, name: &str) -> Result<(), JournalError> {
        self.journal.mark(&self.key, name)
    }

    /// True when `name` was reached.
    pub(crate) fn reached(&self, name: &str) -> Result<bool, JournalError> {
        self.journal.reached(&self.key, name)
    }
}

/// The checkpoint that a deployment or a rollback reaches when `current` is about to move: from here on it cannot
/// be cancelled.
pub(crate) const SWITCHED: &str = "switched";

/// Does a job.
pub(crate) async fn dispatch(context: &JobContext, identity: &Identity) -> Outcome {
    match &context.job.work {
        // Cancel and update are about the agent itself, which does them.
        Work::Ping(_) | Work::Cancel(_) | Work::Update(_) => Outcome::Succeeded { manifest: None },
        Work::Deploy(work) => match secrets(context, work, identity) {
            Ok(secrets) => deploy::deploy(context, work, secrets).await,
            Err(reason) => Outcome::Failed { step: None, reason },
        },
        Work::Rollback(work) => deploy::rollback(context, work).await,
        Work::Stop(work) => deploy::stop(context, work).await,
        Work::Restart(work) => deploy::restart(context, work).await,
        Work::Scale(work) => deploy::scale(context, work).await,
        Work::RemoveProject(work) => deploy::remove(context, work).await,
        Work::Inspect(work) => match looks_with(work, identity) {
            Ok(token) => inspect::inspect(context, work, token.as_ref()).await,
            Err(reason) => Outcome::Failed { step: None, reason },
        },
    }
}

/// Ends a job that was running when the process ended.
pub(crate) async fn recover(context: &JobContext, identity: &Identity) -> Outcome {
    if let Work::Deploy(work) = &context.job.work
        && let Err(reason) = secrets(context, work, identity)
    {
        // They cannot be hidden, but nothing of them is needed to finish or undo.
        tracing::warn!(job.id = %context.job.id, reason, "recovering without the deployment's secrets");
    }
    let token = match &context.job.work {
        Work::Inspect(work) => looks_with(work, identity),
        _ => Ok(None),
    };
    match token {
        Ok(token) => deploy::recover(context, token.as_ref()).await,
        Err(reason) => Outcome::Failed { step: None, reason },
    }
}

/// Where the project of a job stands now; None for jobs about no project.
pub(crate) fn report(host: &Host, work: &Work) -> Option<ProjectReport> {
    let slug = match work {
        Work::Deploy(work) => &work.spec.slug,
        Work::Rollback(work) => &work.spec.slug,
        Work::Stop(work) => &work.slug,
        Work::Restart(work) => &work.slug,
        Work::Scale(work) => &work.slug,
        Work::RemoveProject(work) => &work.slug,
        Work::Cancel(_) | Work::Ping(_) | Work::Inspect(_) | Work::Update(_) => return None,
    };
    match deploy::report(host, slug) {
        Ok(report) => Some(report),
        Err(error) => {
            tracing::warn!(project = %slug, %error, "the state of the project cannot be reported");
            None
        }
    }
}

/// The outcome's name for the log.
pub(crate) fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded { .. } => "succeeded",
        Outcome::Inspected { .. } => "inspected",
        Outcome::Failed { .. } => "failed",
        Outcome::RolledBack { .. } => "rolled_back",
        Outcome::Cancelled => "cancelled",
        Outcome::Superseded { .. } => "superseded",
        Outcome::Refused { .. } => "refused",
    }
}

/// What a deployment brings sealed.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// The project's environment.
    pub(crate) environment: Environment,
    /// What its repository asks for.
    pub(crate) token: Option<RepositoryToken>,
}

/// Opens what a deployment brings sealed, and hides it in all output from now on.
fn secrets(context: &JobContext, deploy: &Deploy, identity: &Identity) -> Result<Secrets, String> {
    let environment = environment(context, deploy, identity)?;
    let token = repository_token(
        identity,
        &deploy.spec.repository,
        deploy.repository_token.as_ref(),
    )?;
    context.events.mask(token.iter().map(RepositoryToken::secret));
    Ok(Secrets { environment, token })
}

/// What the repository of a look asks for.
fn looks_with(work: &Inspect, identity: &Identity) -> Result<Option<RepositoryToken>, String> {
    repository_token(identity, &work.repository, work.repository_token.as_ref())
}

/// Opens the access token that was sealed for a repository, if there is one.
///
/// # Errors
/// One sentence: it is for another repository or another runner, or would not be protected on its way.
pub(crate) fn repository_token(
    identity: &Identity,
    repository: &RepositoryUrl,
    sealed: Option<&Sealed>,
) -> Result<Option<RepositoryToken>, String> {
    let Some(sealed) = sealed else { return Ok(None) };
    if repository.https_origin().is_none() {
        return Err(
            "an access token goes to https:// addresses alone; take it away, or change the address"
                .to_owned(),
        );
    }
    let plain = seal::open(&identity.keys.sealing, &repository_token_context(repository), sealed).map_err(|error| {
        format!("the repository's access token cannot be opened: {error}; if this server was enrolled again, deploy again")
    })?;
    let token = RepositoryToken::from_plain(&plain);
    token
        .map(Some)
        .ok_or_else(|| "the repository's access token is none; give the project a new one".to_owned())
}

/// Opens the environment of a deployment and hides its secrets in all output from now on.
fn environment(context: &JobContext, deploy: &Deploy, identity: &Identity) -> Result<Environment, String> {
    let Some(project) = &context.job.project else {
        return Err("the deployment names no project, so its environment cannot be opened".to_owned());
    };
    let sealed = &deploy.environment;
    let plain = seal::open(
        &identity.keys.sealing,
        &environment_context(project, sealed.version),
        &sealed.sealed,
    )
    .map_err(|error| {
        format!("the project's environment cannot be opened: {error}; if this server was enrolled again, deploy again")
    })?;
    let environment: Environment = serde_json::from_slice(&plain).map_err(|_| {
        "the project's environment is not a list of names and values; save it again".to_owned()
    })?;
    context.events.mask(mask::secrets(&environment));
    Ok(environment)
}

#[cfg(test)]
mod tests;
