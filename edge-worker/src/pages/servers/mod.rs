//! Servers: the list, and one server. Adding one is in [`super::enrolment`].

pub(crate) mod actions;
pub(crate) mod list;
pub(crate) mod load;

use self::load::{Meter, cores, size};
use super::look::{self, Badge, ProjectFacts};
use super::moment::{self, Moment};
use super::shell::{Section, Shell};
use super::web::{self, Visitor};
use super::{assets, icon};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::hub::Contact;
use crate::platform;
use crate::service::{FLEET, releases, servers, updates};
use crate::store::dashboard::{self, OpenJob, ServerProject};
use crate::store::projects::read_settings;
use crate::store::servers::{ServerRow, ServerState};
use crate::store::{InBatch as _, StoreError, jobs};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::ServerFacts;
use devflow_protocol::time::UnixMillis;
use devflow_protocol::{JobId, ServerId};
use serde::Deserialize;

/// A project on a server.
pub(crate) struct ProjectRow {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) name: String,
    pub(crate) domain: String,
}

/// A job of a server.
pub(crate) struct JobRow {
    pub(crate) badge: Badge,
    pub(crate) verb: String,
    pub(crate) detail: String,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "server.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
pub(crate) struct ServerPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) pending: bool,
    pub(crate) missing: bool,
    pub(crate) may_manage: bool,
    pub(crate) may_ping: bool,
    /// Since when nothing new is deployed here.
    pub(crate) draining: Option<Moment>,
    /// What happened at `since_when`, such as `Came online`.
    pub(crate) since: &'static str,
    pub(crate) since_when: Moment,
    /// When it was heard of last, where that is known.
    pub(crate) heard: Option<Moment>,
    /// When an answer reached it last, as its runner said.
    pub(crate) answered: Option<Moment>,
    pub(crate) meters: Vec<Meter>,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) deploy_key: Option<String>,
    pub(crate) projects: Vec<ProjectRow>,
    /// Short names of projects that are on the machine and not known here.
    pub(crate) unknown: Vec<String>,
    /// The address of all projects, where these are only the first.
    pub(crate) all_projects: Option<String>,
    pub(crate) jobs: Vec<JobRow>,
    /// How the connection test or update that was just asked for went.
    pub(crate) test: Option<String>,
    /// The newer version of the runner that is published here.
    pub(crate) newer: Option<String>,
}

fn facts(row: &ServerRow) -> Option<ServerFacts> {
    serde_json::from_str(row.facts.as_deref()?).ok()
}

/// The connection test to tell about.
#[derive(Deserialize)]
pub(crate) struct Test {
    test: Option<String>,
}

/// `GET /servers/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ServerId>,
    Query(test): Query<Test>,
) -> Result<Response, ApiError> {
    let row = servers::get(&state, &id).await?;
    let answers = state
        .db
        .batch(vec![
            dashboard::projects_of_server(&id),
            dashboard::open_jobs(&id),
        ])
        .await?;
    let projects: Vec<ServerProject> = answers.first().rows()?;
    let open: Vec<OpenJob> = answers.get(1).rows()?;
    let job = match test.test.and_then(|text| text.parse::<JobId>().ok()) {
        Some(job) => state
            .db
            .first::<jobs::JobRow>(jobs::by_id(&job))
            .await?
            .filter(|job| job.server == id),
        None => None,
    };
    let contact = state.hub().contacts(&[&id]).await.remove(id.as_str());
    let known = Known {
        projects: &projects,
        open: &open,
        contact,
    };
    let mut page = view(&visitor, &row, &known, job.as_ref())?;
    if page.may_manage {
        page.newer = newer(&state, &row).await?;
    }
    page.facts.extend(job_key(&state, &row));
    visitor.page(&page)
}

/// What is known of a server beside its row.
struct Known<'a> {
    projects: &'a [ServerProject],
    open: &'a [OpenJob],
    contact: Option<Contact>,
}

fn view(
    visitor: &Visitor,
    row: &ServerRow,
    known: &Known<'_>,
    test: Option<&jobs::JobRow>,
) -> Result<ServerPage, StoreError> {
    let now = platform::now();
    let (badge, facts) = (look::server(row.state), facts(row));
    let contact = known.contact.as_ref();
    // What a silent server said before is no news.
    let load = contact.filter(|_| row.state == ServerState::Online);
    let cpus = facts.as_ref().map_or(1, |facts| facts.cpus);
    let projects = known.projects;
    let projects = projects.iter().map(project_row).collect::<Result<Vec<_>, _>>()?;
    Ok(ServerPage {
        shell: visitor.shell(
            format!("{}: {}", row.name, badge.word),
            Section::Servers,
            Some(FLEET.to_owned()),
        ),
        id: row.id.to_string(),
        name: row.name.clone(),
        badge,
        pending: row.state == ServerState::Pending,
        missing: row.state == ServerState::Missing,
        may_manage: visitor.signed_in.access.may(Action::ManageServers, None),
        may_ping: visitor.signed_in.access.may(Action::PingServer, None),
        draining: row.draining_since.map(|since| Moment::new(since, now)),
        since: match row.state {
            ServerState::Pending => "Added",
            ServerState::Online => "Came online",
            ServerState::Missing => "Went out of contact",
        },
        since_when: Moment::new(row.state_at, now),
        heard: contact.map(|contact| Moment::new(contact.at, now)),
        answered: contact
            .and_then(|contact| contact.told.answered_at)
            .map(|at| Moment::new(at, now)),
        meters: load
            .and_then(|contact| contact.told.load)
            .map(|load| load::meters(&load, cpus))
            .unwrap_or_default(),
        deploy_key: facts.as_ref().and_then(|facts| facts.deploy_key.clone()),
        facts: facts.map(fact_list).unwrap_or_default(),
        all_projects: usize::try_from(row.projects)
            .is_ok_and(|count| count > projects.len())
            .then(|| {
                web::query(
                    "/",
                    &[("view", "by_server"), ("cursor", &format!("{}/", row.name))],
                )
            }),
        projects,
        unknown: row
            .unknown_projects
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default(),
        jobs: known.open.iter().map(|job| job_row(job, now)).collect(),
        test: test.map(|job| asked_sentence(job, &row.name)),
        newer: None,
    })
}

fn fact_list(facts: ServerFacts) -> Vec<(&'static str, String)> {
    vec![
        ("Host name", facts.hostname),
        ("System", facts.os),
        ("Processor", cores(facts.cpus)),
        ("Memory", size(facts.memory_mib)),
        ("Runner", facts.runner_version),
    ]
}

/// Whose jobs the runner takes, as it said last.
fn job_key(state: &AppState, row: &ServerRow) -> Option<(&'static str, String)> {
    let trusted = row.job_key.as_deref()?;
    let word = if state.config.keychain.is_job_key(trusted) {
        "trusts the one of now"
    } else {
        "trusts an earlier one, follows when it asks next"
    };
    Some(("Job key", word.to_owned()))
}

fn project_row(row: &ServerProject) -> Result<ProjectRow, StoreError> {
    let badge = look::project(ProjectFacts {
        state: row.state,
        server: row.server_state,
        live: row.live_deployment.is_some(),
        failing: row.failing != 0,
        last: row.last_state,
    });
    let domain = read_settings(&row.settings)?
        .domains
        .first()
        .map(ToString::to_string);
    Ok(ProjectRow {
        id: row.id.to_string(),
        badge,
        name: row.name.clone(),
        domain: domain.unwrap_or_default(),
    })
}

fn job_row(job: &OpenJob, now: UnixMillis) -> JobRow {
    let verb = match job.verb.as_str() {
        "deploy" => "Deployment",
        "rollback" => "Rollback",
        "cancel" => "Cancellation",
        "stop" => "Stop",
        "restart" => "Restart",
        "scale" => "Change of scale",
        "remove_project" => "Removal",
        "ping" => "Connection test",
        "inspect" => "Look at a repository",
        "update" => "Update of the runner",
        other => other,
    };
    JobRow {
        badge: look::job(&job.state),
        verb: verb.to_owned(),
        detail: job.project_name.clone().unwrap_or_default(),
        when: Moment::new(job.created_at, now),
    }
}

/// The version that is published here, where that is newer than what the server runs.
async fn newer(state: &AppState, row: &ServerRow) -> Result<Option<String>, ApiError> {
    let Some(running) = updates::running(row) else {
        return Ok(None);
    };
    let published = releases::current(state).await?.map(|release| release.runner);
    Ok(published
        .filter(|published| *published > running)
        .map(|published| published.to_string()))
}

/// How what was just asked of a server went.
fn asked_sentence(job: &jobs::JobRow, server: &str) -> String {
    if job.verb == "update" {
        update_sentence(job, server)
    } else {
        test_sentence(job, server)
    }
}

fn update_sentence(job: &jobs::JobRow, server: &str) -> String {
    let outcome = job.outcome.as_deref();
    match outcome.and_then(|json| serde_json::from_str(json).ok()) {
        None => format!(
            "{server} was asked to update its runner; this page shows when it has. Jobs that run there come to their end first."
        ),
        Some(Outcome::Succeeded { .. }) => format!("The runner of {server} is updated."),
        Some(Outcome::Failed { reason, .. } | Outcome::Refused { reason }) => {
            format!("The runner of {server} is not updated: {reason}.")
        }
        Some(_) => format!("The update of {server} was ended."),
    }
}

fn test_sentence(job: &jobs::JobRow, server: &str) -> String {
    match job.finished_at {
        Some(finished) => format!(
            "{server} answered after {}.",
            moment::Length(finished.since(job.created_at).max(0))
        ),
        None => format!("{server} was asked to answer; this page shows when it does."),
    }
}
