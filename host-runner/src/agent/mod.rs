//! The agent: fetches jobs from the edge, does them, reports them, and keeps the projects as they should be.
//!
//! Everything runs on one thread. The edge being away, slow or wrong never touches a job that runs: jobs know the
//! journal only, and [`reporter`] brings what is in it to the edge.

mod heads;
mod intake;
mod keeper;
mod keys;
mod poll;
mod reporter;
mod shutdown;
mod update;
mod witness;
mod work;

use crate::clock::Clock;
use crate::config::Config;
use crate::edge::{EdgeClient, EdgeError};
use crate::entropy;
use crate::host::Host;
use crate::identity::Identity;
use crate::job::News;
use crate::journal::{JobKey, Journal, JournalError};
use crate::policy::Policy;
use devflow_protocol::JobId;
use devflow_protocol::job::Work;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

/// Confirmed jobs are kept this long for `status` and to recognise replays.
const KEEP_MS: i64 = 30 * 24 * 3_600_000;

/// How a run of the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was asked to stop.
    Stopped,
    /// A newer runner with the same identity has taken over.
    Superseded,
    /// Another program is in this one's place and is to be started.
    Replaced,
}

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The journal is not usable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No client for the edge.
    #[error(transparent)]
    Edge(#[from] EdgeError),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}

/// What the agent is put together from.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The server's tools.
    pub(crate) host: Arc<Host>,
    /// Keys and pins.
    pub(crate) identity: Identity,
    /// What is allowed.
    pub(crate) policy: Policy,
    /// The memory.
    pub(crate) journal: Journal,
    /// The public half of the key for repositories.
    pub(crate) deploy_key: Option<String>,
    /// Where the configuration was read from.
    pub(crate) config_file: PathBuf,
}

/// A job that is being done.
#[derive(Debug)]
struct Running {
    key: JobKey,
    cancel: CancellationToken,
}

/// What all tasks of the agent share.
#[derive(Debug)]
struct Agent {
    host: Arc<Host>,
    identity: RefCell<Rc<Identity>>,
    policy: Arc<Policy>,
    journal: Journal,
    edge: EdgeClient,
    clock: Clock,
    /// Events are in the spool.
    news: Arc<News>,
    /// A result is in the journal.
    ended: Notify,
    /// A job is not running any more.
    idle: Notify,
    running: RefCell<HashMap<JobId, Running>>,
    turns: RefCell<HashMap<String, Arc<Mutex<()>>>>,
    stopping: CancellationToken,
    superseded: CancellationToken,
    /// A poll was answered since this start.
    reached: CancellationToken,
    replaced: CancellationToken,
    /// No new jobs are taken: the runner is about to be replaced.
    draining: Cell<bool>,
    /// Held by the one update that is at work.
    updates: Mutex<()>,
    config_file: PathBuf,
}

impl Agent {
    /// Keys and pins as they are now.
    fn identity(&self) -> Rc<Identity> {
        Rc::clone(&self.identity.borrow())
    }

    /// The lock that a project's jobs take one after the other.
    fn turn(&self, slug: Option<&str>) -> Option<Arc<Mutex<()>>> {
        let slug = slug?;
        let mut turns = self.turns.borrow_mut();
        Some(Arc::clone(turns.entry(slug.to_owned()).or_default()))
    }

    fn is_running(&self, job: &JobId) -> bool {
        self.running.borrow().contains_key(job)
    }

    fn forget_running(&self, job: &JobId) {
        self.running.borrow_mut().remove(job);
        self.idle.notify_waiters();
    }

    /// The edge has given the job to nobody or to somebody else: what is not switched yet ends.
    fn lease_lost(&self, job: &JobId) {
        if let Some(running) = self.running.borrow().get(job) {
            running.cancel.cancel();
        }
    }

    /// Ends this process for the program that is in its place now.
    fn replace(&self) {
        self.replaced.cancel();
        self.stopping.cancel();
    }

    fn supersede(&self) {
        self.superseded.cancel();
        self.stopping.cancel();
    }
}

/// Runs until a signal comes or a newer runner takes over.
pub(crate) async fn run(config: &Config, parts: Parts) -> Result<Ending, AgentError> {
    let session = entropy::session();
    let clock = Clock::default();
    let edge = EdgeClient::new(config, parts.identity.clone(), session.clone(), clock.clone())?;
    parts.journal.note("session", session.as_str())?;
    parts.journal.note("started", &clock.now().0.to_string())?;
    parts.journal.forget(clock.now().plus(-KEEP_MS))?;
    tracing::info!(edge = edge.address(), server.id = %parts.identity.server, %session, "the runner starts");
    let agent = Rc::new(Agent {
        host: parts.host,
        identity: RefCell::new(Rc::new(parts.identity)),
        policy: Arc::new(parts.policy),
        journal: parts.journal,
        edge,
        clock,
        news: Arc::default(),
        ended: Notify::new(),
        idle: Notify::new(),
        running: RefCell::default(),
        turns: RefCell::default(),
        stopping: CancellationToken::new(),
        superseded: CancellationToken::new(),
        reached: CancellationToken::new(),
        replaced: CancellationToken::new(),
        draining: Cell::new(false),
        updates: Mutex::new(()),
        config_file: parts.config_file,
    });
    let tasks = tokio::task::LocalSet::new();
    tasks.run_until(serve(&agent, parts.deploy_key)).await
}

async fn serve(agent: &Rc<Agent>, deploy_key: Option<String>) -> Result<Ending, AgentError> {
    let mut signals = shutdown::Signals::new().map_err(AgentError::Signals)?;
    resume(agent)?;
    let reporter = Rc::clone(agent);
    tokio::task::spawn_local(async move { reporter::run(&reporter).await });
    let keeper = Rc::clone(agent);
    tokio::task::spawn_local(async move { keeper::run(&keeper).await });
    let heads = Rc::clone(agent);
    tokio::task::spawn_local(async move { heads::run(&heads).await });
    let poller = Rc::clone(agent);
    tokio::task::spawn_local(async move { poll::run(&poller, deploy_key).await });
    let asked = tokio::select! {
        biased;
        () = signals.next() => true,
        () = agent.stopping.cancelled() => false,
    };
    if asked {
        tracing::info!("the runner was asked to stop");
    } else if agent.replaced.is_cancelled() {
        // No other job runs, and the program that begins now sends what is to be told.
        return Ok(Ending::Replaced);
    }
    agent.stopping.cancel();
    shutdown::wind_down(agent, &mut signals).await;
    if agent.superseded.is_cancelled() {
        Ok(Ending::Superseded)
    } else {
        Ok(Ending::Stopped)
    }
}

/// Goes on with what the journal holds from before this start.
fn resume(agent: &Rc<Agent>) -> Result<(), JournalError> {
    let jobs = agent.journal.unfinished()?;
    for entry in agent.journal.open_entries()? {
        if entry.finished.is_some() {
            if !entry.acknowledged {
                work::refused(agent, entry.key, entry.lease);
            }
            continue;
        }
        let Some(job) = jobs.iter().find(|job| JobKey::of(job) == entry.key) else {
            continue;
        };
        if entry.acknowledged {
            tracing::warn!(job.id = %job.id, "a job was cut off by the end of the runner; looking at what is there");
            work::recover(agent, job.clone());
        } else {
            // It was not started: that happens only after the acknowledgement.
            work::start(agent, job.clone());
        }
    }
    if !jobs.iter().any(|job| matches!(job.work, Work::Update(_))) {
        update::forget(agent);
    }
    agent.ended.notify_one();
    Ok(())
}
