//! What a runner reports about a job that it has: that it is in the journal, what happens ([`events`]), how it ended.

mod events;

pub(crate) use events::take_events;

use super::parts::{self, Advance, Ended, cut_bytes};
use super::topics;
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::store::jobs::JobRow;
use crate::store::projects::ProjectState;
use crate::store::{InBatch as _, Statement, deployments, jobs, outbox, projects, targets};
use devflow_domain::deployment::{self, DeploymentEvent, End};
use devflow_protocol::limits::{REASON_BYTES, SERVICES_TOLD};
use devflow_protocol::outcome::{Manifest, Outcome};
use devflow_protocol::runner_api::{AckRequest, CompleteRequest, ProjectReport};
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

/// How fast the release answered that an outcome tells of.
fn answer_ms(outcome: &Outcome) -> Option<u32> {
    match outcome {
        Outcome::Succeeded { manifest } => manifest.as_ref()?.answer_ms,
        _ => None,
    }
}

/// A manifest as it is stored, with not more packages than are allowed.
fn manifest_json(manifest: &Manifest) -> Option<String> {
    let manifest = Manifest {
        packages: manifest.packages.clone().bounded(),
        services: manifest.services.iter().take(SERVICES_TOLD).cloned().collect(),
        ..manifest.clone()
    };
    serde_json::to_string(&manifest).ok()
}

/// Ends a job. An end that was reported before is accepted again and changes nothing.
pub(crate) async fn complete(
    state: &AppState,
    server: &ServerId,
    request: &CompleteRequest,
) -> Result<(), ApiError> {
    let (id, attempt) = (&request.job, request.attempt);
    let at = request.finished_at.clamp(UnixMillis(0), platform::now());
    let row: Option<JobRow> = state.db.first(jobs::by_id(id)).await?;
    let row = row
        .filter(|row| row.server == *server && row.attempt == attempt && row.state != "queued")
        .ok_or_else(ApiError::lease_lost)?;
    if row.state == "abandoned" {
        // Nothing follows from how it ended, but what is live there is true.
        if let Some(report) = &request.project {
            state
                .db
                .batch(reports(id, attempt, report, None, None).into())
                .await?;
        }
        return Err(ApiError::lease_lost());
    }
    if row.state == "done" {
        return Ok(());
    }
    let outcome =
        serde_json::to_string(&request.outcome).map_err(|error| ApiError::Internal(error.to_string()))?;
    let Advance { mut batch, wakes } = end_of_deployment(state, &row, request, at).await?;
    batch.extend(end_for_project(&row, request));
    let ask_next = batch
        .iter()
        .position(|statement| statement.name() == targets::REMOVE_NEXT);
    batch.extend([
        jobs::finish(id, attempt, &outcome, at),
        outbox::look(platform::now()),
    ]);
    let answers = state.db.batch(batch).await?;
    let asked: Option<targets::AskedRow> = ask_next.and_then(|at| answers.get(at)).first_row()?;
    state.signal(
        Some(server),
        topics(row.project.as_ref(), row.deployment.as_ref()),
    );
    if let Some(other) = wakes.or(asked.map(|row| row.server)) {
        state.signal(Some(&other), vec![]);
    }
    state.drain_outbox(answers.last())?;
    Ok(())
}

/// The end of the job's deployment, if it has one that is not over; of one on several servers what follows.
async fn end_of_deployment(
    state: &AppState,
    row: &JobRow,
    request: &CompleteRequest,
    at: UnixMillis,
) -> Result<Advance, ApiError> {
    let Some(stands) = row.deployment_state else {
        return Ok(Advance::default());
    };
    let (end, reason) = end_of(&request.outcome);
    let reason = reason.map(|text| cut_bytes(&text, REASON_BYTES));
    let manifest = match &request.outcome {
        Outcome::Succeeded {
            manifest: Some(manifest),
        } => manifest_json(manifest),
        _ => None,
    };
    let manifest = manifest.as_deref();
    if row.parts > 0 {
        let ended = Ended {
            end,
            reason,
            manifest,
            kept: request.project.as_ref().map(|report| report.kept.as_slice()),
            at,
        };
        return Ok(parts::advance(&state.db, row, ended).await?);
    }
    match deployment::apply(stands, DeploymentEvent::Completed(end)) {
        Ok(next) => {
            let finish = deployments::finish(&row.id, row.attempt, next, reason.as_deref(), manifest, at);
            Ok(Advance {
                batch: vec![finish],
                wakes: None,
            })
        }
        Err(error) => {
            platform::log_error(&format!("the end of job {} does not fit: {error}", row.id));
            Ok(Advance::default())
        }
    }
}

/// What is true of the project on the server of a job from now on.
fn reports(
    id: &JobId,
    attempt: u32,
    report: &ProjectReport,
    state: Option<ProjectState>,
    answer_ms: Option<u32>,
) -> [Statement; 2] {
    [
        projects::report(id, attempt, report, state, answer_ms),
        targets::report(id, attempt, report),
    ]
}

/// What the end of a job means for its project.
fn end_for_project(row: &JobRow, request: &CompleteRequest) -> Vec<Statement> {
    let (id, attempt) = (&row.id, row.attempt);
    let succeeded = matches!(request.outcome, Outcome::Succeeded { .. });
    match (row.verb.as_str(), &request.project) {
        ("remove_project", _) if succeeded => {
            let next = platform::new_id(JobId::new);
            let [removed, ask_next] = targets::removed(id, attempt, &next, platform::now());
            vec![projects::delete_removed(id, attempt), removed, ask_next]
        }
        ("remove_project", _) => vec![projects::keep_after_all(id, attempt)],
        (verb, Some(report)) => {
            let state = project_state(verb, &request.outcome);
            reports(id, attempt, report, state, answer_ms(&request.outcome)).into()
        }
        (_, None) => vec![],
    }
}
