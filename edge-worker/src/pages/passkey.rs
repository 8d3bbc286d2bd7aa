//! Signing in with a passkey, alone or after the password: what the browser is asked, and what it answers.

use super::project::actions::Press;
use super::sign_in::again;
use super::web;
use crate::access::{Door, Needs, Routes};
use crate::app::AppState;
use crate::auth::{Answer, passkeys};
use crate::error::ApiError;
use crate::extract::{CsrfForm, form};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use devflow_domain::access::Action;
use serde::Deserialize;
use serde_json::Value;

/// Where scripts get what to ask a browser, and what its answer is sent to.
pub(super) fn router() -> Routes {
    Routes::new()
        .post("/sign-in/passkey/options", Needs::Open(Door::Anybody), options)
        .post("/sign-in/passkey", Needs::Open(Door::Anybody), enter)
        .post(
            "/prove/passkey/options",
            Needs::may(Action::OwnSession),
            proof_options,
        )
}

/// What a passkey is asked for.
#[derive(Deserialize)]
struct Asking {
    /// That the password was right, sealed; nothing where the passkey is to do alone.
    step: Option<String>,
}

/// `POST /sign-in/passkey/options`
#[worker::send]
async fn options(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (headers, asking): (HeaderMap, Asking) = form(request).await?;
    if let Some(step) = asking.step {
        let asked = passkeys::ask_after_password(&state, &step).await?;
        return Ok(Json(asked).into_response());
    }
    let (asked, cookie) = passkeys::ask_alone(&state, &headers)?;
    let mut response = Json(asked).into_response();
    web::set_cookie(&mut response, &cookie)?;
    Ok(response)
}

/// What the browser answers.
#[derive(Deserialize)]
struct Entering {
    step: Option<String>,
    next: Option<String>,
    #[serde(flatten)]
    answer: Answer,
}

/// `POST /sign-in/passkey`
#[worker::send]
async fn enter(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (headers, entering): (HeaderMap, Entering) = form(request).await?;
    let next = web::back_or(entering.next.as_deref(), "/");
    let error = match passkeys::sign_in(&state, &headers, &entering.answer).await {
        Ok(cookies) => return web::enter(&next, &cookies),
        Err(error @ (ApiError::Unauthenticated(..) | ApiError::Invalid(_))) => error,
        Err(error) => return Err(error),
    };
    again(&state, &headers, &error, entering.step, next).await
}

/// `POST /prove/passkey/options`
#[worker::send]
async fn proof_options(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(passkeys::ask_proof(&state, &form.signed_in).await?))
}
