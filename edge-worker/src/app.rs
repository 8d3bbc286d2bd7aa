//! What every handler gets, and the router with what surrounds all routes.

use crate::access::{Routes, refusals};
use crate::config::Config;
use crate::error::{ApiError, problem};
use crate::store::{Cost, Db};
use crate::{hub, openapi, pages, platform, routes};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::cell::RefCell;
use std::sync::Arc;
use worker::Env;

thread_local! {
    /// The router of this isolate.
    static ROUTER: RefCell<Option<Router>> = const { RefCell::new(None) };
}

/// What a request's handler works with: settings and bindings, the same for all requests of an isolate.
#[derive(Clone)]
pub(crate) struct AppState {
    env: Env,
    cost: Option<Arc<Cost>>,
    /// The settings.
    pub(crate) config: Arc<Config>,
    /// The state: servers, projects, jobs, people.
    pub(crate) db: Db,
    /// The output of deployments.
    pub(crate) logs: Db,
}

impl AppState {
    /// Reads settings and bindings.
    fn new(env: Env) -> Result<Self, ApiError> {
        let config = Config::of(&env)?;
        let cost = config.show_cost.then(Arc::<Cost>::default);
        Ok(Self {
            db: Db::new(env.d1("DB")?).counted(cost.clone()),
            logs: Db::new(env.d1("LOGS")?).counted(cost.clone()),
            cost,
            config: Arc::new(config),
            env,
        })
    }

    /// The Hub, which holds polls and sends notices.
    pub(crate) fn hub(&self) -> hub::Hub<'_> {
        hub::Hub::new(&self.env)
    }

    /// The object that computes password hashes.
    pub(crate) fn auth_object(&self) -> Result<worker::durable::Stub, worker::Error> {
        self.env.durable_object("AUTH")?.get_by_name("auth")
    }

    /// What counts requests, where the platform has it.
    pub(crate) fn rate_limiter(&self, binding: &str) -> Option<worker::RateLimiter> {
        let found = self.env.rate_limiter(binding);
        if let Err(error) = &found
            && !error.to_string().contains("undefined")
        {
            platform::log_error(&format!("{binding} does not count: {error}"));
        }
        found.ok()
    }

    /// The bucket of large values.
    pub(crate) fn blobs(&self) -> Result<worker::Bucket, worker::Error> {
        self.env.bucket("BLOBS")
    }

    /// Notes that somebody follows a deployment, after the answer was sent.
    pub(crate) fn watch(&self, deployment: &devflow_protocol::DeploymentId) {
        let (env, topic) = (self.env.clone(), format!("deployment:{deployment}"));
        platform::after_answer(async move {
            hub::Hub::new(&env).watch(&topic).await;
        });
    }

    /// Wakes the polls of `server` and tells who watches `topics`, after the answer was sent.
    pub(crate) fn signal(&self, server: Option<&devflow_protocol::ServerId>, topics: Vec<String>) {
        hub::signal_after_answer(&self.env, server.map(ToString::to_string), topics);
    }
}

/// All routes, with what each needs.
pub(crate) fn routes() -> Routes {
    routes::router().merge(openapi::router()).merge(pages::router())
}

/// The router, made once for all requests of an isolate: it has 150 routes with a guard before each. Where costs are told it
/// is made for each request, which has a count of its own.
pub(crate) fn of(env: Env) -> Result<Router, ApiError> {
    if let Some(router) = ROUTER.with_borrow(Option::clone) {
        return Ok(router);
    }
    let state = AppState::new(env)?;
    let keep = state.cost.is_none();
    let router = router(state);
    if keep {
        ROUTER.set(Some(router.clone()));
    }
    Ok(router)
}

/// The routes, guarded, with what surrounds them.
fn router(state: AppState) -> Router {
    routes()
        .guarded(&state)
        .fallback(not_found)
        .layer(axum::middleware::from_fn(pages::as_pages))
        .layer(axum::middleware::from_fn_with_state(state.clone(), surround))
        .with_state(state)
}

async fn not_found() -> ApiError {
    ApiError::NotFound("There is nothing at this address.".to_owned())
}

/// Refuses what comes from a foreign page, and adds the headers that every answer has.
async fn surround(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let asked = state
        .cost
        .is_some()
        .then(|| format!("{} {}", request.method(), request.uri().path()));
    let mut response = match check_origin(request.method(), request.headers(), &state.config.public_origin) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let refused = error.into_response();
            refusals::note_wanted(&state, None, "", &refused);
            refused
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && !response.headers().contains_key(header::CONTENT_TYPE)
    {
        let allow = response.headers().get(header::ALLOW).cloned();
        let allowed = allow
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .unwrap_or("another method")
            .to_owned();
        response = problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            format!("This address does not know the method; it takes {allowed}."),
            None,
        );
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    add_headers(response.headers_mut(), &state.config.public_origin);
    if let (Some(cost), Some(asked)) = (&state.cost, asked) {
        // Runners and providers show nobody what they are answered.
        platform::log_info(&format!("cost of {asked}: {cost}"));
        if let Ok(value) = HeaderValue::from_str(&cost.to_string()) {
            response.headers_mut().insert("server-timing", value);
        }
    }
    response
}

/// A browser sends cookies along from everywhere, and a foreign page could even sign somebody in: what changes
/// something must come from our own pages.
fn check_origin(method: &Method, headers: &HeaderMap, public_origin: &str) -> Result<(), ApiError> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrade = headers.contains_key(header::UPGRADE);
    let allowed = match headers.get(header::ORIGIN) {
        _ if safe && !upgrade => true,
        Some(origin) => origin == public_origin,
        // Providers, runners and scripts send neither.
        None => !headers.contains_key(header::COOKIE),
    };
    if allowed {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "foreign_origin",
        format!("A request from a browser has to come from {public_origin}; open the dashboard there."),
    ))
}

fn add_headers(headers: &mut HeaderMap, public_origin: &str) {
    let socket_origin = public_origin.replacen("http", "ws", 1);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {socket_origin}; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if public_origin.starts_with("https://") {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_origin_lets_only_our_pages_change_things_with_a_cookie() {
        let ours = "https://devflow.test";
        let case = |method: Method, cookie: bool, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if cookie {
                headers.insert(header::COOKIE, HeaderValue::from_static("__Host-devflow=x"));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            check_origin(&method, &headers, ours).is_ok()
        };
        let allowed = [
            case(Method::GET, true, None),
            case(Method::POST, false, None),
            case(Method::POST, true, Some("https://devflow.test")),
        ];
        let refused = [
            case(Method::POST, true, None),
            case(Method::POST, true, Some("null")),
            case(Method::POST, false, Some("https://evil.test")),
            case(Method::DELETE, true, Some("https://evil.test")),
            case(Method::POST, true, Some("https://devflow.test.evil.test")),
        ];
        assert_eq!((allowed, refused), ([true; 3], [false; 5]));
    }
}
