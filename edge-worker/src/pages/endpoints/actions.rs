//! What the buttons of an endpoint's page do.

use super::list::Filled;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::project::actions::Press;
use crate::pages::web::{self, Visitor};
use crate::service::endpoints::{self, Changes};
use crate::store::outbox::{MessageRow, MessageState};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_protocol::EndpointId;
use serde::Deserialize;

fn path(id: &EndpointId) -> String {
    format!("/endpoints/{id}")
}

/// Back to the page, with what came of a message.
fn sent(id: &EndpointId, result: Result<MessageRow, ApiError>) -> Result<Response, ApiError> {
    let result = result.and_then(|row| {
        if row.state == MessageState::Delivered {
            return Ok(());
        }
        let said = row.detail.unwrap_or_else(|| "It is being tried.".to_owned());
        let status = row.status.map(|status| format!("It answered {status}. "));
        let text = format!("Not taken. {}{said}", status.unwrap_or_default());
        Err(ApiError::Conflict("not_taken", text))
    });
    web::done(result, &path(id), |()| "It arrived.".to_owned())
}

/// `POST /endpoints/{id}`
#[worker::send]
pub(crate) async fn save(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Filled>,
) -> Result<Response, ApiError> {
    let filled = form.form;
    let changes = Changes {
        name: Some(filled.name.clone()),
        // What is shown of the address may not be all of it: left empty, it stays.
        url: Some(filled.url.clone()).filter(|url| !url.trim().is_empty()),
        token: filled.token.clone().filter(|token| !token.is_empty()),
        events: Some(filled.events()).filter(|_| filled.chooses()),
        enabled: None,
    };
    let saved = endpoints::update(&state, &form.signed_in.actor(), &id, |_| Ok(()), changes).await;
    web::done(saved, &path(&id), |_| "Saved.".to_owned())
}

/// `POST /endpoints/{id}/test`
#[worker::send]
pub(crate) async fn test(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    sent(&id, endpoints::test(&state, &form.signed_in.actor(), &id).await)
}

/// Which message.
#[derive(Deserialize)]
pub(crate) struct Resend {
    message: String,
}

/// `POST /endpoints/{id}/resend`
#[worker::send]
pub(crate) async fn resend(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Resend>,
) -> Result<Response, ApiError> {
    let actor = form.signed_in.actor();
    sent(
        &id,
        endpoints::again(&state, &actor, &id, &form.form.message).await,
    )
}

/// `POST /endpoints/{id}/secret`
#[worker::send]
pub(crate) async fn renew(
    State(state): State<AppState>,
    headers: HeaderMap,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let actor = form.signed_in.actor();
    let (_, secret) = endpoints::renew_secret(&state, &actor, &id).await?;
    let visitor = Visitor::new(form.signed_in, &headers, &path(&id));
    let (row, messages) = endpoints::log(&state, &id).await?;
    super::page(&visitor, &row, &messages, Some(secret))
}

async fn turn(
    state: &AppState,
    id: &EndpointId,
    form: CsrfForm<Press>,
    enabled: bool,
) -> Result<Response, ApiError> {
    let changes = Changes {
        enabled: Some(enabled),
        ..Changes::default()
    };
    let turned = endpoints::update(state, &form.signed_in.actor(), id, |_| Ok(()), changes).await;
    web::done(turned, &path(id), |_| {
        let text = if enabled {
            "It is told what happens from now on."
        } else {
            "It is told nothing until you turn it on again."
        };
        text.to_owned()
    })
}

/// `POST /endpoints/{id}/on`
#[worker::send]
pub(crate) async fn turn_on(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    turn(&state, &id, form, true).await
}

/// `POST /endpoints/{id}/off`
#[worker::send]
pub(crate) async fn turn_off(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    turn(&state, &id, form, false).await
}

/// `POST /endpoints/{id}/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<EndpointId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let row = endpoints::remove(&state, &form.signed_in.actor(), &id).await?;
    let path = row.project.map_or_else(
        || "/endpoints".to_owned(),
        |project| format!("/projects/{project}/endpoints"),
    );
    web::done(Ok(()), &path, |()| format!("{} is removed.", row.name))
}
