//! Servers and jobs.

use super::view;
use crate::access::{Needs, On, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, Json as Body, Paging, Query};
use crate::service::servers::{self, Invitation};
use crate::store::jobs::{self, JobRow};
use crate::store::servers as store;
use crate::store::{Page, servers::ServerRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devflow_domain::access::Action;
use devflow_protocol::{JobId, ServerId};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn router() -> Routes {
    Routes::new()
        .get("/api/v1/servers", Needs::may(Action::SeeServers), list)
        .post("/api/v1/servers", Needs::may(Action::ManageServers), create)
        .get("/api/v1/servers/{id}", Needs::may(Action::SeeServers), show)
        .post(
            "/api/v1/servers/{id}/enrolment",
            Needs::may(Action::ManageServers),
            invite,
        )
        .post("/api/v1/servers/{id}/ping", Needs::may(Action::PingServer), ping)
        .get(
            "/api/v1/jobs/{id}",
            Needs::May(Action::SeeProject, On::Job),
            show_job,
        )
}

fn show_invitation(invitation: &Invitation) -> Value {
    json!({
        "token": *invitation.token,
        "fingerprint": invitation.fingerprint,
        "expires_at": invitation.expires_at,
        "command": invitation.command,
    })
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, ApiError> {
    let rows: Vec<ServerRow> = state
        .db
        .all(store::list(paging.cursor.as_deref().unwrap_or_default()))
        .await?;
    Ok(Json(view::page(Page::new(rows, |row| row.name.clone()), |row| {
        view::server(&row)
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewServer {
    name: String,
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(new): Body<NewServer>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (server, invitation) = servers::create(&state, &caller.actor, &new.name).await?;
    let shown = json!({ "server": view::server(&server), "enrolment": show_invitation(&invitation) });
    Ok((StatusCode::CREATED, Json(shown)))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::server(&servers::get(&state, &id).await?)))
}

#[worker::send]
async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let invitation = servers::invite(&state, &caller.actor, &id).await?;
    Ok((
        StatusCode::CREATED,
        Json(view::named("enrolment", show_invitation(&invitation))),
    ))
}

async fn job(state: &AppState, id: &JobId) -> Result<JobRow, ApiError> {
    state
        .db
        .first(jobs::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("job"))
}

#[worker::send]
async fn ping(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = servers::ping(&state, &caller.actor, &id).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(view::named("job", view::job(&job(&state, &id).await?))),
    ))
}

#[worker::send]
async fn show_job(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::job(&job(&state, &id).await?)))
}
