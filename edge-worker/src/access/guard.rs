//! The guard: who asks, what the route needs, and whether that fits. A handler behind it runs for nobody else.

use super::limits::Limit;
use super::{Access, Needs, On, Route, refusals};
use crate::app::AppState;
use crate::auth::{Actor, Caller, SignedIn, check_csrf, header_token, network, not_signed_in};
use crate::error::ApiError;
use crate::idempotency;
use crate::store::access;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use devflow_domain::access::Action;
use devflow_protocol::ProjectId;
use std::sync::Arc;
use worker::send::SendFuture;

/// What the guard looks at.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) state: AppState,
    pub(super) routes: Arc<[Route]>,
}

impl Guard {
    /// What the route needs; None where there is no such method.
    fn needs(&self, method: &Method, path: &str) -> Option<Needs> {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let route = self
            .routes
            .iter()
            .find(|route| route.path == path && route.method == *method);
        route.map(|route| route.needs)
    }

    /// 405 with the methods that there are; what surrounds the router adds the words.
    fn no_such_method(&self, path: &str) -> Response {
        let methods: Vec<&str> = self
            .routes
            .iter()
            .filter(|route| route.path == path)
            .map(|route| route.method.as_str())
            .collect();
        let allow = HeaderValue::from_str(&methods.join(",")).unwrap_or(HeaderValue::from_static("GET"));
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]).into_response()
    }
}

/// Lets a request through that may pass, with [`SignedIn`] or [`Caller`] for its handler. What is refused, here or by the
/// handler, is counted.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let Some(path) = matched.map(|path| path.as_str().to_owned()) else {
        return ApiError::Internal("a route has no path".to_owned()).into_response();
    };
    let Some(needs) = guard.needs(request.method(), &path) else {
        return guard.no_such_method(&path);
    };
    let told = Limit::told(needs, request.method()).filter(|_| path.starts_with("/api/"));
    let (who, response) = pass(&guard.state, needs, &path, request, next).await;
    refusals::note(&guard.state, who.as_ref(), needs, &path, &response);
    match told {
        Some(limit) => limit.tell(response),
        None => response,
    }
}

/// The answer, with who asked as far as that is known.
async fn pass(
    state: &AppState,
    needs: Needs,
    path: &str,
    mut request: Request,
    next: Next,
) -> (Option<Actor>, Response) {
    let Needs::May(action, on) = needs else {
        return match SendFuture::new(count_open(state, needs, &request)).await {
            Ok(()) => (None, next.run(request).await),
            Err(refused) => (None, refused),
        };
    };
    let id = id_of(path, request.uri().path());
    let (caller, signed_in) = match SendFuture::new(known(state, &request)).await {
        Ok(known) => known,
        Err((_, ApiError::Unauthenticated(..))) if is_page(path) => return (None, not_signed_in(&request)),
        Err((who, error)) => {
            return (who, SendFuture::new(unknown(state, &request, error)).await);
        }
    };
    let actor = caller.actor.clone();
    let api = !is_page(path) && path != "/live";
    if api && let Err(refused) = SendFuture::new(Limit::Api.count(state, &actor.0)).await {
        return (Some(actor), refused);
    }
    if let Err(error) = SendFuture::new(allow(state, &caller.access, action, on, id)).await {
        return (Some(actor), error.into_response());
    }
    if let Some(signed_in) = signed_in {
        request.extensions_mut().insert(signed_in);
    }
    request.extensions_mut().insert(caller);
    let response = idempotency::run(state, &actor, request, next).await;
    (Some(actor), response)
}

/// Counts a request that needs nobody: deliveries by their hook, attempts to come in by their network.
async fn count_open(state: &AppState, needs: Needs, request: &Request) -> Result<(), Response> {
    match Limit::of(needs, request.method()) {
        Some(Limit::Hook) => {
            let hook = request.uri().path().rsplit('/').next().unwrap_or_default();
            Limit::Hook.count(state, hook).await
        }
        Some(limit) => limit.count(state, &network(request.headers())).await,
        None => Ok(()),
    }
}

/// The answer to somebody who is not known. A key that is not taken is counted, so that nobody tries many.
async fn unknown(state: &AppState, request: &Request, error: ApiError) -> Response {
    let tried = request.headers().contains_key(header::AUTHORIZATION);
    if !tried || !matches!(error, ApiError::Unauthenticated(..)) {
        return error.into_response();
    }
    match Limit::Door.count(state, &network(request.headers())).await {
        Ok(()) => Limit::Door.tell(error.into_response()),
        Err(refused) => refused,
    }
}

/// Pages are for people with a session, and send others to sign in.
fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && path != "/live"
}

/// Who asks. Keys are for the API; a session there needs its CSRF token in a header, which no foreign page can send. An
/// error says who it was, where that is known.
async fn known(
    state: &AppState,
    request: &Request,
) -> Result<(Caller, Option<SignedIn>), (Option<Actor>, ApiError)> {
    let (headers, api) = (request.headers(), request.uri().path().starts_with("/api/"));
    if api && headers.contains_key(header::AUTHORIZATION) {
        return Ok((Caller::of_key(state, headers).await?, None));
    }
    let signed_in = SignedIn::of(state, headers)
        .await
        .map_err(|error| (None, error))?;
    let signed_in = signed_in.ok_or_else(|| {
        let error = ApiError::Unauthenticated(
            "unauthenticated",
            "Send an API key as `authorization: Bearer dfp_…`, or sign in.".to_owned(),
        );
        (None, error)
    })?;
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    if api && !safe {
        let checked = check_csrf(&signed_in, header_token(headers).as_deref());
        checked.map_err(|error| (Some(signed_in.actor()), error))?;
    }
    Ok((signed_in.caller(), Some(signed_in)))
}

/// The part of the path that stands for `{id}`.
fn id_of<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let parts = pattern.split('/').zip(path.split('/'));
    parts
        .into_iter()
        .find(|(name, _)| *name == "{id}")
        .map(|(_, part)| part)
}

/// Decides.
async fn allow(
    state: &AppState,
    access: &Access,
    action: Action,
    on: On,
    id: Option<&str>,
) -> Result<(), ApiError> {
    let id = id.unwrap_or_default();
    let nothing = || ApiError::NotFound("There is nothing of that id.".to_owned());
    let owner = match on {
        On::Fleet => return access.require(action, None),
        On::Project => {
            let project: ProjectId = id.parse().map_err(|_| nothing())?;
            return access.require(action, Some(&project));
        }
        On::Deployment => access::project_of_deployment(id),
        On::Delivery => access::project_of_delivery(id),
        On::Job => access::project_of_job(id),
        On::Endpoint => access::project_of_endpoint(id),
    };
    access.require_of(state, action, owner, nothing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_read_where_the_pattern_has_it() {
        assert_eq!(
            id_of("/projects/{id}/deploy", "/projects/prj_1/deploy"),
            Some("prj_1")
        );
        assert_eq!(id_of("/projects", "/projects"), None);
    }
}
