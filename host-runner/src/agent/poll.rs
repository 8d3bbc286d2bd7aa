//! Asks the edge for jobs, also while jobs run, and takes them in.

use super::intake::{self, Intake};
use super::{Agent, keys, witness, work};
use crate::deploy::standing;
use crate::edge::{Backoff, EdgeError};
use crate::facts;
use crate::fault;
use crate::host::HostError;
use crate::identity::IdentityError;
use crate::journal::{Acceptance, Entry, Finished, JournalError, Ticket};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::Job;
use devflow_protocol::runner_api::{PollRequest, ServerFacts};
use ed25519_dalek::VerifyingKey;
use std::rc::Rc;
use std::time::Duration;

/// Polls until the agent stops.
pub(super) async fn run(agent: &Rc<Agent>, deploy_key: Option<String>) {
    let mut facts = Some(facts::collect(deploy_key));
    let mut tell_projects = false;
    let mut backoff = Backoff::default();
    loop {
        let asked = tokio::select! {
            () = agent.stopping.cancelled() => return,
            asked = ask(agent, facts.clone(), tell_projects) => asked,
        };
        let wait = match asked {
            Ok((wait, tell)) => {
                tell_projects = tell;
                if backoff.failures() > 0 {
                    tracing::info!("the edge is back");
                }
                backoff.reset();
                facts = None;
                wait
            }
            Err(PollError::Edge(error)) if error.is_superseded() => {
                agent.supersede();
                return;
            }
            Err(error) => {
                tell_projects = false;
                let wait = backoff.next();
                // The first failure says it; after that one line in a while is enough.
                if backoff.failures() % 10 == 1 {
                    tracing::warn!(%error, retry_ms = wait.as_millis(), "no jobs can be fetched");
                }
                wait
            }
        };
        tokio::select! {
            () = agent.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Edge(#[from] EdgeError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What the agent has of its projects, or nothing where that cannot be read: a poll fetches jobs in any case.
fn told<T>(what: Result<T, HostError>) -> Option<T> {
    what.inspect_err(|error| tracing::warn!(%error, "the edge cannot be told how the projects stand"))
        .ok()
}

/// Asks once; gives how long to wait, and whether to tell of the projects then.
async fn ask(
    agent: &Rc<Agent>,
    facts: Option<ServerFacts>,
    tell_projects: bool,
) -> Result<(Duration, bool), PollError> {
    let open = agent.journal.open_jobs()?;
    // In the middle of a job a project is neither here nor there.
    let standing = match open.as_slice() {
        [] => told(standing::digest(&agent.host, agent.journal.last_confirmed()?)),
        _ => None,
    };
    // In this order: what changes in between has another digest the next time.
    let projects = match &standing {
        Some(_) if tell_projects => told(standing::standings(&agent.host)),
        _ => None,
    };
    let request = PollRequest {
        last_sequence: agent.journal.last_sequence()?,
        open,
        facts,
        load: facts::load(&agent.host.config.projects_dir),
        answered_at: agent
            .journal
            .noted("contact")?
            .and_then(|text| text.parse().ok())
            .map(UnixMillis),
        paused: agent.draining.get(),
        witnessed: Some(agent.journal.last_seen()?.map_or(0, |seen| seen.number)),
        job_segments: true,
        keys: Some(agent.identity().pins.known()),
        // Without what it is the digest of the edge would ask again at once.
        standing: standing.filter(|_| projects.is_some() || !tell_projects),
        projects,
    };
    if fault::is_cut_off() {
        return Err(EdgeError::Unreachable("a test cut this program off".to_owned()).into());
    }
    let answer = agent.edge.poll(&request).await?;
    agent.reached.cancel();
    agent.journal.note("contact", &agent.clock.now().0.to_string())?;
    // The newest segment may be signed by the key that held until now.
    let before = agent.identity().pins.job_key;
    keys::follow(agent, &answer.keys)?;
    if let Some(segment) = &answer.segment {
        witness::witness(agent, segment, &before)?;
    }
    if let Some(envelope) = answer.job {
        take(agent, &envelope, &before)?;
    }
    Ok((
        Duration::from_millis(u64::from(answer.wait_ms)),
        answer.tell_projects,
    ))
}

/// Takes one envelope in. Only the journal can fail here; the edge then sends the envelope again. `before` is the job key that
/// was pinned when it was asked for.
fn take(agent: &Rc<Agent>, envelope: &Envelope, before: &VerifyingKey) -> Result<(), JournalError> {
    match intake::open(envelope, &agent.identity()) {
        Intake::Drop(reason) => {
            tracing::error!(reason, "a job was dropped");
            Ok(())
        }
        Intake::Refuse(ticket, reason) => {
            tracing::warn!(job.id = %ticket.key.job, reason, "a job is refused");
            match agent.journal.refuse(&ticket, &reason, agent.clock.now())? {
                Acceptance::New => work::refused(agent, ticket.key, ticket.lease),
                Acceptance::Known(entry) => work::known(agent, &entry, ticket.lease),
            }
            Ok(())
        }
        Intake::Offer(mut job) => {
            if let Some(segment) = job.segment.take() {
                witness::witness_of_job(agent, &segment, before)?;
            }
            offer(agent, *job)
        }
    }
}

fn offer(agent: &Rc<Agent>, job: Job) -> Result<(), JournalError> {
    let ticket = Ticket::of(&job);
    let now = agent.clock.now();
    if let Some(entry) = agent.journal.entry(&ticket.key)? {
        replayed(agent, &entry, &job);
        return Ok(());
    }
    if let Some(done) = done_before(agent, &job)? {
        tracing::info!(job.id = %job.id, "the job was done in an earlier attempt");
        agent.journal.done_before(&ticket, &done, now)?;
        work::refused(agent, ticket.key, ticket.lease);
        return Ok(());
    }
    let pin = match &ticket.slug {
        Some(slug) => agent.journal.pin(slug)?,
        None => None,
    };
    if let Err(reason) = intake::permitted(&job, &agent.policy, pin.as_deref(), now) {
        tracing::warn!(job.id = %job.id, reason, "a job is refused");
        agent.journal.refuse(&ticket, &reason, now)?;
        work::refused(agent, ticket.key, ticket.lease);
        return Ok(());
    }
    match agent.journal.accept(&job, now)? {
        Acceptance::New => {
            tracing::info!(job.id = %job.id, job.verb = job.work.verb(), "a job is accepted");
            work::start(agent, job);
        }
        Acceptance::Known(entry) => replayed(agent, &entry, &job),
    }
    Ok(())
}

/// The attempt in which a job was done to its end: the edge's database may be a copy of a time when it was not, and nothing is
/// done twice.
fn done_before(agent: &Agent, job: &Job) -> Result<Option<Finished>, JournalError> {
    let mut attempts = agent.journal.attempts(&job.id)?.into_iter();
    Ok(attempts.find_map(|entry| entry.finished.filter(|_| entry.acknowledged)))
}

fn replayed(agent: &Rc<Agent>, entry: &Entry, job: &Job) {
    tracing::info!(job.id = %job.id, "the job is in the journal already");
    work::known(agent, entry, job.lease.clone());
}
