//! Brings events and results to the edge. What is in the journal is sent until the edge has it, over any time
//! without the edge and over restarts.

use super::Agent;
use crate::edge::{Backoff, EdgeError};
use crate::journal::{Entry, Finished, JournalError};
use devflow_protocol::runner_api::{CompleteRequest, EventsRequest};
use std::time::Duration;

/// How long events gather before they are sent.
const GATHER: Duration = Duration::from_millis(150);

/// Why a round of sending ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error(transparent)]
    Edge(#[from] EdgeError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Sends for ever.
pub(super) async fn run(agent: &Agent) {
    let mut backoff = Backoff::default();
    loop {
        gather(agent).await;
        while let Err(error) = flush(agent).await {
            if let ReportError::Edge(edge) = &error
                && edge.is_superseded()
            {
                agent.supersede();
            }
            let wait = backoff.next();
            if backoff.failures() == 1 {
                tracing::warn!(%error, "events and results wait in the journal until the edge takes them");
            }
            tokio::time::sleep(wait).await;
        }
        backoff.reset();
    }
}

/// Waits for something to send; a result does not wait for more.
async fn gather(agent: &Agent) {
    tokio::select! {
        () = agent.ended.notified() => {}
        () = agent.spooled.notified() => {
            tokio::select! {
                () = agent.ended.notified() => {}
                () = tokio::time::sleep(GATHER) => {}
            }
        }
    }
}

/// Sends everything that is there now.
pub(super) async fn flush(agent: &Agent) -> Result<(), ReportError> {
    for entry in agent.journal.open_entries()? {
        // Before its acknowledgement a job has neither started nor ended.
        if !entry.acknowledged {
            continue;
        }
        send_events(agent, &entry).await?;
        if let Some(finished) = &entry.finished {
            complete(agent, &entry, finished).await?;
        }
    }
    Ok(())
}

async fn send_events(agent: &Agent, entry: &Entry) -> Result<(), ReportError> {
    loop {
        let events = agent.journal.next_batch(&entry.key)?;
        let Some(last) = events.last().map(|event| event.n) else {
            return Ok(());
        };
        let request = EventsRequest {
            job: entry.key.job.clone(),
            attempt: entry.key.attempt,
            events,
        };
        match agent.edge.events(&request).await {
            Ok(_) => {}
            // The edge will never take these; holding them back would hold the result back too.
            Err(error) if error.is_final() => {
                tracing::warn!(job.id = %entry.key.job, %error, "the edge does not take the job's events");
                if error.is_lease_lost() {
                    agent.lease_lost(&entry.key.job);
                }
            }
            Err(error) => return Err(error.into()),
        }
        agent.journal.events_acknowledged(&entry.key, last)?;
    }
}

async fn complete(agent: &Agent, entry: &Entry, finished: &Finished) -> Result<(), ReportError> {
    let request = CompleteRequest {
        job: entry.key.job.clone(),
        attempt: entry.key.attempt,
        finished_at: finished.at,
        outcome: finished.outcome.clone(),
        last_event: agent.journal.last_event(&entry.key)?,
        project: finished.report.clone(),
    };
    match agent.edge.complete(&request).await {
        Ok(_) => {}
        Err(error) if error.is_final() => {
            tracing::warn!(job.id = %entry.key.job, %error, "the edge does not take the job's result");
        }
        Err(error) => return Err(error.into()),
    }
    agent.journal.confirm(&entry.key)?;
    Ok(())
}
