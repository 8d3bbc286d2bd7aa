//! What ended elsewhere since a page was made: notes that the page's script lets pop up.

use super::look::{self, Tone};
use super::prose::Prose;
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Query;
use crate::platform;
use crate::store::dashboard::{self, EndedRow};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// No page looks further back than this, in milliseconds: what is older is no news.
const NEWS_MS: i64 = 5 * 60_000;

/// A deployment that ended.
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) project_name: String,
    /// Its state in running text, such as `live`.
    pub(crate) word: String,
    pub(crate) good: bool,
    pub(crate) reason: Option<Prose>,
}

#[derive(Template)]
#[template(path = "happened.html")]
pub(crate) struct Happened {
    pub(crate) notes: Vec<Note>,
    /// From when on to ask the next time.
    pub(crate) until: UnixMillis,
}

/// Since when.
#[derive(Deserialize)]
pub(crate) struct Since {
    since: i64,
}

/// `GET /happened`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Since>,
) -> Result<Response, ApiError> {
    let now = platform::now();
    let since = UnixMillis(asked.since).max(now.plus(-NEWS_MS));
    let visible = visitor.signed_in.access.visible();
    let rows: Vec<EndedRow> = state.db.all(dashboard::ended_since(since, visible)).await?;
    let page = Happened {
        notes: rows.into_iter().map(note).collect(),
        until: now,
    };
    web::html(StatusCode::OK, &page)
}

fn note(row: EndedRow) -> Note {
    let badge = look::deployment(row.state);
    Note {
        id: row.id.to_string(),
        project: row.project.to_string(),
        project_name: row.project_name,
        word: badge.word.to_lowercase(),
        good: badge.tone == Tone::Good,
        reason: row.reason.map(Prose),
    }
}
