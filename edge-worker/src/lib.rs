//! The control plane: a Cloudflare Worker.
//!
//! In scope: routes that parse, ask `devflow-domain` and answer; the databases; who may come in; the Hub that holds
//! polls; the pages. Not in scope: decisions, which are pure functions in `devflow-domain`, and everything that runs
//! on a server.

mod access;
mod answer;
mod app;
mod auth;
mod config;
mod cron;
mod crypt;
mod error;
mod extract;
mod gather;
mod hub;
mod idempotency;
mod keychain;
mod openapi;
mod pages;
mod platform;
mod routes;
mod service;
mod store;

use axum::response::IntoResponse as _;
use tower_service::Service as _;
use worker::{Context, Env, HttpRequest, Result, ScheduleContext, ScheduledEvent, event};

#[event(fetch)]
async fn fetch(request: HttpRequest, env: Env, _context: Context) -> Result<worker::web_sys::Response> {
    let answer = match app::of(env) {
        Ok(mut router) => router.call(request).await?,
        Err(error) => error.into_response(),
    };
    platform::answer(answer)
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    cron::run(&env).await;
}
