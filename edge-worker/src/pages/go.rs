//! "Go to": projects, servers, pages and actions by their names. A page of its own for those without a script; the
//! palette (Ctrl-K) fetches it and shows its list.

use super::shell::{Section, Shell};
use super::web::Visitor;
use super::{assets, icon};
use crate::access::Access;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Query;
use crate::store::cards::{self, ProjectCard};
use crate::store::projects::ProjectState;
use crate::store::servers::{self, ServerRow};
use crate::store::{InBatch as _, Statement};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::search;
use devflow_protocol::ProjectId;
use serde::Deserialize;

/// Most projects, and most servers, in the list.
const FOUND: usize = 6;
/// Up to this many projects are listed with what can be done with them.
const WITH_ACTIONS: usize = 2;

/// Something to go to, or to do.
pub(crate) struct Entry {
    pub(crate) icon: icon::Icon,
    pub(crate) name: String,
    /// What it belongs to, such as `Project on web-1`.
    pub(crate) detail: String,
    pub(crate) path: String,
    /// True where the path is posted to: an action.
    pub(crate) acts: bool,
}

#[derive(Template)]
#[template(path = "go.html")]
pub(crate) struct GoPage {
    pub(crate) shell: Shell,
    pub(crate) typed: String,
    pub(crate) entries: Vec<Entry>,
}

/// What was typed, and on which project's pages.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    project: Option<ProjectId>,
}

/// `GET /go`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let typed: String = asked.q.trim().chars().take(100).collect();
    let prefix = search::prefix(&typed);
    let access = &visitor.signed_in.access;
    let open = asked
        .project
        .filter(|project| access.may(Action::SeeProject, Some(project)));
    let answers = match statements(&prefix, open.as_ref(), access) {
        none if none.is_empty() => vec![],
        some => state.db.batch(some).await?,
    };
    let projects: Vec<ProjectCard> = answers.first().rows()?;
    let servers: Vec<ServerRow> = answers.get(1).rows()?;
    let shell = visitor.shell("Go to", Section::Go, None);
    let mut entries: Vec<Entry> = projects.iter().take(FOUND).map(project).collect();
    if projects.len() <= WITH_ACTIONS {
        entries.extend(projects.iter().flat_map(|card| of_project(card, access)));
    }
    entries.extend(servers.iter().take(FOUND).map(server));
    entries.extend(pages(&shell, &typed, access));
    visitor.page(&GoPage {
        shell,
        typed,
        entries,
    })
}

/// What is typed leads to projects and servers; before that, the project whose page is open is at hand.
fn statements(prefix: &str, open: Option<&ProjectId>, access: &Access) -> Vec<Statement> {
    match open {
        _ if !prefix.is_empty() && access.may(Action::SeeServers, None) => vec![
            cards::found(prefix, FOUND, access.visible()),
            servers::named(prefix, FOUND),
        ],
        _ if !prefix.is_empty() => vec![cards::found(prefix, FOUND, access.visible())],
        Some(project) => vec![cards::one(project)],
        None => vec![],
    }
}

fn project(card: &ProjectCard) -> Entry {
    Entry {
        icon: icon::PROJECTS,
        name: card.project.name.clone(),
        detail: format!("Project on {}", card.server_name),
        path: format!("/projects/{}", card.project.id),
        acts: false,
    }
}

/// What can be done with a project, and its pages.
fn of_project(card: &ProjectCard, access: &Access) -> Vec<Entry> {
    let (id, name) = (&card.project.id, &card.project.name);
    let entry = |icon, words: &str, path: &str, acts| Entry {
        icon,
        name: format!("{words} {name}"),
        detail: if acts { "Action" } else { "Page" }.to_owned(),
        path: format!("/projects/{id}{path}"),
        acts,
    };
    let there = card.project.state != ProjectState::Removing;
    let may = |action| there && access.may(action, Some(id));
    let mut entries = Vec::new();
    if may(Action::Deploy) {
        entries.push(entry(icon::DEPLOY, "Deploy", "/deploy", true));
    }
    if card.project.live_deployment.is_some() && may(Action::Operate) {
        let verb = if card.project.state == ProjectState::Stopped {
            "Start"
        } else {
            "Restart"
        };
        entries.push(entry(icon::RESTART, verb, "/restart", true));
    }
    entries.push(entry(icon::KEY, "Environment of", "/environment", false));
    entries.push(entry(icon::INBOX, "Deliveries of", "/deliveries", false));
    entries.push(entry(icon::BELL, "Notifications of", "/endpoints", false));
    entries.push(entry(icon::SYSTEM, "Settings of", "/settings", false));
    entries
}

fn server(row: &ServerRow) -> Entry {
    Entry {
        icon: icon::SERVERS,
        name: row.name.clone(),
        detail: "Server".to_owned(),
        path: format!("/servers/{}", row.id),
        acts: false,
    }
}

/// The pages of the navigation and the two that make something, as far as a word of theirs begins as what was typed.
fn pages(shell: &Shell, typed: &str, access: &Access) -> Vec<Entry> {
    let make = [
        ("New project", "/projects/new", Action::CreateProject),
        ("Add a server", "/servers/new", Action::ManageServers),
        ("Invite somebody", "/people/new", Action::ManagePeople),
    ];
    let make = make
        .into_iter()
        .filter(|(.., action)| access.may(*action, None))
        .map(|(name, path, _)| (icon::ADD, name, path));
    let prefix = search::prefix(typed);
    shell
        .entries()
        .into_iter()
        .filter(|(_, _, _, here)| !here)
        .map(|(icon, name, path, _)| (icon, name, path))
        .chain(make)
        .filter(|(_, name, _)| {
            search::phrases([*name])
                .iter()
                .any(|phrase| phrase.starts_with(&prefix))
        })
        .map(|(icon, name, path)| Entry {
            icon,
            name: name.to_owned(),
            detail: "Page".to_owned(),
            path: path.to_owned(),
            acts: false,
        })
        .collect()
}
