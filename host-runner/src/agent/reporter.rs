//! Brings events and results to the edge. What is in the journal is sent until the edge has it, over any time
//! without the edge and over restarts.

use super::Agent;
use crate::edge::{Backoff, EdgeError};
use crate::journal::{Entry, Finished, JournalError};
use devflow_protocol::runner_api::{CompleteRequest, EventsRequest};
use std::time::{Duration, Instant};

/// How long a step or a state waits for more of the same before they are sent.
const GATHER: Duration = Duration::from_millis(150);

/// How long output alone gathers, which costs the edge a request and rows each time. While nobody watches, the time
/// grows with the job's age, so that an hour of chatter is not an hour of requests.
fn output_gather(age: Duration, watched: bool) -> Duration {
    let (share, most) = if watched { (30, 3) } else { (3, 15) };
    (age / share).clamp(Duration::from_millis(700), Duration::from_secs(most))
}

/// Since when jobs are being told of, and whether somebody watches one.
#[derive(Default)]
struct Audience {
    since: Option<Instant>,
    watched: bool,
    /// What the batches of this round were answered: of several jobs one that is watched is enough.
    heard: Option<bool>,
}

impl Audience {
    fn gather(&mut self) -> Duration {
        let since = *self.since.get_or_insert_with(Instant::now);
        output_gather(since.elapsed(), self.watched)
    }

    fn hear(&mut self, watched: bool) {
        self.heard = Some(watched || self.heard == Some(true));
    }

    /// Ends a round; one that sent nothing says nothing about who watches.
    fn end_round(&mut self) {
        self.watched = self.heard.take().unwrap_or(self.watched);
    }
}

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
    let mut audience = Audience::default();
    loop {
        gather(agent, audience.gather()).await;
        while let Err(error) = flush(agent, &mut audience).await {
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

/// Waits for something to send: a result does not wait for more, a step or a state little, output for `output`.
async fn gather(agent: &Agent, output: Duration) {
    let news = async {
        tokio::select! {
            () = agent.news.steps.notified() => {}
            () = async {
                agent.news.output.notified().await;
                tokio::time::sleep(output).await;
            } => return,
        }
        tokio::time::sleep(GATHER).await;
    };
    tokio::select! {
        () = agent.ended.notified() => {}
        () = news => {}
    }
}

/// Sends everything that is there now.
pub(super) async fn flush_all(agent: &Agent) -> Result<(), ReportError> {
    flush(agent, &mut Audience::default()).await
}

async fn flush(agent: &Agent, audience: &mut Audience) -> Result<(), ReportError> {
    let entries = agent.journal.open_entries()?;
    if entries.iter().all(|entry| entry.finished.is_some()) {
        *audience = Audience::default();
    }
    for entry in entries {
        // Before its acknowledgement a job has neither started nor ended.
        if !entry.acknowledged {
            continue;
        }
        send_events(agent, &entry, audience).await?;
        if let Some(finished) = &entry.finished {
            complete(agent, &entry, finished).await?;
        }
    }
    audience.end_round();
    Ok(())
}

async fn send_events(agent: &Agent, entry: &Entry, audience: &mut Audience) -> Result<(), ReportError> {
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
            Ok(accepted) => audience.hear(accepted.watched),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audience_is_watched_where_one_of_its_jobs_is_and_stays_so_over_a_round_without_news() {
        let mut audience = Audience::default();
        let mut round = |answers: &[bool]| {
            for watched in answers {
                audience.hear(*watched);
            }
            audience.end_round();
            audience.watched
        };
        assert_eq!(
            [
                round(&[true, false]),
                round(&[]),
                round(&[false, false]),
                round(&[])
            ],
            [true, true, false, false]
        );
    }

    #[test]
    fn output_gather_grows_with_the_job_unless_somebody_watches() {
        let millis = |age_s, watched| output_gather(Duration::from_secs(age_s), watched).as_millis();
        assert_eq!(
            [0, 3, 30, 600].map(|age| millis(age, false)),
            [700, 1_000, 10_000, 15_000]
        );
        assert_eq!(
            [0, 3, 30, 600].map(|age| millis(age, true)),
            [700, 700, 1_000, 3_000]
        );
    }
}
