//! The overview: counts, and a card for each project.

use super::look::{self, Badge};
use super::moment::Moment;
use super::project;
use super::shell::{Mood, Section, Shell};
use super::web::Visitor;
use super::{assets, icon};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Query;
use crate::platform;
use crate::service::FLEET;
use crate::store::dashboard::{self, Counts};
use crate::store::projects::{ProjectCard, ProjectState};
use crate::store::servers::ServerState;
use crate::store::{Page, StoreError};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// The newest deployment of a project.
pub(crate) struct Last {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    /// Its state in running text, such as `live`.
    pub(crate) word: String,
    pub(crate) when: Moment,
}

/// A project at a glance.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
pub(crate) struct Card {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) domain: Option<String>,
    /// Framework and PHP version.
    pub(crate) kind: String,
    pub(crate) server: String,
    pub(crate) server_missing: bool,
    pub(crate) branch: String,
    pub(crate) last: Option<Last>,
    /// True where a release is there that can be started and stopped.
    pub(crate) can_run: bool,
    pub(crate) stopped: bool,
    pub(crate) removing: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
pub(crate) struct OverviewPage {
    pub(crate) shell: Shell,
    pub(crate) counts: Counts,
    pub(crate) cards: Vec<Card>,
    pub(crate) search: String,
    pub(crate) next: Option<String>,
}

/// How far back the count of failures looks, in milliseconds.
const FAILED_WITHIN_MS: i64 = 24 * 3_600_000;

/// What is looked for, and where the page begins.
#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

/// `GET /`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(search): Query<Search>,
) -> Result<Response, ApiError> {
    let now = platform::now();
    let text: String = search.q.trim().chars().take(100).collect();
    let after = search.cursor.unwrap_or_default();
    let visible = visitor.signed_in.access.visible();
    let answers = state
        .db
        .batch(vec![
            dashboard::counts(now.plus(-FAILED_WITHIN_MS), visible.clone()),
            dashboard::cards_matching(&after, &text, visible),
        ])
        .await?;
    let counts = answers
        .first()
        .map(crate::store::Answer::first)
        .transpose()?
        .flatten()
        .unwrap_or_default();
    let rows: Vec<ProjectCard> = answers
        .get(1)
        .map(crate::store::Answer::rows)
        .transpose()?
        .unwrap_or_default();
    let page = Page::new(rows, |card| card.project.slug.to_string());
    let cards: Vec<Card> = page
        .items
        .iter()
        .map(|row| card(row, now))
        .collect::<Result<_, _>>()?;
    let mut shell = visitor.shell(title(&counts), Section::Projects, Some(FLEET.to_owned()));
    shell.mood = mood(&counts);
    visitor.page(&OverviewPage {
        shell,
        counts,
        cards,
        next: page
            .next
            .map(|cursor| super::web::query("/", &[("q", &text), ("cursor", &cursor)])),
        search: text,
    })
}

fn title(counts: &Counts) -> String {
    match counts.running {
        0 => "Projects".to_owned(),
        running => format!("({running} deploying) Projects"),
    }
}

fn mood(counts: &Counts) -> Mood {
    if counts.running > 0 {
        Mood::Busy
    } else {
        Mood::Calm
    }
}

fn card(row: &ProjectCard, now: UnixMillis) -> Result<Card, StoreError> {
    let settings = row.project.settings()?;
    let branch = row.project.ref_name.short().to_owned();
    let last = row
        .last_deployment
        .as_ref()
        .zip(row.last_state)
        .map(|(id, state)| Last {
            id: id.to_string(),
            subject: row
                .last_subject
                .clone()
                .unwrap_or_else(|| format!("The tip of {branch}")),
            commit: row.last_commit.as_ref().map(|commit| commit.short().to_owned()),
            word: look::deployment(state).word.to_lowercase(),
            when: Moment::new(row.last_finished_at.or(row.last_queued_at).unwrap_or(now), now),
        });
    Ok(Card {
        id: row.project.id.to_string(),
        name: row.project.name.clone(),
        badge: project::badge(row),
        domain: settings.domains.first().map(ToString::to_string),
        kind: project::kind(&settings),
        server: row.server_name.clone(),
        server_missing: row.server_state == ServerState::Missing,
        branch,
        last,
        can_run: row.project.live_deployment.is_some(),
        stopped: row.project.state == ProjectState::Stopped,
        removing: row.project.state == ProjectState::Removing,
    })
}
