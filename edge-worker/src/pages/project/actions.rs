//! What the buttons of a project and of its deliveries do.

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::web;
use crate::service::{deliveries, deployments, projects};
use axum::extract::State;
use axum::response::Response;
use devflow_protocol::{DeliveryId, ProjectId};
use serde::Deserialize;

/// Nothing but the button.
#[derive(Deserialize)]
pub(crate) struct Press {}

/// A button that can be pressed on several pages.
#[derive(Deserialize)]
pub(crate) struct PressFrom {
    back: Option<String>,
}

/// `POST /projects/{id}/deploy`
#[worker::send]
pub(crate) async fn deploy(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let made = deployments::start(&state, &form.signed_in.actor(), &id, None).await;
    let path = made.as_ref().map_or_else(
        |_| format!("/projects/{id}"),
        |made| format!("/deployments/{}", made.id),
    );
    web::done(made, &path, |_| "The deployment is queued.".to_owned())
}

/// `POST /projects/{id}/restart`
#[worker::send]
pub(crate) async fn restart(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<PressFrom>,
) -> Result<Response, ApiError> {
    let asked = projects::queue_job(&state, &form.signed_in.actor(), &id, "restart").await;
    let path = web::back_or(form.form.back.as_deref(), &format!("/projects/{id}"));
    web::done(asked, &path, |_| {
        "The server was asked to start the project's containers anew.".to_owned()
    })
}

/// `POST /projects/{id}/stop`
#[worker::send]
pub(crate) async fn stop(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<PressFrom>,
) -> Result<Response, ApiError> {
    let asked = projects::queue_job(&state, &form.signed_in.actor(), &id, "stop").await;
    let path = web::back_or(form.form.back.as_deref(), &format!("/projects/{id}"));
    web::done(asked, &path, |_| {
        "The server was asked to stop the project.".to_owned()
    })
}

/// What removes a project.
#[derive(Deserialize)]
pub(crate) struct Removal {
    confirm: String,
    purge: Option<String>,
}

/// `POST /projects/{id}/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<Removal>,
) -> Result<Response, ApiError> {
    let row = projects::get(&state, &id).await?;
    if form.form.confirm.trim() != row.slug.as_str() {
        let wrong =
            crate::error::ApiError::invalid("confirm", format!("type {} to remove the project", row.slug));
        return web::done::<()>(Err(wrong), &format!("/projects/{id}/settings"), |()| {
            String::new()
        });
    }
    let removed = projects::remove(&state, &form.signed_in.actor(), &id, form.form.purge.is_some()).await;
    let path = if removed.is_ok() {
        "/".to_owned()
    } else {
        format!("/projects/{id}")
    };
    web::done(removed, &path, |job| match job {
        Some(_) => format!("{} is being removed by its server.", row.name),
        None => format!("{} is removed.", row.name),
    })
}

/// `POST /deliveries/{id}/replay`
#[worker::send]
pub(crate) async fn replay(
    State(state): State<AppState>,
    Id(id): Id<DeliveryId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let project = deliveries::get(&state, &id).await?.project;
    let made = deliveries::replay(&state, &form.signed_in.actor(), &id).await;
    let path = made.as_ref().map_or_else(
        |_| format!("/projects/{project}/deliveries"),
        |made| format!("/deployments/{}", made.id),
    );
    web::done(made, &path, |_| {
        "The delivery's commit is queued again.".to_owned()
    })
}
