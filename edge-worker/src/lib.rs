//! The control plane: a Cloudflare Worker.

#[cfg_attr(not(test), allow(dead_code, reason = "its routes come with the store"))]
mod pages;

use worker::{Context, Env, HttpRequest, Result, event};
use worker::{DurableObject, Request, Response, State, durable_object};

/// x
#[durable_object]
pub struct Hub {
    _state: State,
    _env: Env,
}

impl DurableObject for Hub {
    fn new(state: State, env: Env) -> Self {
        Self {
            _state: state,
            _env: env,
        }
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        Response::ok("hub")
    }
}

#[worker::send]
async fn hello() -> &'static str {
    "hello"
}

#[event(fetch)]
async fn fetch(req: HttpRequest, _env: Env, _ctx: Context) -> Result<http::Response<axum::body::Body>> {
    use tower_service::Service;
    let mut router: axum::Router = axum::Router::new().route("/", axum::routing::get(hello));
    Ok(router.call(req).await?)
}

/// x
#[durable_object]
pub struct Auth {
    _state: State,
    _env: Env,
}

impl DurableObject for Auth {
    fn new(state: State, env: Env) -> Self {
        Self {
            _state: state,
            _env: env,
        }
    }

    async fn fetch(&self, _req: Request) -> Result<Response> {
        Response::ok("hub")
    }
}
