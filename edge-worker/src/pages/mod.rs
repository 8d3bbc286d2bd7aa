//! The dashboard: one file a page, each with what its template shows and thin handlers. Pages are whole HTML and every
//! action is a form, so that they work without a script; `ui/` makes them live. Decisions and SQL are elsewhere.

mod account;
mod activity;
mod ansi;
mod assets;
mod deployment;
mod device;
mod endpoints;
mod enrolment;
mod failure;
mod go;
mod happened;
mod icon;
mod keys;
mod look;
mod moment;
mod output;
mod overview;
mod passkey;
mod people;
mod project;
mod prose;
mod prove;
mod reference;
mod servers;
mod shell;
mod sign_in;
mod spark;
#[cfg(test)]
mod tests;
mod web;

pub(crate) use failure::as_pages;

use crate::access::{Door, Needs, On, Routes};
use devflow_domain::access::Action;

/// All pages and what their forms are sent to.
pub(crate) fn router() -> Routes {
    Routes::new()
        .get("/", Needs::may(Action::Enter), overview::show)
        .get("/go", Needs::may(Action::Enter), go::show)
        .get("/happened", Needs::may(Action::Enter), happened::show)
        .get("/sign-in", Needs::Open(Door::Anybody), sign_in::sign_in)
        .post("/sign-in", Needs::Open(Door::Anybody), sign_in::enter)
        .post("/sign-in/code", Needs::Open(Door::Anybody), sign_in::enter_code)
        .post("/sign-out", Needs::may(Action::OwnSession), sign_in::leave)
        .get("/set-up", Needs::Open(Door::Token), sign_in::set_up)
        .post("/set-up", Needs::Open(Door::Token), sign_in::make_owner)
        .get("/prove", Needs::may(Action::OwnSession), prove::show)
        .post("/prove", Needs::may(Action::OwnSession), prove::prove)
        .post("/theme", Needs::may(Action::OwnSession), sign_in::choose_theme)
        .get("/activity", Needs::may(Action::SeeActivity), activity::list)
        .get("/keys", Needs::may(Action::SeeAccount), keys::list)
        .post("/keys", Needs::may(Action::MakeKeys), keys::create)
        .post("/keys/{id}/rotate", Needs::may(Action::MakeKeys), keys::rotate)
        .post("/keys/{id}/revoke", Needs::may(Action::SeeAccount), keys::revoke)
        .get("/device", Needs::may(Action::MakeKeys), device::show)
        .post("/device", Needs::may(Action::MakeKeys), device::decide)
        .get("/reference", Needs::may(Action::Enter), reference::show)
        .get("/servers", Needs::may(Action::SeeServers), servers::list::list)
        .post("/servers", Needs::may(Action::ManageServers), enrolment::create)
        .get("/servers/new", Needs::may(Action::ManageServers), enrolment::new)
        .get("/servers/{id}", Needs::may(Action::SeeServers), servers::show)
        .post(
            "/servers/{id}/enrol",
            Needs::may(Action::ManageServers),
            enrolment::enrol,
        )
        .post(
            "/servers/{id}/ping",
            Needs::may(Action::PingServer),
            servers::actions::ping,
        )
        .post(
            "/servers/{id}/update",
            Needs::may(Action::ManageServers),
            servers::actions::update,
        )
        .post(
            "/servers/{id}/rename",
            Needs::may(Action::ManageServers),
            servers::actions::rename,
        )
        .post(
            "/servers/{id}/drain",
            Needs::may(Action::ManageServers),
            servers::actions::drain,
        )
        .post(
            "/servers/{id}/remove",
            Needs::may(Action::ManageServers),
            servers::actions::remove,
        )
        .post(
            "/deliveries/{id}/replay",
            Needs::May(Action::Deploy, On::Delivery),
            project::actions::replay,
        )
        .get(
            "/deployments/{id}",
            Needs::deployment(Action::SeeProject),
            deployment::show,
        )
        .get(
            "/deployments/{id}/output",
            Needs::deployment(Action::SeeProject),
            output::show,
        )
        .post(
            "/deployments/{id}/cancel",
            Needs::deployment(Action::Deploy),
            deployment::actions::cancel,
        )
        .post(
            "/deployments/{id}/abandon",
            Needs::deployment(Action::Operate),
            deployment::actions::abandon,
        )
        .post(
            "/deployments/{id}/redeploy",
            Needs::deployment(Action::Deploy),
            deployment::actions::redeploy,
        )
        .post(
            "/deployments/{id}/rollback",
            Needs::deployment(Action::Deploy),
            deployment::actions::roll_back,
        )
        .merge(passkey::router())
        .merge(account::router())
        .merge(people::router())
        .merge(project::router())
        .merge(endpoints::router())
}
