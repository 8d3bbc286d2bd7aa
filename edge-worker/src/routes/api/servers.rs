//! Servers and jobs.

use super::view::{EnrolmentMade, Job, JobAsked, Server, ServerMade};
use crate::access::{Needs, On, Routes};
use crate::answer::{Accepted, Created, Done, Versioned};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body, Paging, Query};
use crate::service::repository_tokens::Given;
use crate::service::{inspections, servers, updates};
use crate::store::Page;
use crate::store::jobs::{self, JobRow};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::text::{RefName, RepositoryUrl};
use devflow_protocol::{JobId, ServerId};
use serde::Deserialize;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/servers",
            Needs::may(Action::SeeServers),
            "List the servers by name",
            list,
        )
        .api(
            Method::POST,
            "/api/v1/servers",
            Needs::may(Action::ManageServers),
            "Add a server, to be enrolled",
            create,
        )
        .api(
            Method::GET,
            "/api/v1/servers/{id}",
            Needs::may(Action::SeeServers),
            "Show a server",
            show,
        )
        .api(
            Method::PATCH,
            "/api/v1/servers/{id}",
            Needs::may(Action::ManageServers),
            "Rename a server, begin or end draining it",
            change,
        )
        .api(
            Method::DELETE,
            "/api/v1/servers/{id}",
            Needs::may(Action::ManageServers),
            "Remove a server without projects",
            remove,
        )
        .api(
            Method::POST,
            "/api/v1/servers/{id}/enrolment",
            Needs::may(Action::ManageServers),
            "Make a new token to enrol a server; the one before ends",
            invite,
        )
        .api(
            Method::POST,
            "/api/v1/servers/{id}/inspections",
            Needs::may(Action::CreateProject),
            "Let a server look what a repository is; the job's outcome says what was found",
            inspect,
        )
        .api(
            Method::POST,
            "/api/v1/servers/{id}/ping",
            Needs::may(Action::PingServer),
            "Ask a server for a sign of life",
            ping,
        )
        .api(
            Method::POST,
            "/api/v1/servers/{id}/update",
            Needs::may(Action::ManageServers),
            "Replace a server's runner by the one that is published here; the job's outcome says how it went",
            update,
        )
        .api(
            Method::GET,
            "/api/v1/jobs/{id}",
            Needs::May(Action::SeeProject, On::Job),
            "Show a job",
            show_job,
        )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Server>>, ApiError> {
    let (page, contacts) = servers::page(&state, paging.cursor.as_deref()).await?;
    Ok(Json(page.map(|row| {
        let contact = contacts.get(row.id.as_str());
        Server::from(row).heard(contact)
    })))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewServer {
    /// 1 to 60 characters, not that of another server.
    name: String,
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(new): Body<NewServer>,
) -> Result<Created<ServerMade>, ApiError> {
    let (server, invitation) = servers::create(&state, &caller.actor, &new.name).await?;
    Ok(Created(ServerMade {
        server: server.into(),
        enrolment: invitation.into(),
    }))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Versioned<Server>, ApiError> {
    as_it_is(&state, &id).await
}

async fn as_it_is(state: &AppState, id: &ServerId) -> Result<Versioned<Server>, ApiError> {
    let row = servers::get(state, id).await?;
    let contacts = state.hub().contacts(&[id]).await;
    let version = row.version();
    let shown = Server::from(row).heard(contacts.get(id.as_str()));
    Ok(Versioned::new(version, shown))
}

/// What changes; what is left out stays.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ServerChanges"))]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    /// Nothing new is deployed to a server that is being drained.
    draining: Option<bool>,
}

#[worker::send]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
    condition: IfMatch,
    Body(change): Body<Change>,
) -> Result<Versioned<Server>, ApiError> {
    if !condition.is_missing() {
        condition.check("server", servers::get(&state, &id).await?.version())?;
    }
    if let Some(name) = &change.name {
        servers::rename(&state, &caller.actor, &id, name).await?;
    }
    if let Some(draining) = change.draining {
        servers::drain(&state, &caller.actor, &id, draining).await?;
    }
    as_it_is(&state, &id).await
}

#[worker::send]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Done, ApiError> {
    servers::remove(&state, &caller.actor, &id).await?;
    Ok(Done)
}

#[worker::send]
async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Created<EnrolmentMade>, ApiError> {
    let invitation = servers::invite(&state, &caller.actor, &id).await?;
    Ok(Created(EnrolmentMade {
        enrolment: invitation.into(),
    }))
}

#[worker::send]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Accepted<JobAsked>, ApiError> {
    let id = updates::update(&state, &caller.actor, &id).await?;
    asked(&state, &id).await
}

/// The answer where a job was asked for.
async fn asked(state: &AppState, id: &JobId) -> Result<Accepted<JobAsked>, ApiError> {
    Ok(Accepted(JobAsked {
        job: job(state, id).await?.into(),
    }))
}

async fn job(state: &AppState, id: &JobId) -> Result<JobRow, ApiError> {
    state
        .db
        .first(jobs::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("job"))
}

/// What to look at: the tip of a branch.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewInspection {
    repository: RepositoryUrl,
    /// A whole ref, such as `refs/heads/main`.
    ref_name: RefName,
    /// What the repository asks for, where it is private and its address one of https. A project that is made with this look
    /// as its `inspection` takes it over; else it is forgotten after an hour.
    repository_token: Option<Given>,
}

#[worker::send]
async fn inspect(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
    Body(new): Body<NewInspection>,
) -> Result<Accepted<JobAsked>, ApiError> {
    let (repository, token) = (new.repository, new.repository_token.as_ref());
    let id = inspections::start(&state, &caller.actor, &id, repository, new.ref_name, token).await?;
    asked(&state, &id).await
}

#[worker::send]
async fn ping(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ServerId>,
) -> Result<Accepted<JobAsked>, ApiError> {
    let id = servers::ping(&state, &caller.actor, &id).await?;
    asked(&state, &id).await
}

#[worker::send]
async fn show_job(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Json<Job>, ApiError> {
    Ok(Json(job(&state, &id).await?.into()))
}
