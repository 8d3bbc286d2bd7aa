//! Deployments and their output.

use super::view;
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, OptionalJson, Paging, Query};
use crate::service::output::{self, Output};
use crate::service::{deployments, projects};
use crate::store::Page;
use crate::store::deployments::{self as store, DeploymentRow, FROM_NEWEST};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devflow_domain::access::Action;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId};
use serde::Deserialize;
use serde_json::Value;

type Accepted = (StatusCode, Json<Value>);

pub(super) fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/projects/{id}/deployments",
            Needs::project(Action::SeeProject),
            list,
        )
        .post(
            "/api/v1/projects/{id}/deployments",
            Needs::project(Action::Deploy),
            start,
        )
        .get(
            "/api/v1/deployments/{id}",
            Needs::deployment(Action::SeeProject),
            show,
        )
        .get(
            "/api/v1/deployments/{id}/output",
            Needs::deployment(Action::SeeProject),
            show_output,
        )
        .post(
            "/api/v1/deployments/{id}/cancel",
            Needs::deployment(Action::Deploy),
            cancel,
        )
        .post(
            "/api/v1/deployments/{id}/abandon",
            Needs::deployment(Action::Operate),
            abandon,
        )
        .post(
            "/api/v1/deployments/{id}/redeploy",
            Needs::deployment(Action::Deploy),
            redeploy,
        )
        .post(
            "/api/v1/deployments/{id}/rollback",
            Needs::deployment(Action::Deploy),
            roll_back,
        )
}

fn accepted(row: &DeploymentRow) -> Accepted {
    (
        StatusCode::ACCEPTED,
        Json(view::named("deployment", view::deployment(row))),
    )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, ApiError> {
    projects::get(&state, &id).await?;
    let before = paging.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<DeploymentRow> = state.db.all(store::of_project(&id, before)).await?;
    Ok(Json(view::page(
        Page::new(rows, |row| row.id.to_string()),
        |row| view::deployment(&row),
    )))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    commit: Option<GitSha>,
}

#[worker::send]
async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    OptionalJson(body): OptionalJson<Start>,
) -> Result<Accepted, ApiError> {
    Ok(accepted(
        &deployments::start(&state, &caller.actor, &id, body.commit.as_ref()).await?,
    ))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::deployment(&deployments::get(&state, &id).await?)))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

#[worker::send]
async fn show_output(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeploymentId>,
    Query(query): Query<After>,
) -> Result<Json<Output>, ApiError> {
    Ok(Json(output::after(&state, &id, query.after).await?))
}

#[worker::send]
async fn cancel(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Accepted, ApiError> {
    Ok(accepted(&deployments::cancel(&state, &caller.actor, &id).await?))
}

#[worker::send]
async fn abandon(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Accepted, ApiError> {
    Ok(accepted(&deployments::abandon(&state, &caller.actor, &id).await?))
}

#[worker::send]
async fn redeploy(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
) -> Result<Accepted, ApiError> {
    Ok(accepted(
        &deployments::redeploy(&state, &caller.actor, &id).await?,
    ))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    #[serde(default)]
    force: bool,
}

#[worker::send]
async fn roll_back(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeploymentId>,
    OptionalJson(body): OptionalJson<RollBack>,
) -> Result<Accepted, ApiError> {
    Ok(accepted(
        &deployments::roll_back(&state, &caller.actor, &id, body.force).await?,
    ))
}
