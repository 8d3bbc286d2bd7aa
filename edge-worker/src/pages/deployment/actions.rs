//! What the buttons of a deployment do.

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::project::actions::Press;
use crate::pages::web;
use crate::service::deployments;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::deployment::is_final;
use devflow_protocol::DeploymentId;
use serde::Deserialize;

/// `POST /deployments/{id}/cancel`
#[worker::send]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let asked = deployments::cancel(&state, &form.signed_in.actor(), &id).await;
    web::done(asked, &format!("/deployments/{id}"), |row| {
        let text = if is_final(row.state) {
            "The deployment is cancelled."
        } else {
            "The server was asked to end the deployment."
        };
        text.to_owned()
    })
}

/// `POST /deployments/{id}/abandon`
#[worker::send]
pub(crate) async fn abandon(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let given_up = deployments::abandon(&state, &form.signed_in.actor(), &id).await;
    web::done(given_up, &format!("/deployments/{id}"), |_| {
        "The project can be deployed again.".to_owned()
    })
}

/// `POST /deployments/{id}/redeploy`
#[worker::send]
pub(crate) async fn redeploy(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let made = deployments::redeploy(&state, &form.signed_in.actor(), &id).await;
    let path = format!("/deployments/{}", made.as_ref().map_or(&id, |made| &made.id));
    web::done(made, &path, |_| "The deployment is queued.".to_owned())
}

/// Goes back also where it may lose data.
#[derive(Deserialize)]
pub(crate) struct Back {
    force: Option<String>,
}

/// `POST /deployments/{id}/rollback`
#[worker::send]
pub(crate) async fn roll_back(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<Back>,
) -> Result<Response, ApiError> {
    let force = form.form.force.is_some();
    let made = deployments::roll_back(&state, &form.signed_in.actor(), &id, force).await;
    let path = format!("/deployments/{}", made.as_ref().map_or(&id, |made| &made.id));
    web::done(made, &path, |_| "The rollback is queued.".to_owned())
}
