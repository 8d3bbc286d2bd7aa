//! The JSON API, version 1. Each handler names its caller, calls `service` and shows what came of it.

mod deliveries;
mod deployments;
mod projects;
mod servers;
mod set_up;
mod view;

use crate::app::AppState;
use axum::Router;

pub(super) fn router() -> Router<AppState> {
    Router::new()
        .merge(set_up::router())
        .merge(servers::router())
        .merge(projects::router())
        .merge(deployments::router())
        .merge(deliveries::router())
}
