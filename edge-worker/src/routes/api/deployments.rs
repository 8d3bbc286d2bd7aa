//! Deployments and their output.

use super::view::{Deployment, DeploymentAsked};
use crate::access::{Needs, Routes};
use crate::answer::Accepted;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, OptionalJson, Paging, Query};
use crate::service::output::{self, Output};
use crate::service::{deployments, projects};
use crate::store::Page;
use crate::store::deployments::{self as store, DeploymentRow, FROM_NEWEST};
use crate::store::parts::{self, PartRow};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId, ServerId};
use serde::Deserialize;

type Asked = Accepted<DeploymentAsked>;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/projects/{id}/deployments",
            Needs::project(Action::SeeProject),
            "List the deployments of a project, newest first",
            list,
        )
        .api(
            Method::POST,
            "/api/v1/projects/{id}/deployments",
            Needs::project(Action::Deploy),
            "Deploy the tip of the project's branch, or a commit",
            start,
        )
        .api(
            Method::GET,
            "/api/v1/deployments/{id}",
            Needs::deployment(Action::SeeProject),
            "Show a deployment",
            show,
        )
        .api(
            Method::GET,
            "/api/v1/deployments/{id}/output",
            Needs::deployment(Action::SeeProject),
            "Show what a deployment told and printed, from an event on",
            show_output,
        )
        .api(
            Method::POST,
            "/api/v1/deployments/{id}/cancel",
            Needs::deployment(Action::Deploy),
            "Cancel a deployment",
            cancel,
        )
        .api(
            Method::POST,
            "/api/v1/deployments/{id}/abandon",
            Needs::deployment(Action::Operate),
            "Give up on a deployment whose server is silent",
            abandon,
        )
        .api(
            Method::POST,
            "/api/v1/deployments/{id}/redeploy",
            Needs::deployment(Action::Deploy),
            "Deploy the commit of a deployment again",
            redeploy,
        )
        .api(
            Method::POST,
            "/api/v1/deployments/{id}/rollback",
            Needs::deployment(Action::Deploy),
            "Go back to a release that is kept on the server",
            roll_back,
        )
}

fn asked(row: DeploymentRow) -> Asked {
    Accepted(DeploymentAsked::new(row))
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Deployment>>, ApiError> {
    projects::get(&state, &id).await?;
    let before = paging.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<DeploymentRow> = state.db.all(store::of_project(&id, before)).await?;
    Ok(Json(
        Page::new(rows, |row| row.id.to_string()).map(Deployment::from),
    ))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Start {
    /// The whole id of the commit; the tip of the branch without it.
    commit: Option<GitSha>,
}

#[worker::send]
async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    OptionalJson(body): OptionalJson<Start>,
) -> Result<Asked, ApiError> {
    Ok(asked(
        deployments::start(&state, &caller.actor, &id, body.commit.as_ref()).await?,
    ))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Json<Deployment>, ApiError> {
    let row = deployments::get(&state, &id).await?;
    let parts: Vec<PartRow> = state.db.all(parts::of(&id)).await?;
    Ok(Json(Deployment::on(row, parts)))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct After {
    /// The number of the last event that is known.
    #[serde(default)]
    after: u64,
    /// Only what this one of several servers told; without it the one whose turn is the newest.
    server: Option<ServerId>,
}

#[worker::send]
async fn show_output(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeploymentId>,
    Query(query): Query<After>,
) -> Result<Json<Output>, ApiError> {
    Ok(Json(
        output::after(&state, &id, query.server.as_ref(), query.after).await?,
    ))
}

#[worker::send]
async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Asked, ApiError> {
    Ok(asked(deployments::cancel(&state, &caller.actor, &id).await?))
}

#[worker::send]
async fn abandon(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Asked, ApiError> {
    Ok(asked(deployments::abandon(&state, &caller.actor, &id).await?))
}

#[worker::send]
async fn redeploy(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Asked, ApiError> {
    Ok(asked(deployments::redeploy(&state, &caller.actor, &id).await?))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RollBack {
    /// Go back even where a destructive migration lies between.
    #[serde(default)]
    force: bool,
}

#[worker::send]
async fn roll_back(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
    OptionalJson(body): OptionalJson<RollBack>,
) -> Result<Asked, ApiError> {
    Ok(asked(
        deployments::roll_back(&state, &caller.actor, &id, body.force).await?,
    ))
}
