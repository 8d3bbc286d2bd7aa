//! Errors as pages, where a browser asked.

use super::assets;
use super::shell::Theme;
use super::web;
use crate::error::PROOF_NEEDED;
use askama::Template;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
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

/// The page to come back to: the one that was asked for, or the one whose form was sent.
fn came_from(request: &Request) -> String {
    if request.method() == Method::GET {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return web::back_or(Some(path), "/");
    }
    let referer = request.headers().get(header::REFERER);
    let path = referer
        .and_then(|value| value.to_str().ok()?.parse::<Uri>().ok())
        .and_then(|uri| Some(uri.path_and_query()?.as_str().to_owned()));
    web::back_or(path.as_deref(), "/")
}

/// Turns problem details into a page where a browser asked for one.
pub(crate) async fn as_pages(request: Request, next: Next) -> Response {
    let (asked, theme) = (wants_page(request.headers()), web::theme(request.headers()));
    let back = came_from(&request);
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
    match problem.as_ref().map(|problem| problem.code.as_str()) {
        Some(PROOF_NEEDED) => return web::go(&web::query("/prove", &[("next", &back)])),
        Some("second_factor_needed") => return web::go("/account/second-factor"),
        _ => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use futures_util::FutureExt as _;
    use tower_service::Service as _;

    async fn wait() -> ApiError {
        ApiError::RateLimited(30)
    }

    async fn secret() -> ApiError {
        ApiError::Forbidden(PROOF_NEEDED, "Say again who you are.".to_owned())
    }

    async fn fine() -> &'static str {
        "fine"
    }

    fn answer(path: &str, accept: &str) -> (u16, String, String, String) {
        let mut router: Router = Router::new()
            .route("/wait", get(wait))
            .route("/fine", get(fine))
            .layer(axum::middleware::from_fn(as_pages));
        let request = Request::builder()
            .uri(path)
            .header(header::ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let response = router.call(request).now_or_never().unwrap().unwrap();
        let header = |name| {
            let value = response.headers().get(name);
            value
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let (kind, retry) = (header(header::CONTENT_TYPE), header(header::RETRY_AFTER));
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), PROBLEM_BYTES)
            .now_or_never()
            .unwrap()
            .unwrap();
        (status, kind, retry, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn as_pages_answers_a_browser_in_html_and_keeps_status_and_headers() {
        let (status, kind, retry, body) = answer("/wait", "text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!(
            (status, kind.as_str(), retry.as_str()),
            (429, "text/html; charset=utf-8", "30")
        );
        assert!(body.contains("<h1>Too many attempts</h1>"), "{body}");
        assert!(body.contains("try again in 30 seconds"), "{body}");
    }

    #[test]
    fn as_pages_asks_for_proof_and_comes_back_to_this_site_only() {
        let cases = [
            (
                Method::GET,
                "/secret?reveal=1",
                "",
                "/prove?next=%2Fsecret%3Freveal%3D1",
            ),
            (
                Method::POST,
                "/secret",
                "https://devflow.test/projects/a",
                "/prove?next=%2Fprojects%2Fa",
            ),
            (Method::POST, "/secret", "", "/prove?next=%2F"),
            (
                Method::POST,
                "/secret",
                "https://devflow.test//evil.test",
                "/prove?next=%2F",
            ),
        ];
        for (method, path, referer, expected) in cases {
            let mut router: Router = Router::new()
                .route("/secret", get(secret).post(secret))
                .layer(axum::middleware::from_fn(as_pages));
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::ACCEPT, "text/html")
                .header(header::REFERER, referer)
                .body(Body::empty())
                .unwrap();
            let response = router.call(request).now_or_never().unwrap().unwrap();
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            assert_eq!(response.headers()[header::LOCATION], expected);
        }
    }

    #[test]
    fn as_pages_leaves_programs_and_good_answers_alone() {
        let (status, kind, _, body) = answer("/wait", "*/*");
        assert_eq!((status, kind.as_str()), (429, "application/problem+json"));
        assert!(body.contains(r#""code":"rate_limited""#), "{body}");
        assert_eq!(answer("/fine", "text/html").3, "fine");
    }
}
