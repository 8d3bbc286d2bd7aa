//! A project's first page: what is live, and the deployments, newest first.

use super::servers::{self, TargetView};
use super::times::{Times, times};
use super::{Head, Tab};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Paging, Query};
use crate::pages::look::{self, Badge};
use crate::pages::moment::{Length, Moment};
use crate::pages::prose::Prose;
use crate::pages::shell::{Mood, Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::{projects, targets};
use crate::store::cards::ProjectCard;
use crate::store::deployments::{self, DeploymentRow, FROM_NEWEST, Kind};
use crate::store::servers::ServerState;
use crate::store::{Page, StoreError};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::deployment::is_running;
use devflow_protocol::ProjectId;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Trigger;
use devflow_protocol::text::Fqdn;
use devflow_protocol::time::UnixMillis;

/// A deployment in a list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    pub(crate) branch: String,
    pub(crate) reason: Option<Prose>,
    /// What or who asked for it.
    pub(crate) by: String,
    pub(crate) took: Option<Length>,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "project/deployments.html")]
pub(crate) struct DeploymentsPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) first_page: bool,
    pub(crate) live: Option<String>,
    pub(crate) live_commit: String,
    pub(crate) branch: String,
    pub(crate) repository: String,
    pub(crate) domains: String,
    pub(crate) processes: String,
    /// Says that deployments wait, and for what.
    pub(crate) waiting: Option<String>,
    /// Its servers, where there are several.
    pub(crate) targets: Vec<TargetView>,
    pub(crate) times: Option<Times>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

/// What a deployment is called: its commit's subject, or what is known instead.
pub(crate) fn subject(row: &DeploymentRow) -> String {
    let commit = row.subject.clone().filter(|subject| !subject.is_empty());
    let commit = commit.unwrap_or_else(|| format!("The tip of {}", row.ref_name.short()));
    match row.kind {
        Kind::Deploy => commit,
        Kind::Rollback => format!("Back to: {commit}"),
    }
}

/// What asked for a deployment.
pub(crate) fn asked_by(row: &DeploymentRow) -> &'static str {
    match (row.kind, row.trigger_kind) {
        (Kind::Rollback, _) => "rollback",
        (Kind::Deploy, Trigger::Push) => "push",
        (Kind::Deploy, Trigger::Manual) => "by hand",
        (Kind::Deploy, Trigger::Replay) => "replayed delivery",
        (Kind::Deploy, Trigger::Found) => "found in the repository",
    }
}

fn list_row(row: &DeploymentRow, now: UnixMillis) -> Row {
    let took = row
        .started_at
        .zip(row.finished_at)
        .map(|(from, to)| Length(to.since(from)));
    let author = row
        .author
        .as_ref()
        .filter(|author| !author.is_empty() && matches!(row.trigger_kind, Trigger::Push | Trigger::Found));
    Row {
        id: row.id.to_string(),
        badge: look::deployment(row.state),
        subject: subject(row),
        commit: row.commit_sha.as_ref().map(|commit| commit.short().to_owned()),
        branch: row.ref_name.short().to_owned(),
        reason: row.reason.clone().map(Prose),
        by: author.map_or_else(|| asked_by(row).to_owned(), |author| format!("push by {author}")),
        took,
        when: Moment::new(row.finished_at.unwrap_or(row.queued_at), now),
    }
}

fn waiting(card: &ProjectCard, rows: &[DeploymentRow]) -> Option<String> {
    let queued = rows
        .iter()
        .filter(|row| row.state == DeploymentState::Queued)
        .count();
    if queued == 0 {
        return None;
    }
    Some(if rows.iter().any(|row| is_running(row.state)) {
        format!("{queued} waiting for the one that runs")
    } else if card.project.further_servers > 0 {
        format!("{queued} waiting for its servers")
    } else if card.server_state == ServerState::Missing {
        format!("{queued} waiting for {} to come back", card.server_name)
    } else {
        format!("{queued} waiting for {}", card.server_name)
    })
}

/// `GET /projects/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(paging): Query<Paging>,
) -> Result<Response, ApiError> {
    let card = projects::card(&state, &id).await?;
    let first_page = paging.cursor.is_none();
    let before = paging.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<DeploymentRow> = state.db.all(deployments::of_project(&id, before)).await?;
    let page = Page::new(rows, |row| row.id.to_string());
    let live = match card.project.live_deployment.as_ref().filter(|_| first_page) {
        None => None,
        Some(live) => match page.items.iter().find(|row| row.id == *live) {
            Some(row) => Some(row.clone()),
            None => state.db.first(deployments::by_id(live)).await?,
        },
    };
    let mut view = view(&visitor, &card, live.as_ref(), &page, first_page)?;
    if card.project.further_servers > 0 && first_page {
        view.targets = servers::views(&targets::of(&state, &id).await?);
    }
    visitor.page(&view)
}

fn view(
    visitor: &Visitor,
    card: &ProjectCard,
    live: Option<&DeploymentRow>,
    page: &Page<DeploymentRow>,
    first_page: bool,
) -> Result<DeploymentsPage, StoreError> {
    let (now, id) = (platform::now(), &card.project.id);
    let project = Head::new(card, Some(Tab::Deployments), &visitor.signed_in.access)?;
    let spec = card.project.settings()?.to_spec(card.project.slug.clone());
    let names: Vec<&str> = spec.web.domains.iter().map(Fqdn::as_str).collect();
    let processes: Vec<String> = spec
        .processes
        .iter()
        .map(|process| {
            if process.count > 1 {
                format!("{} × {}", process.name, process.count)
            } else {
                process.name.to_string()
            }
        })
        .collect();
    let mut shell = visitor.shell(
        format!("{}: {}", project.name, project.badge.word),
        Section::Projects,
        Some(super::topic(id)),
    );
    shell.mood = match card.last_state {
        Some(state) if is_running(state) => Mood::Busy,
        _ if card.failing != 0 => Mood::Failed,
        _ => Mood::Calm,
    };
    Ok(DeploymentsPage {
        shell,
        first_page,
        live: live.map(|row| row.id.to_string()),
        live_commit: live
            .and_then(|row| row.commit_sha.as_ref())
            .map_or_else(|| "release".to_owned(), |commit| commit.short().to_owned()),
        branch: card.project.ref_name.short().to_owned(),
        repository: spec.repository.to_string(),
        domains: names.join(", "),
        processes: if processes.is_empty() {
            "web only".to_owned()
        } else {
            processes.join(", ")
        },
        targets: vec![],
        times: times(&page.items, &spec).filter(|_| first_page),
        waiting: waiting(card, &page.items),
        rows: page.items.iter().map(|row| list_row(row, now)).collect(),
        next: page
            .next
            .as_ref()
            .map(|next| web::query(&format!("/projects/{id}"), &[("cursor", next)])),
        project,
    })
}
