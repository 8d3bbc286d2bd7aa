//! One's own passkeys: adding one, giving it a name, taking it away.

use super::second::codes_page;
use crate::app::AppState;
use crate::auth::{Answer, device_name, passkeys};
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::moment::Moment;
use crate::pages::project::actions::Press;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use crate::store::passkeys::PasskeyRow;
use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::passkey::{MAX_KEYS, NAME_CHARS};
use devflow_protocol::{PasskeyId, UnixMillis};
use serde::Deserialize;
use serde_json::Value;

const PATH: &str = "/account/passkeys";

/// A passkey.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it is good for, and where it is kept.
    pub(crate) kind: String,
    pub(crate) added: Moment,
    pub(crate) used: Option<Moment>,
}

#[derive(Template)]
#[template(path = "account/passkeys.html")]
pub(crate) struct PasskeysPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    /// True where browsers offer passkeys for this installation.
    pub(crate) possible: bool,
    /// True where one is the person's first factor.
    pub(crate) first: bool,
    /// The name that is proposed, or was typed.
    pub(crate) name: String,
    pub(crate) problem: Option<String>,
}

impl PasskeysPage {
    fn full(&self) -> bool {
        self.rows.len() >= MAX_KEYS
    }

    const fn name_chars() -> usize {
        NAME_CHARS
    }
}

fn row(row: PasskeyRow, now: UnixMillis) -> Row {
    let good_for = if row.is_enough() {
        "signs you in alone"
    } else {
        "follows your password"
    };
    let kept = if row.backed_up != 0 {
        "copied to your devices"
    } else {
        "on one device only"
    };
    Row {
        id: row.id.to_string(),
        name: row.name,
        kind: format!("{good_for} · {kept}"),
        added: Moment::new(row.created_at, now),
        used: row.used_at.map(|at| Moment::new(at, now)),
    }
}

async fn page(
    state: &AppState,
    visitor: &Visitor,
    name: String,
    problem: Option<String>,
) -> Result<PasskeysPage, ApiError> {
    let now = platform::now();
    let rows = passkeys::list(state, &visitor.signed_in).await?;
    Ok(PasskeysPage {
        shell: visitor.shell("Passkeys", Section::Account, None),
        rows: rows.into_iter().map(|passkey| row(passkey, now)).collect(),
        possible: passkeys::are_possible(state),
        first: !visitor.signed_in.has_factor,
        name,
        problem,
    })
}

/// `GET /account/passkeys`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    headers: HeaderMap,
    visitor: Visitor,
) -> Result<Response, ApiError> {
    let page = page(&state, &visitor, device_name(&headers), None).await?;
    visitor.page(&page)
}

/// `POST /account/passkeys/options`
#[worker::send]
pub(crate) async fn options(
    State(state): State<AppState>,
    form: CsrfForm<Press>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(passkeys::ask_new(&state, &form.signed_in).await?))
}

/// A new passkey.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
    #[serde(flatten)]
    answer: Answer,
}

/// `POST /account/passkeys`
#[worker::send]
pub(crate) async fn add(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<New>,
) -> Result<Response, ApiError> {
    let New { name, answer } = form.form;
    match passkeys::add(&state, form.signed_in.clone(), &name, &answer).await {
        Ok(added) => {
            let mut response = match added.codes {
                Some(codes) => codes_page(added.signed_in, &headers, codes)?,
                None => web::done(Ok(()), PATH, |()| {
                    format!("“{}” is one of your passkeys now.", name.trim())
                })?,
            };
            web::set_cookie(&mut response, &added.cookie)?;
            Ok(response)
        }
        Err(error @ (ApiError::Invalid(_) | ApiError::Conflict(..) | ApiError::Unauthenticated(..))) => {
            let visitor = Visitor::new(form.signed_in, &headers, PATH);
            web::refused(&page(&state, &visitor, name, Some(web::wrong(&error))).await?)
        }
        Err(error) => Err(error),
    }
}

/// Another name.
#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// `POST /account/passkeys/{id}/rename`
#[worker::send]
pub(crate) async fn rename(
    State(state): State<AppState>,
    Id(id): Id<PasskeyId>,
    form: CsrfForm<Name>,
) -> Result<Response, ApiError> {
    let renamed = passkeys::rename(&state, &form.signed_in, &id, |_| Ok(()), &form.form.name).await;
    web::done(renamed, PATH, |row| format!("It is called “{}” now.", row.name))
}

/// `POST /account/passkeys/{id}/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<PasskeyId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let removed = passkeys::remove(&state, &form.signed_in, &id).await;
    web::done(removed, PATH, |()| {
        "The passkey signs nobody in any more. Delete it on your device, too.".to_owned()
    })
}
