//! Another password.

use crate::app::AppState;
use crate::auth::account;
use crate::error::ApiError;
use crate::extract::CsrfForm;
use crate::pages::assets;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "account/password.html")]
pub(crate) struct PasswordPage {
    pub(crate) shell: Shell,
    pub(crate) email: String,
    pub(crate) problem: Option<String>,
}

fn page(visitor: &Visitor, problem: Option<String>) -> PasswordPage {
    PasswordPage {
        shell: visitor.shell("Change your password", Section::Account, None),
        email: visitor.signed_in.email.clone(),
        problem,
    }
}

/// `GET /account/password`
#[worker::send]
pub(crate) async fn show(visitor: Visitor) -> Result<Response, ApiError> {
    visitor.page(&page(&visitor, None))
}

/// The new password.
#[derive(Deserialize)]
pub(crate) struct NewPassword {
    password: String,
}

/// `POST /account/password`
#[worker::send]
pub(crate) async fn change(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<NewPassword>,
) -> Result<Response, ApiError> {
    match account::change_password(&state, &form.signed_in, &form.form.password).await {
        Ok(cookie) => {
            let mut response = web::done(Ok(()), "/account", |()| {
                "Your password is changed, and you are signed out everywhere else.".to_owned()
            })?;
            web::set_cookie(&mut response, &cookie)?;
            Ok(response)
        }
        Err(error @ ApiError::Invalid(_)) => {
            let visitor = Visitor::new(form.signed_in, &headers, "/account/password");
            web::refused(&page(&visitor, Some(web::wrong(&error))))
        }
        Err(error) => Err(error),
    }
}
