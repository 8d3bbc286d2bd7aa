//! The pages before sign-in: set-up and sign-in.

use super::assets;
use super::project::actions::Press;
use super::shell::Theme;
use super::web;
use crate::app::AppState;
use crate::auth::second::{self, Asked};
use crate::auth::{self, Entered, SignedIn, passkeys};
use crate::error::ApiError;
use crate::extract::{CsrfForm, Query, form};
use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage {
    pub(crate) theme: Theme,
    pub(crate) problem: Option<String>,
    pub(crate) email: String,
    /// A passkey will do.
    pub(crate) passkeys: bool,
    /// Where to go after signing in: a path of this site.
    pub(crate) next: String,
}

/// Asks for the factor that follows the password.
#[derive(Template)]
#[template(path = "sign_in_code.html")]
pub(crate) struct CodePage {
    pub(crate) theme: Theme,
    pub(crate) problem: Option<String>,
    pub(crate) asked: Asked,
    pub(crate) next: String,
}

#[derive(Template)]
#[template(path = "set_up.html")]
pub(crate) struct SetUpPage {
    pub(crate) theme: Theme,
    pub(crate) problem: Option<String>,
    pub(crate) email: String,
    pub(crate) token: String,
}

/// The owner's first key, shown once.
#[derive(Template)]
#[template(path = "set_up_done.html")]
struct SetUpDonePage {
    theme: Theme,
    key: String,
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// `GET /sign-in`
#[worker::send]
pub(crate) async fn sign_in(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(next): Query<Next>,
) -> Result<Response, ApiError> {
    let next = web::back_or(next.next.as_deref(), "/");
    if SignedIn::of(&state, &headers).await?.is_some() {
        return Ok(web::go(&next));
    }
    let page = SignInPage {
        theme: web::theme(&headers),
        problem: None,
        passkeys: passkeys::are_possible(&state),
        email: String::new(),
        next,
    };
    web::html(StatusCode::OK, &page)
}

/// What a person signs in with.
#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
    next: Option<String>,
}

/// `POST /sign-in`
#[worker::send]
pub(crate) async fn enter(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let (headers, credentials): (HeaderMap, Credentials) = form(request).await?;
    let next = web::back_or(credentials.next.as_deref(), "/");
    let error = match auth::sign_in(&state, &headers, &credentials.email, &credentials.password).await {
        Ok(Entered::In(cookies)) => return web::enter(&next, &cookies),
        Ok(Entered::FactorNeeded(asked)) => {
            let page = CodePage {
                theme: web::theme(&headers),
                problem: None,
                asked,
                next,
            };
            return web::html(StatusCode::OK, &page);
        }
        Err(error @ (ApiError::Unauthenticated(..) | ApiError::RateLimited(_))) => error,
        Err(error) => return Err(error),
    };
    let page = SignInPage {
        theme: web::theme(&headers),
        problem: Some(error.detail()),
        passkeys: passkeys::are_possible(&state),
        email: credentials.email,
        next,
    };
    web::answered(&error, &page)
}

/// What follows the password.
#[derive(Deserialize)]
struct SecondStep {
    step: String,
    code: String,
    next: Option<String>,
}

/// `POST /sign-in/code`
#[worker::send]
pub(crate) async fn enter_code(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, form): (HeaderMap, SecondStep) = form(request).await?;
    let next = web::back_or(form.next.as_deref(), "/");
    let error = match second::finish(&state, &headers, &form.step, &form.code).await {
        Ok(cookies) => return web::enter(&next, &cookies),
        Err(error @ (ApiError::Unauthenticated(..) | ApiError::RateLimited(_))) => error,
        Err(error) => return Err(error),
    };
    again(&state, &headers, &error, Some(form.step), next).await
}

/// Asks again after `error`: for the factor, while the first step counts, else from the beginning.
pub(super) async fn again(
    state: &AppState,
    headers: &HeaderMap,
    error: &ApiError,
    step: Option<String>,
    next: String,
) -> Result<Response, ApiError> {
    let (theme, problem) = (web::theme(headers), Some(error.detail()));
    if let Some(step) = step {
        match second::again(state, step).await {
            Ok(asked) => {
                let page = CodePage {
                    theme,
                    problem,
                    asked,
                    next,
                };
                return web::html(error.status(), &page);
            }
            Err(ApiError::Unauthenticated(..)) => {}
            Err(other) => return Err(other),
        }
    }
    let page = SignInPage {
        theme,
        problem,
        passkeys: passkeys::are_possible(state),
        email: String::new(),
        next,
    };
    web::answered(error, &page)
}

/// `POST /sign-out`
#[worker::send]
pub(crate) async fn leave(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let cookie = auth::sign_out(&state, &form.signed_in).await?;
    web::go_with_cookie("/sign-in", &cookie)
}

/// The set-up token.
#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(default)]
    token: String,
}

/// `GET /set-up?token=…`
#[worker::send]
pub(crate) async fn set_up(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(token): Query<Token>,
) -> Result<Response, ApiError> {
    auth::check_setup(&state, &token.token).await?;
    let page = SetUpPage {
        theme: web::theme(&headers),
        problem: None,
        email: String::new(),
        token: token.token,
    };
    web::html(StatusCode::OK, &page)
}

/// `POST /set-up`
#[worker::send]
pub(crate) async fn make_owner(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, ApiError> {
    let (headers, setup): (HeaderMap, auth::SetUp) = form(request).await?;
    let theme = web::theme(&headers);
    let made = match auth::set_up(&state, &setup).await {
        Ok(made) => made,
        Err(error @ ApiError::Invalid(_)) => {
            let page = SetUpPage {
                theme,
                problem: Some(error.detail()),
                email: setup.email,
                token: setup.token,
            };
            return web::answered(&error, &page);
        }
        Err(error) => return Err(error),
    };
    let cookies = auth::start_session(&state, &headers, &made.user).await?;
    let mut response = web::html(
        StatusCode::CREATED,
        &SetUpDonePage {
            theme,
            key: made.api_key,
        },
    )?;
    for cookie in &cookies {
        web::set_cookie(&mut response, cookie)?;
    }
    Ok(response)
}

/// The theme to keep.
#[derive(Deserialize)]
pub(crate) struct Choice {
    theme: String,
    back: Option<String>,
}

/// `POST /theme`
#[worker::send]
pub(crate) async fn choose_theme(form: CsrfForm<Choice>) -> Result<Response, ApiError> {
    let theme = Theme::from_name(&form.form.theme).unwrap_or_default();
    web::go_with_cookie(
        &web::back_or(form.form.back.as_deref(), "/"),
        &web::theme_cookie(theme),
    )
}
