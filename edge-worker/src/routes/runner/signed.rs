//! The extractor for a runner's signed request: verified before its body is parsed.

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{parse_json, read_body};
use crate::platform;
use crate::store::servers::{self, RunnerRow};
use axum::extract::{FromRequest, Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::limits::REQUEST_BODY_BYTES;
use devflow_protocol::request::{HEADER, RequestClaims, RequestError, Seen, UnverifiedRequest};
use ed25519_dalek::VerifyingKey;
use serde::de::DeserializeOwned;
use worker::send::SendFuture;

/// A request whose sender is known.
pub(super) struct Signed<T> {
    pub(super) runner: RunnerRow,
    pub(super) claims: RequestClaims,
    pub(super) body: T,
}

impl<T: DeserializeOwned> FromRequest<AppState> for Signed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        SendFuture::new(verify(request, state)).await
    }
}

async fn verify<T: DeserializeOwned>(request: Request, state: &AppState) -> Result<Signed<T>, ApiError> {
    let (parts, body) = request.into_parts();
    let header = parts
        .headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let unverified = UnverifiedRequest::from_header(header).map_err(|error| refused(&error))?;
    let body = read_body(&parts.headers, body, REQUEST_BODY_BYTES).await?;
    let runner: RunnerRow = state
        .db
        .first(servers::runner(unverified.server()))
        .await?
        .ok_or_else(unknown)?;
    let key = verifying_key(&runner).ok_or_else(unknown)?;
    let seen = Seen {
        audience: &runner.edge_id,
        route: parts.uri.path(),
        body: &body,
        now: platform::now(),
    };
    let claims = unverified.verify(&key, seen).map_err(|error| refused(&error))?;
    Ok(Signed {
        runner,
        claims,
        body: parse_json(&body)?,
    })
}

fn verifying_key(runner: &RunnerRow) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = STANDARD
        .decode(runner.signing_key.as_deref()?)
        .ok()?
        .try_into()
        .ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// Unknown server and unknown key are one answer: who asks learns nothing about which servers there are.
fn unknown() -> ApiError {
    ApiError::Unauthenticated(
        "unknown_runner",
        "This server is not enrolled here, or was enrolled again elsewhere; enrol it again.".to_owned(),
    )
}

fn refused(error: &RequestError) -> ApiError {
    let words = format!("{error}.");
    match error {
        RequestError::ClockSkew(ms) => ApiError::ClockSkew(*ms),
        RequestError::Envelope(_) => unknown(),
        RequestError::Header | RequestError::Mismatch(_) => ApiError::Unauthenticated("bad_signature", words),
    }
}
