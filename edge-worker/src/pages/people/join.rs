//! Accepting an invitation.

use crate::app::AppState;
use crate::auth;
use crate::error::ApiError;
use crate::extract::{Query, form};
use crate::pages::assets;
use crate::pages::shell::Theme;
use crate::pages::web;
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "people/join.html")]
pub(crate) struct JoinPage {
    pub(crate) theme: Theme,
    pub(crate) email: String,
    pub(crate) token: String,
    pub(crate) problem: Option<String>,
}

/// The invitation's token.
#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    token: String,
}

/// `GET /join?token=…`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(token): Query<Token>,
) -> Result<Response, ApiError> {
    let invitation = auth::invitation(&state, &token.token).await?;
    let page = JoinPage {
        theme: web::theme(&headers),
        email: invitation.email,
        token: token.token,
        problem: None,
    };
    web::html(StatusCode::OK, &page)
}

/// What makes the account.
#[derive(Deserialize)]
struct Accept {
    token: String,
    password: String,
}

/// `POST /join`
#[worker::send]
pub(crate) async fn accept(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (headers, accept): (HeaderMap, Accept) = form(request).await?;
    match auth::join(&state, &headers, &accept.token, &accept.password).await {
        Ok(cookies) => web::enter("/", &cookies),
        Err(error @ ApiError::Invalid(_)) => {
            let invitation = auth::invitation(&state, &accept.token).await?;
            web::refused(&JoinPage {
                theme: web::theme(&headers),
                email: invitation.email,
                token: accept.token,
                problem: Some(web::wrong(&error)),
            })
        }
        Err(error) => Err(error),
    }
}
