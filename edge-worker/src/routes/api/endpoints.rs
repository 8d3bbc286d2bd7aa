//! Endpoints: who outside is told what happens, and the log of what they were told.

use crate::access::{Needs, Routes};
use crate::answer::{Created, Done, Versioned};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body};
use crate::service::endpoints::{self, Changes, New};
use crate::store::endpoints::EndpointRow;
use crate::store::outbox::{MessageRow, MessageState};
use crate::store::{Page, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_domain::outgoing::{Event, Kind};
use devflow_protocol::{DeploymentId, EndpointId, ProjectId, UnixMillis};
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    const ALL: &str = "/api/v1/endpoints";
    const OF_PROJECT: &str = "/api/v1/projects/{id}/endpoints";
    const ONE: &str = "/api/v1/endpoints/{id}";
    let (fleet, change) = (
        Needs::may(Action::ManageEndpoints),
        Needs::endpoint(Action::ChangeEndpoints),
    );
    Routes::new()
        .api(Method::GET, ALL, fleet, "List who is told of all projects", list)
        .api(
            Method::POST,
            ALL,
            fleet,
            "Add somebody who is told of all projects; the secret is shown this once",
            create,
        )
        .api(
            Method::GET,
            OF_PROJECT,
            Needs::project(Action::SeeProject),
            "List who is told of a project",
            list_of_project,
        )
        .api(
            Method::POST,
            OF_PROJECT,
            Needs::project(Action::ChangeEndpoints),
            "Add somebody who is told of a project; the secret is shown this once",
            create_for_project,
        )
        .api(
            Method::GET,
            ONE,
            Needs::endpoint(Action::SeeProject),
            "Show an endpoint",
            show,
        )
        .api(
            Method::PATCH,
            ONE,
            change,
            "Change an endpoint, turn it off or on",
            update,
        )
        .api(
            Method::DELETE,
            ONE,
            change,
            "Remove an endpoint with its log",
            remove,
        )
        .api(
            Method::POST,
            "/api/v1/endpoints/{id}/secret",
            change,
            "Make a new secret; messages are signed with both for a day",
            renew,
        )
        .api(
            Method::POST,
            "/api/v1/endpoints/{id}/test",
            change,
            "Send a test now, and say what came of it",
            test,
        )
        .api(
            Method::GET,
            "/api/v1/endpoints/{id}/messages",
            Needs::endpoint(Action::SeeProject),
            "List the newest messages to an endpoint",
            messages,
        )
        .api(
            Method::POST,
            "/api/v1/endpoints/{id}/resend",
            change,
            "Send a message again now, and say what came of it",
            resend,
        )
}

/// Somebody outside who is told what happens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Endpoint {
    id: EndpointId,
    /// Null is all projects.
    project: Option<ProjectId>,
    kind: Kind,
    name: String,
    /// What of the address is shown.
    address: String,
    events: Vec<Event>,
    enabled: bool,
    /// Why it is told nothing any more.
    disabled_reason: Option<String>,
    /// Since when it has taken nothing.
    failing_since: Option<UnixMillis>,
    created_at: UnixMillis,
    updated_at: UnixMillis,
}

impl TryFrom<EndpointRow> for Endpoint {
    type Error = StoreError;

    fn try_from(row: EndpointRow) -> Result<Self, StoreError> {
        Ok(Self {
            events: row.events()?,
            enabled: row.disabled.is_none(),
            id: row.id,
            project: row.project,
            kind: row.kind,
            name: row.name,
            address: row.address,
            disabled_reason: row.disabled,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// An endpoint with its new secret.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EndpointMade {
    endpoint: Endpoint,
    /// Shown this once; null where messages are not signed.
    secret: Option<String>,
}

impl EndpointMade {
    fn new(row: EndpointRow, secret: Option<String>) -> Result<Self, StoreError> {
        Ok(Self {
            endpoint: row.try_into()?,
            secret,
        })
    }
}

/// A message to an endpoint.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Message {
    /// The same in all attempts: the header `webhook-id`.
    id: String,
    event: Event,
    deployment: Option<DeploymentId>,
    /// When it happened.
    at: UnixMillis,
    state: MessageState,
    attempts: u32,
    next_at: Option<UnixMillis>,
    tried_at: Option<UnixMillis>,
    /// The HTTP status of the last answer.
    status: Option<u16>,
    /// How long the last attempt took, in milliseconds.
    ms: Option<i64>,
    /// Why it was not taken.
    detail: Option<String>,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            event: row.event,
            deployment: row.deployment,
            at: row.at,
            state: row.state,
            attempts: row.attempts,
            next_at: row.next_at,
            tried_at: row.tried_at,
            status: row.status,
            ms: row.ms,
            detail: row.detail,
        }
    }
}

/// What came of a message.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct MessageSent {
    message: Message,
}

impl From<MessageRow> for MessageSent {
    fn from(row: MessageRow) -> Self {
        Self { message: row.into() }
    }
}

/// There are few enough for one page.
fn all(rows: Vec<EndpointRow>) -> Result<Json<Page<Endpoint>>, ApiError> {
    let items = rows
        .into_iter()
        .map(Endpoint::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

#[worker::send]
async fn list(State(state): State<AppState>, _caller: Caller) -> Result<Json<Page<Endpoint>>, ApiError> {
    all(endpoints::list(&state, None).await?)
}

#[worker::send]
async fn list_of_project(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Json<Page<Endpoint>>, ApiError> {
    crate::service::projects::get(&state, &id).await?;
    all(endpoints::list(&state, Some(&id)).await?)
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(new): Body<New>,
) -> Result<Created<EndpointMade>, ApiError> {
    let (row, secret) = endpoints::create(&state, &caller.actor, None, new).await?;
    Ok(Created(EndpointMade::new(row, secret)?))
}

#[worker::send]
async fn create_for_project(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Body(new): Body<New>,
) -> Result<Created<EndpointMade>, ApiError> {
    let (row, secret) = endpoints::create(&state, &caller.actor, Some(&id), new).await?;
    Ok(Created(EndpointMade::new(row, secret)?))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<EndpointId>,
) -> Result<Versioned<Endpoint>, ApiError> {
    versioned(endpoints::get(&state, &id).await?)
}

fn versioned(row: EndpointRow) -> Result<Versioned<Endpoint>, ApiError> {
    Ok(Versioned::new(row.updated_at.0, row.try_into()?))
}

#[worker::send]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<EndpointId>,
    condition: IfMatch,
    Body(changes): Body<Changes>,
) -> Result<Versioned<Endpoint>, ApiError> {
    let seen = |at: UnixMillis| condition.check("endpoint", at.0);
    versioned(endpoints::update(&state, &caller.actor, &id, seen, changes).await?)
}

#[worker::send]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<EndpointId>,
) -> Result<Done, ApiError> {
    endpoints::remove(&state, &caller.actor, &id).await?;
    Ok(Done)
}

#[worker::send]
async fn renew(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<EndpointMade>, ApiError> {
    let (row, secret) = endpoints::renew_secret(&state, &caller.actor, &id).await?;
    Ok(Json(EndpointMade::new(row, Some(secret))?))
}

#[worker::send]
async fn test(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<MessageSent>, ApiError> {
    Ok(Json(endpoints::test(&state, &caller.actor, &id).await?.into()))
}

#[worker::send]
async fn messages(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<EndpointId>,
) -> Result<Json<Page<Message>>, ApiError> {
    let (_, messages) = endpoints::log(&state, &id).await?;
    let items = messages.into_iter().map(Message::from).collect();
    Ok(Json(Page { items, next: None }))
}

/// Which message.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Resend {
    /// Its id.
    message: String,
}

#[worker::send]
async fn resend(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<EndpointId>,
    Body(asked): Body<Resend>,
) -> Result<Json<MessageSent>, ApiError> {
    let row = endpoints::again(&state, &caller.actor, &id, &asked.message).await?;
    Ok(Json(row.into()))
}
