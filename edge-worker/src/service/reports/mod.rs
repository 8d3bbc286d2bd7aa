//! What a runner reports about a job that it has: that it is in the journal, what happens ([`events`]), how it ended.

mod events;

pub(crate) use events::take_events;

use super::topics;
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::store::jobs::JobRow;
use crate::store::projects::ProjectState;
use crate::store::{InBatch as _, Statement, deployments, jobs, outbox, projects};
use devflow_domain::deployment::{self, DeploymentEvent, End};
use devflow_protocol::limits::REASON_BYTES;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::{AckRequest, CompleteRequest};
use devflow_protocol::{JobId, ServerId, UnixMillis};

/// The job, if it is this server's in this attempt.
async fn job(state: &AppState, server: &ServerId, id: &JobId, attempt: u32) -> Result<JobRow, ApiError> {
    let row: Option<JobRow> = state.db.first(jobs::by_id(id)).await?;
    row.filter(|row| {
        row.server == *server && row.attempt == attempt && row.state != "abandoned" && row.state != "queued"
    })
    .ok_or_else(ApiError::lease_lost)
}

/// The job is in the runner's journal. Said twice, it is true twice.
pub(crate) async fn acknowledge(
    state: &AppState,
    server: &ServerId,
    request: &AckRequest,
) -> Result<(), ApiError> {
    let (id, now) = (&request.job, platform::now());
    let mut batch = Vec::from(jobs::acknowledge(
        id,
        server,
        request.attempt,
        &request.lease,
        now,
    ));
    batch.extend([outbox::look(now), jobs::by_id(id)]);
    let answers = state.db.batch(batch).await?;
    let row: Option<JobRow> = answers.last().first_row()?;
    let held = row.filter(|row| {
        row.server == *server
            && row.attempt == request.attempt
            && row.lease.as_deref() == Some(request.lease.as_str())
            && row.acked_at.is_some()
            && row.state != "abandoned"
    });
    let row = held.ok_or_else(ApiError::lease_lost)?;
    state.signal(None, topics(row.project.as_ref(), row.deployment.as_ref()));
    state.drain_outbox(answers.iter().rev().nth(1))?;
    Ok(())
}

/// How a deployment ends by a job's outcome, and the sentence that is kept.
fn end_of(outcome: &Outcome) -> (End, Option<String>) {
    match outcome {
        // Of a deployment there is no look.
        Outcome::Succeeded { .. } | Outcome::Inspected { .. } => (End::Live, None),
        Outcome::Failed {
            step: Some(step),
            reason,
        } => (End::Failed, Some(format!("{step}: {reason}"))),
        Outcome::Failed { step: None, reason } | Outcome::Refused { reason } => {
            (End::Failed, Some(reason.clone()))
        }
        Outcome::RolledBack { reason } => (End::RolledBack, Some(reason.clone())),
        Outcome::Cancelled => (End::Cancelled, Some("Cancelled by a person.".to_owned())),
        Outcome::Superseded { reason } => (End::Superseded, Some(reason.clone())),
    }
}

/// The state that a project has after a job of this verb succeeded.
fn project_state(verb: &str, outcome: &Outcome) -> Option<ProjectState> {
    match (verb, outcome) {
        ("stop", Outcome::Succeeded { .. }) => Some(ProjectState::Stopped),
        ("deploy" | "rollback" | "restart", Outcome::Succeeded { .. }) => Some(ProjectState::Active),
        _ => None,
    }
}

/// Ends a job. An end that was reported before is accepted again and changes nothing.
pub(crate) async fn complete(
    state: &AppState,
    server: &ServerId,
    request: &CompleteRequest,
) -> Result<(), ApiError> {
    let (id, attempt) = (&request.job, request.attempt);
    let at = request.finished_at.clamp(UnixMillis(0), platform::now());
    let row = job(state, server, id, attempt).await?;
    if row.state == "done" {
        return Ok(());
    }
    let outcome =
        serde_json::to_string(&request.outcome).map_err(|error| ApiError::Internal(error.to_string()))?;
    let mut batch: Vec<Statement> = Vec::new();
    batch.extend(end_of_deployment(&row, request, at));
    batch.extend(end_for_project(&row, request));
    batch.extend([
        jobs::finish(id, attempt, &outcome, at),
        outbox::look(platform::now()),
    ]);
    let answers = state.db.batch(batch).await?;
    state.signal(
        Some(server),
        topics(row.project.as_ref(), row.deployment.as_ref()),
    );
    state.drain_outbox(answers.last())?;
    Ok(())
}

/// The end of the job's deployment, if it has one that is not over.
fn end_of_deployment(row: &JobRow, request: &CompleteRequest, at: UnixMillis) -> Option<Statement> {
    let (end, reason) = end_of(&request.outcome);
    let reason = reason.map(|text| cut_bytes(&text, REASON_BYTES));
    let manifest = match &request.outcome {
        Outcome::Succeeded {
            manifest: Some(manifest),
        } => serde_json::to_string(manifest).ok(),
        _ => None,
    };
    match deployment::apply(row.deployment_state?, DeploymentEvent::Completed(end)) {
        Ok(next) => {
            let (reason, manifest) = (reason.as_deref(), manifest.as_deref());
            Some(deployments::finish(
                &row.id,
                row.attempt,
                next,
                reason,
                manifest,
                at,
            ))
        }
        Err(error) => {
            platform::log_error(&format!("the end of job {} does not fit: {error}", row.id));
            None
        }
    }
}

/// What the end of a job means for its project.
fn end_for_project(row: &JobRow, request: &CompleteRequest) -> Option<Statement> {
    let (id, attempt) = (&row.id, row.attempt);
    let succeeded = matches!(request.outcome, Outcome::Succeeded { .. });
    match (row.verb.as_str(), &request.project) {
        ("remove_project", _) if succeeded => Some(projects::delete_removed(id, attempt)),
        ("remove_project", _) => Some(projects::keep_after_all(id, attempt)),
        (verb, Some(report)) => Some(projects::report(
            id,
            attempt,
            report,
            project_state(verb, &request.outcome),
        )),
        (_, None) => None,
    }
}

fn cut_bytes(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_bytes_keeps_whole_characters() {
        assert_eq!(cut_bytes("aüb", 2), "a");
        assert_eq!(cut_bytes("abc", 9), "abc");
    }
}
