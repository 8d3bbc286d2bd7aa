//! The dashboard: one file a page, each with what its template shows and thin handlers. Pages are whole HTML and every
//! action is a form, so that they work without a script; `ui/` makes them live. Decisions and SQL are elsewhere.

mod activity;
mod ansi;
mod assets;
mod deployment;
mod enrolment;
mod failure;
mod icon;
mod keys;
mod look;
mod moment;
mod output;
mod overview;
mod project;
mod servers;
mod shell;
mod sign_in;
#[cfg(test)]
mod tests;
mod web;

pub(crate) use failure::as_pages;

use crate::app::AppState;
use axum::Router;
use axum::routing::{get, post};

/// All pages and what their forms are sent to.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/", get(overview::show))
        .route("/sign-in", get(sign_in::sign_in).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/set-up", get(sign_in::set_up).post(sign_in::make_owner))
        .route("/theme", post(sign_in::choose_theme))
        .route("/activity", get(activity::list))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}/revoke", post(keys::revoke))
        .route("/servers", get(servers::list).post(enrolment::create))
        .route("/servers/new", get(enrolment::new))
        .route("/servers/{id}", get(servers::show))
        .route("/servers/{id}/enrol", post(enrolment::enrol))
        .route("/servers/{id}/ping", post(servers::ping))
        .route("/deliveries/{id}/replay", post(project::actions::replay))
        .route("/deployments/{id}", get(deployment::show))
        .route("/deployments/{id}/output", get(output::show))
        .route("/deployments/{id}/cancel", post(deployment::actions::cancel))
        .route("/deployments/{id}/abandon", post(deployment::actions::abandon))
        .route("/deployments/{id}/redeploy", post(deployment::actions::redeploy))
        .route("/deployments/{id}/rollback", post(deployment::actions::roll_back))
        .merge(project::router())
}
