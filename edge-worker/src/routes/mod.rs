//! Routes that machines use: webhooks, runners, the JSON API, the live socket. Pages are in [`crate::pages`].

mod api;
mod hooks;
mod install;
mod live;
mod runner;

use crate::access::Routes;

/// All of them.
pub(crate) fn router() -> Routes {
    Routes::new()
        .merge(hooks::router())
        .merge(install::router())
        .merge(runner::router())
        .merge(api::router())
        .merge(live::router())
}
