//! Requests that are done once: a `POST` to the API with an `Idempotency-Key` that comes again gets the first answer
//! again, and nothing is made twice. The answer is kept for a day, encrypted, for it may hold a secret that is shown
//! once. Behind the guard: a key belongs to who sent it. What is decided is in [`devflow_domain::idempotency`].

use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::extract::read_body;
use crate::platform;
use crate::store::StoreError;
use crate::store::idempotency::{self as store, KeyRow};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use devflow_domain::idempotency::{Earlier, Second, decide, is_key};
use devflow_protocol::limits::REQUEST_BODY_BYTES;
use worker::send::SendFuture;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Largest answer that is kept.
const ANSWER_BYTES: usize = 256 * 1024;

/// Runs the request, or answers as the first one with its key was answered.
pub(crate) async fn run(state: &AppState, actor: &Actor, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let Some(sent) = request
        .headers()
        .get(KEY)
        .filter(|_| api && request.method() == Method::POST)
    else {
        return next.run(request).await;
    };
    let sent = sent.to_str().ok().filter(|key| is_key(key)).map(str::to_owned);
    let Some(sent) = sent else {
        return ApiError::Unreadable(
            "invalid_header",
            "Idempotency-Key is 1 to 255 visible ASCII characters.".to_owned(),
        )
        .into_response();
    };
    let key = crypt::hash(format!("{}\n{sent}", actor.0).as_bytes());
    SendFuture::new(once(state, &key, request, next))
        .await
        .unwrap_or_else(ApiError::into_response)
}

async fn once(state: &AppState, key: &str, request: Request, next: Next) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, REQUEST_BODY_BYTES).await?;
    let asked = format!("{} {}\n{}", parts.method, parts.uri, crypt::hash(&body));
    let (fingerprint, now) = (crypt::hash(asked.as_bytes()), platform::now());
    if state.db.run(store::take(key, &fingerprint, now)).await? == 0 {
        let earlier: Option<KeyRow> = state.db.first(store::by_key(key)).await?;
        // Given back just now, by a first request that was refused.
        let earlier = earlier.ok_or_else(in_progress)?;
        return again(state, key, &fingerprint, earlier);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    keep(state, key, response).await
}

fn in_progress() -> ApiError {
    ApiError::Conflict(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is being worked on; send it again in a moment.".to_owned(),
    )
}

/// What a key that is taken gives.
fn again(state: &AppState, key: &str, fingerprint: &str, row: KeyRow) -> Result<Response, ApiError> {
    let earlier = Earlier {
        same_request: row.fingerprint == fingerprint,
        answered: row.answer.is_some(),
        at: row.created_at,
    };
    match decide(earlier, platform::now()) {
        Second::Replay => replay(state, key, row),
        Second::InProgress => Err(in_progress()),
        Second::OtherRequest => Err(ApiError::invalid(
            "Idempotency-Key",
            "was used for another request within the last day; take a new one for each request",
        )),
        Second::Unknown => Err(ApiError::Conflict(
            "idempotency_unknown",
            "The first request with this Idempotency-Key ended without an answer. Look whether it was done, and use a \
             new key."
                .to_owned(),
        )),
    }
}

fn replay(state: &AppState, key: &str, row: KeyRow) -> Result<Response, ApiError> {
    let answer = row.answer.unwrap_or_default();
    let body = state.config.data_key.decrypt(&context(key), &answer)?;
    let status = row.status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| StoreError::unreadable("idempotency_keys.status", &"no status"))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (REPLAYED, HeaderValue::from_static("true")),
    ];
    Ok((status, headers, body).into_response())
}

fn context(key: &str) -> String {
    format!("idempotency/{key}")
}

/// Keeps what was made; a refusal made nothing, so the request may be corrected and sent again.
async fn keep(state: &AppState, key: &str, response: Response) -> Result<Response, ApiError> {
    if !response.status().is_success() {
        state.db.run(store::give_back(key)).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_BYTES)
        .await
        .map_err(|error| ApiError::Internal(format!("an answer cannot be kept: {error}")))?;
    let sealed = state
        .config
        .data_key
        .encrypt(&context(key), &body, platform::entropy());
    let kept = state.db.run(store::keep(key, parts.status.as_u16(), &sealed));
    if let Err(error) = kept.await {
        // It is made: who asked has to hear of it all the same.
        platform::log_error(&format!("an answer is not kept for its Idempotency-Key: {error}"));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
