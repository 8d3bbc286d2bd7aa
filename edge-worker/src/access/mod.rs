//! What each route needs, and the guard before all of them.
//!
//! A route can only be added together with what it needs ([`Routes`]), so there is none that was forgotten, and the
//! guard decides by [`devflow_domain::access`] before a handler runs. `docs/ACCESS.md` lists all of it and is compared
//! with the code by a test. Not in scope: who somebody is ([`crate::auth`]).

mod grants;
mod guard;
mod limits;
pub(crate) mod refusals;
#[cfg(test)]
mod tests;

pub(crate) use grants::Access;
#[cfg(test)]
pub(crate) use limits::Limit;
pub(crate) use limits::count_wrong_code;

use crate::app::AppState;
use crate::openapi::Described;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use devflow_domain::access::Action;
use std::sync::Arc;

/// What lets a request in where nobody has to be signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Nothing: who signs in is still a stranger, and the documents of the API are no secret.
    Anybody,
    /// A one-time token, of the set-up or of an invitation.
    Token,
    /// The provider's signature over the body.
    Provider,
    /// The runner's signature over the request, or the enrolment token's.
    Runner,
}

/// What the `{id}` of a path names, and so which project an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Nothing of a project.
    Fleet,
    /// The project itself.
    Project,
    /// A deployment of it.
    Deployment,
    /// A delivery to it.
    Delivery,
    /// A job; one without a project is the fleet's.
    Job,
    /// An endpoint; one without a project is the fleet's.
    Endpoint,
}

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// No account.
    Open(Door),
    /// Somebody who may do this.
    May(Action, On),
}

impl Needs {
    /// The action on the fleet, the account or a list.
    pub(crate) const fn may(action: Action) -> Self {
        Self::May(action, On::Fleet)
    }

    /// The action on the project that the path names.
    pub(crate) const fn project(action: Action) -> Self {
        Self::May(action, On::Project)
    }

    /// The action on the project of the endpoint that the path names.
    pub(crate) const fn endpoint(action: Action) -> Self {
        Self::May(action, On::Endpoint)
    }

    /// The action on the project of the deployment that the path names.
    pub(crate) const fn deployment(action: Action) -> Self {
        Self::May(action, On::Deployment)
    }
}

/// One route.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// What the API's document says of it; None where it is not of the API.
    #[cfg(test)]
    pub(crate) doc: Option<Doc>,
}

/// What the API's document says of a route.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doc {
    /// What it does.
    pub(crate) summary: &'static str,
    /// Adds what its handler takes and gives.
    pub(crate) describe: fn(&mut crate::openapi::Operation),
}

/// Routes with what they need.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<AppState>,
    list: Vec<Route>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn add<H, T>(
        mut self,
        (filter, method): (MethodFilter, Method),
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, on(filter, handler));
        self.list.push(Route {
            method,
            path,
            needs,
            #[cfg(test)]
            doc: None,
        });
        self
    }

    /// A route of the JSON API. Its document gets `summary`, and what goes in and comes out from the handler's type.
    pub(crate) fn api<H, T, D>(
        self,
        method: Method,
        path: &'static str,
        needs: Needs,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState> + Described<D>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("the API has usual methods only");
        #[cfg_attr(not(test), expect(unused_mut, reason = "the document is made in tests only"))]
        let mut routes = self.add((filter, method), path, needs, handler);
        #[cfg(test)]
        if let Some(route) = routes.list.last_mut() {
            let describe = H::describe;
            route.doc = Some(Doc { summary, describe });
        }
        #[cfg(not(test))]
        let _ = summary;
        routes
    }

    /// `GET`, and with it `HEAD`.
    pub(crate) fn get<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.add((MethodFilter::GET, Method::GET), path, needs, handler)
    }

    /// `POST`.
    pub(crate) fn post<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: H,
    ) -> Self {
        self.add((MethodFilter::POST, Method::POST), path, needs, handler)
    }

    /// Adds further ones.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    /// All that were added, in the order of the code.
    #[cfg(test)]
    pub(crate) fn list(&self) -> &[Route] {
        &self.list
    }

    /// The router, with the guard before every route.
    pub(crate) fn guarded(self, state: &AppState) -> Router<AppState> {
        let guard = guard::Guard {
            state: state.clone(),
            routes: Arc::from(self.list),
        };
        self.router
            .route_layer(axum::middleware::from_fn_with_state(guard, guard::check))
    }
}
