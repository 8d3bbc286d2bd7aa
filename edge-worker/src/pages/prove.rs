//! Says again who one is, before something dangerous.

use super::assets;
use super::shell::{CsrfField, Theme};
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::auth::{self, Proof};
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
    /// True where a code of the app will do as well.
    pub(crate) has_factor: bool,
    /// Where to go on: a path of this site.
    pub(crate) next: String,
}

/// Where to go on.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// `GET /prove`
#[worker::send]
pub(crate) async fn show(visitor: Visitor, Query(next): Query<Next>) -> Result<Response, ApiError> {
    let page = ProvePage {
        theme: visitor.theme,
        csrf: CsrfField(visitor.signed_in.csrf.clone()),
        problem: None,
        email: visitor.signed_in.email.clone(),
        has_factor: visitor.signed_in.has_factor,
        next: web::back_or(next.next.as_deref(), "/"),
    };
    web::html(StatusCode::OK, &page)
}

/// Password or code.
#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    next: Option<String>,
}

/// `POST /prove`
#[worker::send]
pub(crate) async fn prove(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Given>,
) -> Result<Response, ApiError> {
    let next = web::back_or(form.form.next.as_deref(), "/");
    let proof = if form.form.code.is_empty() {
        Proof::Password(&form.form.password)
    } else {
        Proof::Code(&form.form.code)
    };
    let error = match auth::prove(&state, &headers, &form.signed_in, proof).await {
        Ok(cookie) => return web::go_with_cookie(&next, &cookie),
        Err(error @ (ApiError::Unauthenticated(..) | ApiError::RateLimited(_))) => error,
        Err(error) => return Err(error),
    };
    let page = ProvePage {
        theme: web::theme(&headers),
        csrf: CsrfField(form.signed_in.csrf),
        problem: Some(error.detail()),
        has_factor: form.signed_in.has_factor,
        email: form.signed_in.email,
        next,
    };
    web::answered(&error, &page)
}
