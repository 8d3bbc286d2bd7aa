//! API keys: made, shown once, revoked.

use super::moment::Moment;
use super::shell::{Section, Shell};
use super::web::{self, Visitor};
use super::{assets, icon};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::platform;
use crate::service::keys;
use crate::store::dashboard::{self, KeyRow};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_protocol::ApiKeyId;
use serde::Deserialize;

/// A key.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) made: Moment,
}

#[derive(Template)]
#[template(path = "keys.html")]
pub(crate) struct KeysPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    /// The key that was just made.
    pub(crate) made: Option<String>,
}

async fn view(state: &AppState, visitor: &Visitor, made: Option<String>) -> Result<KeysPage, ApiError> {
    let now = platform::now();
    let rows: Vec<KeyRow> = state.db.all(dashboard::keys(&visitor.signed_in.user)).await?;
    let row = |row: KeyRow| Row {
        id: row.id.to_string(),
        name: row.name,
        made: Moment::new(row.created_at, now),
    };
    Ok(KeysPage {
        shell: visitor.shell("API keys", Section::Keys, None),
        rows: rows.into_iter().map(row).collect(),
        made,
    })
}

/// `GET /keys`
#[worker::send]
pub(crate) async fn list(State(state): State<AppState>, visitor: Visitor) -> Result<Response, ApiError> {
    let page = view(&state, &visitor, None).await?;
    visitor.page(&page)
}

/// A key to make.
#[derive(Deserialize)]
pub(crate) struct NewKey {
    name: String,
}

/// `POST /keys`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<NewKey>,
) -> Result<Response, ApiError> {
    match keys::create(&state, &form.signed_in, &form.form.name).await {
        Ok(key) => {
            let visitor = Visitor::new(form.signed_in, &headers, "/keys");
            let page = view(&state, &visitor, Some(key)).await?;
            visitor.page(&page)
        }
        Err(error) => web::done::<()>(Err(error), "/keys", |()| String::new()),
    }
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
