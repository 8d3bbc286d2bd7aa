//! API keys: made, shown once, rotated, revoked.

use super::look::{Badge, Tone};
use super::moment::Moment;
use super::shell::{Section, Shell};
use super::web::{self, Visitor};
use super::{assets, icon};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::platform;
use crate::service::keys::{self, Made, Wanted};
use crate::store::keys::KeyRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Scope;
use devflow_domain::api_key::{self, DEFAULT_DAYS, Standing, standing};
use devflow_domain::moment::calendar;
use devflow_protocol::{ApiKeyId, UnixMillis};
use serde::Deserialize;

/// A key.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What it may be used for, and where.
    pub(crate) reach: String,
    pub(crate) made: Moment,
    pub(crate) used: Option<Moment>,
    /// How it stands, where that is worth a word.
    pub(crate) badge: Option<Badge>,
    /// The day on which it ends.
    pub(crate) ends: Option<String>,
}

#[derive(Template)]
#[template(path = "keys.html")]
pub(crate) struct KeysPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    /// The key that was just made.
    pub(crate) made: Option<String>,
}

impl KeysPage {
    /// What a key may be made to last, in days, and whether that is proposed.
    pub(super) fn lifetimes() -> [(u16, bool); 5] {
        [7, 30, 90, 180, api_key::MAX_DAYS].map(|days| (days, days == DEFAULT_DAYS))
    }
}

/// What a scope allows.
fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "looks",
        Scope::Deploy => "looks and deploys",
        Scope::Admin => "does all that you may",
    }
}

fn row(row: KeyRow, now: UnixMillis) -> Row {
    let badge = match standing(row.expires_at, now) {
        Standing::Good => None,
        Standing::EndsSoon => Some(Badge {
            tone: Tone::Warn,
            word: "Ends soon",
        }),
        Standing::Over => Some(Badge {
            tone: Tone::Bad,
            word: "Over",
        }),
    };
    let whereto = if row.projects.is_none() {
        "all projects".to_owned()
    } else {
        let names = row.project_names();
        if names.is_empty() {
            "projects that are gone".to_owned()
        } else {
            names.join(", ")
        }
    };
    Row {
        reach: format!("{}: {whereto}", scope(row.scope)),
        id: row.id.to_string(),
        name: row.name,
        made: Moment::new(row.created_at, now),
        used: row.used_at.map(|at| Moment::new(at, now)),
        badge,
        ends: row.expires_at.map(|at| calendar(at).0),
    }
}

async fn view(state: &AppState, visitor: &Visitor, made: Option<String>) -> Result<KeysPage, ApiError> {
    let now = platform::now();
    let rows = keys::list(state, &visitor.signed_in).await?;
    Ok(KeysPage {
        shell: visitor.shell("API keys", Section::Keys, None),
        rows: rows.into_iter().map(|key| row(key, now)).collect(),
        made,
    })
}

/// `GET /keys`
#[worker::send]
pub(crate) async fn list(State(state): State<AppState>, visitor: Visitor) -> Result<Response, ApiError> {
    let page = view(&state, &visitor, None).await?;
    visitor.page(&page)
}

/// Shows a key that was made, this once; or goes back and says why it was not.
async fn told(
    state: &AppState,
    headers: &HeaderMap,
    signed_in: crate::auth::SignedIn,
    made: Result<Made, ApiError>,
) -> Result<Response, ApiError> {
    match made {
        Ok(made) => {
            let visitor = Visitor::new(signed_in, headers, "/keys");
            let page = view(state, &visitor, Some(made.token)).await?;
            visitor.page(&page)
        }
        Err(error) => web::done::<()>(Err(error), "/keys", |()| String::new()),
    }
}

/// A key to make.
#[derive(Deserialize)]
pub(crate) struct NewKey {
    name: String,
    scope: Scope,
    days: u16,
    /// Slugs; empty for all.
    #[serde(default)]
    projects: String,
}

async fn make(state: &AppState, signed_in: &crate::auth::SignedIn, new: NewKey) -> Result<Made, ApiError> {
    let wanted = Wanted {
        name: new.name,
        scope: new.scope,
        days: Some(new.days),
        projects: keys::projects_of(state, signed_in, &new.projects).await?,
    };
    keys::create(state, signed_in, &wanted).await
}

/// `POST /keys`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<NewKey>,
) -> Result<Response, ApiError> {
    let made = make(&state, &form.signed_in, form.form).await;
    told(&state, &headers, form.signed_in, made).await
}

/// How a key is rotated.
#[derive(Deserialize)]
pub(crate) struct Rotation {
    overlap_hours: u16,
}

/// `POST /keys/{id}/rotate`
#[worker::send]
pub(crate) async fn rotate(
    State(state): State<AppState>,
    Id(id): Id<ApiKeyId>,
    headers: HeaderMap,
    form: CsrfForm<Rotation>,
) -> Result<Response, ApiError> {
    let hours = Some(form.form.overlap_hours);
    let made = keys::rotate(&state, &form.signed_in, &id, None, hours).await;
    told(&state, &headers, form.signed_in, made).await
}

/// `POST /keys/{id}/revoke`
#[worker::send]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Id(id): Id<ApiKeyId>,
    form: CsrfForm<super::project::actions::Press>,
) -> Result<Response, ApiError> {
    let revoked = keys::revoke(&state, &form.signed_in, &id).await;
    web::done(revoked, "/keys", |()| "The key is revoked.".to_owned())
}
