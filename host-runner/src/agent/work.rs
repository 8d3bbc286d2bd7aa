//! Doing jobs: acknowledge, wait for the project's turn, do, write the result.

use super::{Agent, Running, update};
use crate::edge::{Backoff, EdgeError};
use crate::job::{self, Checkpoints, EventSink, JobContext};
use crate::journal::{Entry, Finished, JobKey, JournalError, slug_of};
use devflow_protocol::JobId;
use devflow_protocol::job::{Job, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::AckRequest;
use std::rc::Rc;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Starts a job whose intent is in the journal and that has not been started before.
pub(super) fn start(agent: &Rc<Agent>, job: Job) {
    let cancel = register(agent, &job);
    let agent = Rc::clone(agent);
    tokio::task::spawn_local(async move {
        if acknowledge(&agent, &JobKey::of(&job), job.lease.clone()).await {
            perform(&agent, &job, cancel, Start::First).await;
        }
        agent.forget_running(&job.id);
    });
}

/// Finishes or undoes a job that was running when the process ended.
pub(super) fn recover(agent: &Rc<Agent>, job: Job) {
    let cancel = register(agent, &job);
    let agent = Rc::clone(agent);
    tokio::task::spawn_local(async move {
        perform(&agent, &job, cancel, Start::Again).await;
        agent.forget_running(&job.id);
    });
}

/// Reports a refusal that is in the journal: acknowledged first, because only then is it this runner's to end.
pub(super) fn refused(agent: &Rc<Agent>, key: JobKey, lease: String) {
    let agent = Rc::clone(agent);
    tokio::task::spawn_local(async move {
        if acknowledge(&agent, &key, lease).await {
            agent.ended.notify_one();
        }
    });
}

/// The edge offers what the journal has: its acknowledgement was lost. It is answered again, never run again.
pub(super) fn known(agent: &Rc<Agent>, entry: &Entry, lease: String) {
    // One that is being acknowledged right now goes on with that.
    if !entry.acknowledged && (entry.finished.is_some() || agent.is_running(&entry.key.job)) {
        return;
    }
    let agent = Rc::clone(agent);
    let key = entry.key.clone();
    tokio::task::spawn_local(async move {
        // The envelope comes again as long as the edge wants an answer.
        if let Err(error) = agent.edge.ack(&ack(&key, lease)).await {
            tracing::warn!(job.id = %key.job, %error, "a job could not be acknowledged again");
        } else if let Err(error) = agent.journal.reopen(&key) {
            tracing::error!(job.id = %key.job, %error, "the recorded result cannot be sent again");
        } else {
            agent.ended.notify_one();
        }
    });
}

fn ack(key: &JobKey, lease: String) -> AckRequest {
    AckRequest {
        job: key.job.clone(),
        attempt: key.attempt,
        lease,
    }
}

fn register(agent: &Agent, job: &Job) -> CancellationToken {
    let cancel = CancellationToken::new();
    let running = Running {
        key: JobKey::of(job),
        cancel: cancel.clone(),
    };
    agent.running.borrow_mut().insert(job.id.clone(), running);
    cancel
}

/// Tells the edge that a job is in the journal; false when the job is not this runner's any more. Nothing is
/// started before, so a job that the edge gives to somebody else meanwhile is never done twice.
async fn acknowledge(agent: &Agent, key: &JobKey, lease: String) -> bool {
    let request = ack(key, lease);
    let mut backoff = Backoff::default();
    loop {
        let error = match agent.edge.ack(&request).await {
            Ok(_) => match agent.journal.acknowledged(key) {
                Ok(()) => return true,
                Err(error) => AckError::Journal(error),
            },
            Err(error) if error.is_final() => {
                tracing::warn!(job.id = %key.job, %error, "the edge took the job away before it was started");
                if let Err(error) = agent.journal.abandon(key, agent.clock.now()) {
                    tracing::error!(job.id = %key.job, %error, "the journal cannot note that");
                }
                return false;
            }
            Err(error) => AckError::Edge(error),
        };
        let wait = backoff.next();
        if backoff.failures() == 1 {
            tracing::warn!(job.id = %key.job, %error, "a job cannot be acknowledged yet");
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // It stays in the journal and is acknowledged after the next start.
            () = agent.stopping.cancelled() => return false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AckError {
    #[error(transparent)]
    Edge(EdgeError),
    #[error(transparent)]
    Journal(JournalError),
}

/// Whether a job starts or goes on after the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    First,
    Again,
}

async fn perform(agent: &Rc<Agent>, job: &Job, cancel: CancellationToken, start: Start) {
    let key = JobKey::of(job);
    let outcome = match &job.work {
        Work::Cancel(target) => end_job(agent, &target.job),
        Work::Update(work) => {
            let outcome = match start {
                Start::First => update::perform(agent, job, work, &cancel).await,
                Start::Again => update::recover(agent, work).await,
            };
            // Else the next start ends the job.
            let Some(outcome) = outcome else { return };
            outcome
        }
        _ => match context(agent, job.clone(), cancel) {
            Ok(context) => do_in_turn(agent, &context, start).await,
            Err(error) => failed(error.to_string()),
        },
    };
    if let Err(error) = finish(agent, job, outcome) {
        // The intent stays, so the next start looks at what was done and ends it.
        tracing::error!(job.id = %key.job, %error, "the result of the job cannot be written");
    }
    agent.ended.notify_one();
}

fn context(agent: &Agent, job: Job, cancel: CancellationToken) -> Result<JobContext, JournalError> {
    let key = JobKey::of(&job);
    Ok(JobContext {
        job,
        host: Arc::clone(&agent.host),
        policy: Arc::clone(&agent.policy),
        events: EventSink::new(
            key.clone(),
            agent.journal.clone(),
            agent.clock.clone(),
            Arc::clone(&agent.news),
        )?,
        cancel,
        checkpoints: Checkpoints::new(key, agent.journal.clone()),
    })
}

/// The turn of looks at repositories. No project has this name: it is no slug.
const LOOKS: &str = "looks at repositories";

/// Which turn a job waits for: its project's, or that of all looks at repositories. They belong to no project, and each
/// takes network, disk and memory for what it fetches.
fn turn_of(work: &Work) -> Option<&str> {
    match work {
        Work::Inspect(_) => Some(LOOKS),
        _ => slug_of(work),
    }
}

/// Does a job when no other job of its project runs, and a look at a repository when no other look does.
async fn do_in_turn(agent: &Agent, context: &JobContext, start: Start) -> Outcome {
    let turn = agent.turn(turn_of(&context.job.work));
    let _turn = match &turn {
        Some(turn) => tokio::select! {
            guard = turn.lock() => Some(guard),
            () = context.cancel.cancelled(), if start == Start::First => return cancelled(agent),
        },
        None => None,
    };
    let outcome = match start {
        Start::First => {
            if let Err(reason) = super::intake::in_time(&context.job, agent.clock.now()) {
                return Outcome::Refused { reason };
            }
            Box::pin(job::dispatch(context, &agent.identity())).await
        }
        Start::Again => Box::pin(job::recover(context, &agent.identity())).await,
    };
    match outcome {
        Outcome::Cancelled => cancelled(agent),
        other => other,
    }
}

/// A person did not end a job that ended because the runner did.
fn cancelled(agent: &Agent) -> Outcome {
    if agent.stopping.is_cancelled() {
        failed("the runner was stopped on this server before the switch; deploy again".to_owned())
    } else {
        Outcome::Cancelled
    }
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { step: None, reason }
}

/// Ends another job, if that is still possible.
fn end_job(agent: &Agent, target: &JobId) -> Outcome {
    let running = agent
        .running
        .borrow()
        .get(target)
        .map(|running| (running.key.clone(), running.cancel.clone()));
    let Some((key, cancel)) = running else {
        return failed(match agent.journal.attempts(target) {
            Ok(attempts) if attempts.is_empty() => "the job never reached this server".to_owned(),
            Ok(_) => "the job had ended already".to_owned(),
            Err(error) => error.to_string(),
        });
    };
    match agent.journal.reached(&key, job::SWITCHED) {
        Ok(false) => {
            cancel.cancel();
            Outcome::Succeeded { manifest: None }
        }
        Ok(true) => failed("the new release is switched to already; roll back instead".to_owned()),
        Err(error) => failed(error.to_string()),
    }
}

fn finish(agent: &Agent, job: &Job, outcome: Outcome) -> Result<(), JournalError> {
    let slug = slug_of(&job.work);
    if let (Some(slug), Outcome::Succeeded { .. }) = (slug, &outcome) {
        match &job.work {
            // The first release that goes live pins: a mistyped address that never worked must not.
            Work::Deploy(deploy) if agent.journal.pin(slug)?.is_none() => {
                agent
                    .journal
                    .set_pin(slug, deploy.spec.repository.as_str(), agent.clock.now())?;
            }
            // As long as its data is there, no other repository's code may get at it.
            Work::RemoveProject(remove) if remove.purge => agent.journal.remove_pin(slug)?,
            _ => {}
        }
    }
    let report = job::report(&agent.host, &job.work);
    tracing::info!(job.id = %job.id, outcome = job::outcome_name(&outcome), "a job has ended");
    agent.journal.finish(
        &JobKey::of(job),
        &Finished {
            at: agent.clock.now(),
            outcome: shortened(outcome),
            report,
        },
    )
}

/// Cuts a reason to what a result may carry.
fn shortened(mut outcome: Outcome) -> Outcome {
    use devflow_protocol::limits::REASON_BYTES;
    match &mut outcome {
        Outcome::Failed { reason, .. }
        | Outcome::RolledBack { reason }
        | Outcome::Superseded { reason }
        | Outcome::Refused { reason } => {
            reason.truncate(reason.floor_char_boundary(REASON_BYTES));
        }
        Outcome::Succeeded { .. } | Outcome::Inspected { .. } | Outcome::Cancelled => {}
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use devflow_protocol::job::Inspect;
    use devflow_protocol::text::Slug;

    #[test]
    fn looks_at_repositories_take_one_turn_that_no_project_has() {
        let look = |repository: &str| {
            Work::Inspect(Inspect {
                repository: repository.parse().expect("an address"),
                ref_name: "refs/heads/main".parse().expect("a ref"),
                repository_token: None,
            })
        };
        let looks = [look("https://h.test/a"), look("https://h.test/b")];
        assert_eq!(looks.each_ref().map(turn_of), [Some(LOOKS); 2]);
        assert!(LOOKS.parse::<Slug>().is_err());
        assert_eq!(turn_of(&samples::stop("shop")), Some("shop"));
        assert_eq!(turn_of(&samples::ping(1).work), None);
    }
}
