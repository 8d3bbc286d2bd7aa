//! Errors as pages, where a browser asked.

use super::assets;
use super::shell::Theme;
use super::web;
use askama::Template;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use devflow_protocol::runner_api::Problem;

/// Problem details are far smaller.
const PROBLEM_BYTES: usize = 64 * 1024;

/// What failed and what to do.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    theme: Theme,
    title: &'static str,
    detail: String,
}

/// What a person calls it.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::FORBIDDEN => "That is not allowed",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        status if status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    }
}

fn page(status: StatusCode, theme: Theme, detail: String) -> Response {
    let page = ErrorPage {
        theme,
        title: title(status),
        detail,
    };
    web::html(status, &page).unwrap_or_else(IntoResponse::into_response)
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Turns problem details into a page where a browser asked for one.
pub(crate) async fn as_pages(request: Request, next: Next) -> Response {
    let (asked, theme) = (wants_page(request.headers()), web::theme(request.headers()));
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !asked || kind.is_none_or(|kind| kind != "application/problem+json") {
        return response;
    }
    let (parts, body) = response.into_parts();
    let problem = to_bytes(body, PROBLEM_BYTES)
        .await
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Problem>(&bytes).ok());
    let mut shown = page(
        parts.status,
        theme,
        problem.map(|problem| problem.detail).unwrap_or_default(),
    );
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            shown.headers_mut().append(name, value.clone());
        }
    }
    shown
}
