//! Deliveries: the inbox of webhooks.

use super::view::{Delivery, DeploymentAsked};
use crate::access::{Needs, On, Routes};
use crate::answer::Accepted;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, Paging, Query};
use crate::service::{deliveries, projects};
use crate::store::Page;
use crate::store::deliveries::{self as store, DeliveryRow};
use crate::store::deployments::FROM_NEWEST;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::{DeliveryId, ProjectId};

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/projects/{id}/deliveries",
            Needs::project(Action::SeeProject),
            "List the webhooks that came for a project, newest first",
            list,
        )
        .api(
            Method::GET,
            "/api/v1/deliveries/{id}",
            Needs::May(Action::SeeProject, On::Delivery),
            "Show a webhook that came",
            show,
        )
        .api(
            Method::POST,
            "/api/v1/deliveries/{id}/replay",
            Needs::May(Action::Deploy, On::Delivery),
            "Decide about a webhook again, and deploy what it pushed",
            replay,
        )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Delivery>>, ApiError> {
    projects::get(&state, &id).await?;
    let before = paging.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<DeliveryRow> = state.db.all(store::of_project(&id, before)).await?;
    Ok(Json(
        Page::new(rows, |row| row.id.to_string()).map(Delivery::from),
    ))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeliveryId>,
) -> Result<Json<Delivery>, ApiError> {
    Ok(Json(deliveries::get(&state, &id).await?.into()))
}

#[worker::send]
async fn replay(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeliveryId>,
) -> Result<Accepted<DeploymentAsked>, ApiError> {
    let row = deliveries::replay(&state, &caller.actor, &id).await?;
    Ok(Accepted(DeploymentAsked::new(row)))
}
