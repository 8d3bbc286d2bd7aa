//! Deliveries: the inbox of webhooks.

use super::view;
use crate::access::{Needs, On, Routes};
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
use axum::http::StatusCode;
use devflow_domain::access::Action;
use devflow_protocol::{DeliveryId, ProjectId};
use serde_json::Value;

pub(super) fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/projects/{id}/deliveries",
            Needs::project(Action::SeeProject),
            list,
        )
        .get(
            "/api/v1/deliveries/{id}",
            Needs::May(Action::SeeProject, On::Delivery),
            show,
        )
        .post(
            "/api/v1/deliveries/{id}/replay",
            Needs::May(Action::Deploy, On::Delivery),
            replay,
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
    let rows: Vec<DeliveryRow> = state.db.all(store::of_project(&id, before)).await?;
    Ok(Json(view::page(
        Page::new(rows, |row| row.id.to_string()),
        |row| view::delivery(&row),
    )))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<DeliveryId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::delivery(&deliveries::get(&state, &id).await?)))
}

#[worker::send]
async fn replay(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<DeliveryId>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let row = deliveries::replay(&state, &caller.actor, &id).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(view::named("deployment", view::deployment(&row))),
    ))
}
