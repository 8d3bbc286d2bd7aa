//! Lets a device log in: the page shows what it calls itself, where it asks from and the code to compare, and what its key
//! would be good for.

use super::assets;
use super::keys::KeysPage;
use super::moment::Moment;
use super::shell::{CsrfField, Theme};
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::auth::{SignedIn, login};
use crate::error::ApiError;
use crate::extract::{CsrfForm, Query};
use crate::platform;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use devflow_domain::access::Scope;
use devflow_domain::login::Login;
use serde::Deserialize;

/// A device that waits.
pub(crate) struct Device {
    pub(crate) code: String,
    pub(crate) name: String,
    /// Address and country.
    pub(crate) place: String,
    pub(crate) asked: Moment,
    /// What its key may be: value and words, the greatest first; empty where the person's rights are not enough.
    pub(crate) scopes: Vec<(&'static str, &'static str)>,
}

/// How far it is.
pub(crate) enum Stage {
    /// The code is asked for.
    Ask(String),
    /// It is shown, to be decided about.
    Decide(Device),
    /// It was let in, or not.
    Done { name: String, is_in: bool },
}

#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage {
    pub(crate) theme: Theme,
    pub(crate) csrf: CsrfField,
    pub(crate) email: String,
    pub(crate) problem: Option<String>,
    pub(crate) stage: Stage,
}

fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "look, without secrets",
        Scope::Deploy => "look and deploy",
        Scope::Admin => "do all that you may",
    }
}

fn device(login: &Login, scopes: &[Scope]) -> Device {
    let country = login.country.as_deref().map(|country| format!(" · {country}"));
    Device {
        code: login.code.to_string(),
        name: login.name.clone(),
        place: format!("{}{}", login.address, country.unwrap_or_default()),
        asked: Moment::new(login.at, platform::now()),
        scopes: scopes
            .iter()
            .map(|scope| (scope.as_str(), words(*scope)))
            .collect(),
    }
}

/// Which device.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Which {
    code: String,
}

fn page(theme: Theme, signed_in: &SignedIn, problem: Option<String>, stage: Stage) -> DevicePage {
    DevicePage {
        theme,
        csrf: CsrfField(signed_in.csrf.clone()),
        email: signed_in.email.clone(),
        problem,
        stage,
    }
}

/// `GET /device`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let person = &visitor.signed_in;
    if which.code.is_empty() {
        let asked = page(visitor.theme, person, None, Stage::Ask(String::new()));
        return web::html(StatusCode::OK, &asked);
    }
    match login::waiting(&state, person, &which.code).await {
        Ok((login, scopes)) => {
            let decide = Stage::Decide(device(&login, &scopes));
            web::html(StatusCode::OK, &page(visitor.theme, person, None, decide))
        }
        Err(error @ ApiError::NotFound(_)) => {
            let again = Stage::Ask(which.code);
            let shown = page(visitor.theme, person, Some(error.detail()), again);
            web::answered(&error, &shown)
        }
        Err(error) => Err(error),
    }
}

/// What was decided.
#[derive(Deserialize)]
pub(crate) struct Decision {
    code: String,
    answer: Answer,
    scope: Option<Scope>,
    days: Option<u16>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Allow,
    Refuse,
}

/// `POST /device`
#[worker::send]
pub(crate) async fn decide(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Decision>,
) -> Result<Response, ApiError> {
    let (person, given) = (&form.signed_in, &form.form);
    let decided = match (given.answer, given.scope, given.days) {
        (Answer::Allow, Some(scope), Some(days)) => {
            login::allow(&state, person, &given.code, scope, days).await
        }
        (Answer::Allow, ..) => Err(ApiError::invalid(
            "scope",
            "choose what the key may do, and for how long",
        )),
        (Answer::Refuse, ..) => login::refuse(&state, person, &given.code).await,
    };
    let theme = web::theme(&headers);
    match decided {
        Ok(name) => {
            let is_in = matches!(given.answer, Answer::Allow);
            web::html(
                StatusCode::OK,
                &page(theme, person, None, Stage::Done { name, is_in }),
            )
        }
        Err(error @ (ApiError::NotFound(_) | ApiError::Conflict(..) | ApiError::Invalid(_))) => {
            let again = page(
                theme,
                person,
                Some(error.detail()),
                Stage::Ask(given.code.clone()),
            );
            web::answered(&error, &again)
        }
        Err(error) => Err(error),
    }
}
