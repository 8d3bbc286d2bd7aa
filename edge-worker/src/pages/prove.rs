//! Says again who one is, before something dangerous.

use super::assets;
use super::shell::{CsrfField, Theme};
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::auth::{self, Answer, Proof, SignedIn, second};
use crate::error::ApiError;
use crate::extract::{CsrfForm, Query};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "prove.html")]
pub(crate) struct ProvePage {
    pub(crate) theme: Theme,
    pub(crate) csrf: CsrfField,
    pub(crate) problem: Option<String>,
    pub(crate) email: String,
    /// True where a password is not enough.
    pub(crate) has_factor: bool,
    /// A code of an app will do.
    pub(crate) app: bool,
    /// A passkey will do.
    pub(crate) passkey: bool,
    /// Where to go on: a path of this site.
    pub(crate) next: String,
}

/// Where to go on.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

async fn page(
    state: &AppState,
    signed_in: &SignedIn,
    theme: Theme,
    problem: Option<String>,
    next: String,
) -> Result<ProvePage, ApiError> {
    let (app, passkey) = if signed_in.has_factor {
        second::kinds(state, signed_in).await?
    } else {
        (false, false)
    };
    Ok(ProvePage {
        theme,
        csrf: CsrfField(signed_in.csrf.clone()),
        problem,
        email: signed_in.email.clone(),
        has_factor: signed_in.has_factor,
        app,
        passkey,
        next,
    })
}

/// `GET /prove`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(next): Query<Next>,
) -> Result<Response, ApiError> {
    let next = web::back_or(next.next.as_deref(), "/");
    let page = page(&state, &visitor.signed_in, visitor.theme, None, next).await?;
    web::html(StatusCode::OK, &page)
}

/// Password, code or passkey.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    credential: String,
    next: Option<String>,
}

/// `POST /prove`
#[worker::send]
pub(crate) async fn prove(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Given>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let next = web::back_or(form.next.as_deref(), "/");
    let answer = Answer {
        state: form.state,
        credential: form.credential,
    };
    let proof = match (answer.credential.is_empty(), form.code.is_empty()) {
        (false, _) => Proof::Passkey(&answer),
        (true, false) => Proof::Code(&form.code),
        (true, true) => Proof::Password(&form.password),
    };
    let error = match auth::prove(&state, &headers, &signed_in, proof).await {
        Ok(cookie) => return web::go_with_cookie(&next, &cookie),
        Err(error @ (ApiError::Unauthenticated(..) | ApiError::Invalid(_) | ApiError::RateLimited(_))) => {
            error
        }
        Err(error) => return Err(error),
    };
    let page = page(
        &state,
        &signed_in,
        web::theme(&headers),
        Some(error.detail()),
        next,
    )
    .await?;
    web::answered(&error, &page)
}
