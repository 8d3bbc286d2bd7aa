//! Deployments as a person or an API client asks for them: start, repeat, go back, cancel, give up.

use super::parts::{self, Advance, Ended};
use super::{projects, targets, topics};
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::store::deployments::{DeploymentRow, Kind, NewDeployment};
use crate::store::lease::Arguments;
use crate::store::projects::{ProjectRow, ProjectState};
use crate::store::{InBatch as _, Statement, activity, deployments, jobs, outbox};
use devflow_domain::deployment::{End, can_cancel, is_final};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Trigger;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, JobId, ProjectId};

/// One deployment.
pub(crate) async fn get(state: &AppState, id: &DeploymentId) -> Result<DeploymentRow, ApiError> {
    state
        .db
        .first(deployments::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("deployment"))
}

async fn deployable(state: &AppState, id: &ProjectId) -> Result<ProjectRow, ApiError> {
    let project = projects::get(state, id).await?;
    if project.state == ProjectState::Removing {
        return Err(projects::removing());
    }
    Ok(project)
}

/// What a new deployment is made of, beside its project.
#[derive(Default)]
struct Wanted<'a> {
    commit: Option<&'a GitSha>,
    subject: Option<&'a str>,
    author: Option<&'a str>,
    target: Option<&'a DeploymentId>,
    force: bool,
}

async fn queue(
    state: &AppState,
    actor: &Actor,
    project: &ProjectRow,
    action: &str,
    wanted: &Wanted<'_>,
) -> Result<DeploymentRow, ApiError> {
    let (now, id, job) = (
        platform::now(),
        platform::new_id(DeploymentId::new),
        platform::new_id(JobId::new),
    );
    let new = NewDeployment {
        id: &id,
        job: &job,
        project: &project.id,
        server: &project.server,
        trigger: Trigger::Manual,
        ref_name: &project.ref_name,
        commit: wanted.commit,
        subject: wanted.subject,
        author: wanted.author,
        delivery: None,
        target: wanted.target,
        force: wanted.force,
        now,
    };
    let mut batch: Vec<Statement> = deployments::queue(&new, None).into();
    batch.push(activity::record(now, &actor.0, action, id.as_str(), ""));
    batch.push(deployments::by_id(&id));
    let answers = state.db.batch(batch).await?;
    state.signal(Some(&project.server), topics(Some(&project.id), Some(&id)));
    state.drain_outbox(answers.get(2))?;
    let row = answers.last().first_row()?;
    row.ok_or_else(|| ApiError::Internal("a deployment was not there after it was queued".to_owned()))
}

/// Deploys `commit`, or the tip of the project's ref.
pub(crate) async fn start(
    state: &AppState,
    actor: &Actor,
    project: &ProjectId,
    commit: Option<&GitSha>,
) -> Result<DeploymentRow, ApiError> {
    let project = deployable(state, project).await?;
    targets::check_take_work(state, &project).await?;
    queue(
        state,
        actor,
        &project,
        "deployment.start",
        &Wanted {
            commit,
            ..Wanted::default()
        },
    )
    .await
}

/// Deploys the commit of `id` again, with today's settings and environment.
pub(crate) async fn redeploy(
    state: &AppState,
    actor: &Actor,
    id: &DeploymentId,
) -> Result<DeploymentRow, ApiError> {
    let before = get(state, id).await?;
    let project = deployable(state, &before.project).await?;
    targets::check_take_work(state, &project).await?;
    let wanted = Wanted {
        commit: before.commit_sha.as_ref(),
        subject: before.subject.as_deref(),
        author: before.author.as_deref(),
        ..Wanted::default()
    };
    queue(state, actor, &project, "deployment.redeploy", &wanted).await
}

/// Goes back to the release of `id`, which has to be kept on all servers of the project. `force` does so even where a destructive
/// migration lies between.
pub(crate) async fn roll_back(
    state: &AppState,
    actor: &Actor,
    id: &DeploymentId,
    force: bool,
) -> Result<DeploymentRow, ApiError> {
    let target = get(state, id).await?;
    let project = deployable(state, &target.project).await?;
    let release = if target.kind == Kind::Rollback {
        target.target.as_ref().unwrap_or(id)
    } else {
        id
    };
    targets::check_goes_back(state, &project, release).await?;
    let wanted = Wanted {
        commit: target.commit_sha.as_ref(),
        subject: target.subject.as_deref(),
        author: target.author.as_deref(),
        target: Some(release),
        force,
    };
    queue(state, actor, &project, "deployment.roll_back", &wanted).await
}

/// Ends a deployment: at once where no runner has begun, else by asking the runner, until the switch.
pub(crate) async fn cancel(
    state: &AppState,
    actor: &Actor,
    id: &DeploymentId,
) -> Result<DeploymentRow, ApiError> {
    let row = get(state, id).await?;
    if is_final(row.state) {
        return Err(ApiError::Conflict(
            "over",
            format!("The deployment is over: it is {}.", row.state.as_str()),
        ));
    }
    let now = platform::now();
    let record = || activity::record_if_changed(now, &actor.0, "deployment.cancel", id.as_str(), "");
    let [deployment, job] = deployments::cancel_unacknowledged(id, now);
    let batch = vec![
        deployment,
        record(),
        job,
        jobs::of_deployment(id),
        outbox::look(now),
    ];
    let answers = state.db.batch(batch).await?;
    let ended = answers.first().is_some_and(|answer| answer.changes() > 0);
    if !ended {
        let job: Option<jobs::JobRow> = answers.get(3).first_row()?;
        if let Some(job) = job.as_ref().filter(|job| job.parts > 0 && waits(job)) {
            end_turn(state, job, End::Cancelled, "Cancelled by a person.", record()).await?;
        } else {
            let cancel = ask_runner_to_cancel(&row, job)?;
            state.db.batch(vec![cancel, record()]).await?;
        }
    }
    state.signal(Some(&row.server), topics(Some(&row.project), Some(id)));
    state.drain_outbox(answers.last())?;
    get(state, id).await
}

/// True for a job that no runner has begun.
fn waits(job: &jobs::JobRow) -> bool {
    matches!(job.state.as_str(), "queued" | "leased")
}

/// Ends the turn of a server that has not begun, or that nobody waits for any more, and does what follows on the others.
async fn end_turn(
    state: &AppState,
    job: &jobs::JobRow,
    end: End,
    reason: &str,
    record: Statement,
) -> Result<(), ApiError> {
    let now = platform::now();
    let ended = Ended::unheard(end, reason, now);
    let Advance { mut batch, wakes } = parts::advance(&state.db, job, ended).await?;
    batch.extend([
        jobs::give_up(&job.id, job.attempt, now),
        record,
        outbox::look(now),
    ]);
    let answers = state.db.batch(batch).await?;
    let given_up = answers
        .iter()
        .rev()
        .nth(2)
        .is_some_and(|answer| answer.changes() > 0);
    if !given_up {
        return Err(ApiError::Conflict(
            "changed_meanwhile",
            "The server went on just now; load the deployment again and repeat it.".to_owned(),
        ));
    }
    if let Some(other) = wakes {
        state.signal(Some(&other), vec![]);
    }
    state.drain_outbox(answers.last())?;
    Ok(())
}

/// The job by which the runner is asked, unless it is too late for that.
fn ask_runner_to_cancel(row: &DeploymentRow, job: Option<jobs::JobRow>) -> Result<Statement, ApiError> {
    if row.state == DeploymentState::OutOfContact {
        return Err(ApiError::Conflict(
            "out_of_contact",
            "The server is silent and cannot be asked. Wait for it, or abandon the deployment.".to_owned(),
        ));
    }
    let goes_back = job.as_ref().is_some_and(|job| job.verb != row.kind.verb());
    let Some(job) = job.filter(|_| can_cancel(row.state) && !goes_back) else {
        return Err(ApiError::Conflict(
            "too_late",
            "The new release is being switched to, which is not interrupted. Roll back instead.".to_owned(),
        ));
    };
    let arguments = serde_json::to_string(&Arguments {
        job: Some(job.id),
        ..Arguments::default()
    })
    .expect("arguments are plain");
    let cancel = platform::new_id(JobId::new);
    let new = jobs::NewJob {
        id: &cancel,
        server: &row.server,
        project: Some(&row.project),
        verb: "cancel",
        arguments: &arguments,
        now: platform::now(),
    };
    Ok(jobs::insert_cancel(&new))
}

/// Why a deployment ended whose server is silent.
const GIVEN_UP: &str =
    "Given up by a person while its server was out of contact. The server may still finish it.";

/// Gives up on a deployment whose server is silent, so that the project can be deployed again.
pub(crate) async fn abandon(
    state: &AppState,
    actor: &Actor,
    id: &DeploymentId,
) -> Result<DeploymentRow, ApiError> {
    let row = get(state, id).await?;
    let now = platform::now();
    let record = activity::record_if_changed(now, &actor.0, "deployment.abandon", id.as_str(), "");
    let silent = row.state == DeploymentState::OutOfContact;
    let job: Option<jobs::JobRow> = state.db.first(jobs::of_deployment(id)).await?;
    if let Some(job) = job.filter(|job| silent && job.parts > 0) {
        end_turn(state, &job, End::Failed, GIVEN_UP, record).await?;
    } else {
        let [deployment, job] = deployments::abandon(id, GIVEN_UP, now);
        let batch = vec![deployment, record, job, outbox::look(now)];
        let answers = state.db.batch(batch).await?;
        if answers.first().is_none_or(|answer| answer.changes() == 0) {
            return Err(ApiError::Conflict(
                "not_out_of_contact",
                "Only a deployment whose server is out of contact can be abandoned; cancel it instead."
                    .to_owned(),
            ));
        }
        state.drain_outbox(answers.last())?;
    }
    state.signal(Some(&row.server), topics(Some(&row.project), Some(id)));
    get(state, id).await
}
