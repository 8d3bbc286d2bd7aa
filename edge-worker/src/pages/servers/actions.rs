//! What the buttons of a server do.

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::project::actions::Press;
use crate::pages::web;
use crate::service::{servers, updates};
use axum::extract::State;
use axum::response::Response;
use devflow_protocol::ServerId;
use serde::Deserialize;

/// `POST /servers/{id}/ping`
#[worker::send]
pub(crate) async fn ping(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let job = servers::ping(&state, &form.signed_in.actor(), &id).await?;
    Ok(web::go(&format!("/servers/{id}?test={job}")))
}

/// `POST /servers/{id}/update`
#[worker::send]
pub(crate) async fn update(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let path = format!("/servers/{id}");
    match updates::update(&state, &form.signed_in.actor(), &id).await {
        Ok(job) => Ok(web::go(&format!("{path}?test={job}"))),
        refused => web::done(refused, &path, |_| String::new()),
    }
}

/// A server's new name.
#[derive(Deserialize)]
pub(crate) struct NewName {
    name: String,
}

/// `POST /servers/{id}/rename`
#[worker::send]
pub(crate) async fn rename(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    form: CsrfForm<NewName>,
) -> Result<Response, ApiError> {
    let name = form.form.name.trim();
    let renamed = servers::rename(&state, &form.signed_in.actor(), &id, name).await;
    web::done(renamed, &format!("/servers/{id}"), |()| {
        format!("The server is called {name} now.")
    })
}

/// Whether a server is to be drained.
#[derive(Deserialize)]
pub(crate) struct Draining {
    draining: bool,
}

/// `POST /servers/{id}/drain`
#[worker::send]
pub(crate) async fn drain(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    form: CsrfForm<Draining>,
) -> Result<Response, ApiError> {
    let wanted = form.form.draining;
    let drained = servers::drain(&state, &form.signed_in.actor(), &id, wanted).await;
    web::done(drained, &format!("/servers/{id}"), |()| {
        if wanted {
            "Nothing new is deployed here until you end that.".to_owned()
        } else {
            "The server takes deployments again. Pushes that came meanwhile can be replayed under Deliveries."
                .to_owned()
        }
    })
}

/// What removes a server.
#[derive(Deserialize)]
pub(crate) struct Removal {
    confirm: String,
}

/// `POST /servers/{id}/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    form: CsrfForm<Removal>,
) -> Result<Response, ApiError> {
    let name = servers::get(&state, &id).await?.name;
    let removed = if form.form.confirm.trim() == name {
        servers::remove(&state, &form.signed_in.actor(), &id).await
    } else {
        Err(ApiError::invalid(
            "confirm",
            format!("type {name} to remove the server"),
        ))
    };
    let path = if removed.is_ok() {
        "/servers".to_owned()
    } else {
        format!("/servers/{id}")
    };
    web::done(removed, &path, |row| {
        format!(
            "{} is removed. On the machine, `systemctl disable --now devflow-runner` ends the runner.",
            row.name
        )
    })
}
