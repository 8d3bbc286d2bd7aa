//! The JSON API, version 1. Each handler names its caller, calls `service` and shows what came of it.

mod audit;
mod deliveries;
mod deployed;
mod deployments;
mod endpoints;
mod environment_versions;
mod hooks;
mod keys;
mod logins;
mod passkeys;
mod people;
mod pipeline;
mod projects;
mod security;
mod servers;
mod sessions;
mod set_up;
mod stored;
mod view;

use crate::access::Routes;

pub(super) fn router() -> Routes {
    Routes::new()
        .merge(set_up::router())
        .merge(servers::router())
        .merge(projects::router())
        .merge(environment_versions::router())
        .merge(hooks::router())
        .merge(deployments::router())
        .merge(deliveries::router())
        .merge(keys::router())
        .merge(logins::router())
        .merge(audit::router())
        .merge(people::router())
        .merge(passkeys::router())
        .merge(sessions::router())
        .merge(security::router())
        .merge(endpoints::router())
}
