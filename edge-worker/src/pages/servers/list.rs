//! The list of servers.

use super::facts;
use super::load::{self, cores, size};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Paging, Query};
use crate::hub::Contact;
use crate::pages::look::{self, Badge};
use crate::pages::moment::Moment;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::{FLEET, servers};
use crate::store::servers::{ServerRow, ServerState};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_protocol::time::UnixMillis;

/// A server in the list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) draining: bool,
    pub(crate) name: String,
    pub(crate) hostname: String,
    /// System, cores, memory.
    pub(crate) machine: String,
    /// How busy it is, where that is known.
    pub(crate) load: Option<String>,
    /// The runner's version, where there is one.
    pub(crate) runner: Option<String>,
    pub(crate) heard: Option<Heard>,
    pub(crate) projects: i64,
}

/// The last contact with a server, as far as it is known.
pub(crate) struct Heard {
    /// What happened then.
    pub(crate) what: &'static str,
    pub(crate) when: Moment,
    /// When an answer reached it last, where that is so much earlier that answers may get lost.
    pub(crate) unanswered: Option<Moment>,
}

/// How much later than its last answer a server may be heard of, in milliseconds; between two polls it is the time that
/// one is held.
const UNANSWERED_MS: i64 = 120_000;

#[derive(Template)]
#[template(path = "servers.html")]
pub(crate) struct ServersPage {
    pub(crate) shell: Shell,
    pub(crate) may_manage: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

fn last_heard(row: &ServerRow, contact: Option<&Contact>, now: UnixMillis) -> Option<Heard> {
    let heard = |what, at| Heard {
        what,
        when: Moment::new(at, now),
        unanswered: None,
    };
    let Some(contact) = contact else {
        return (row.state == ServerState::Missing).then(|| heard("went silent", row.state_at));
    };
    let answered = contact.told.answered_at;
    let unanswered = answered.filter(|at| contact.at.since(*at) > UNANSWERED_MS);
    Some(Heard {
        unanswered: unanswered.map(|at| Moment::new(at, now)),
        ..heard("heard of", contact.at)
    })
}

fn list_row(row: &ServerRow, contact: Option<&Contact>, now: UnixMillis) -> Row {
    let facts = facts(row);
    let load = contact.filter(|_| row.state == ServerState::Online);
    Row {
        id: row.id.to_string(),
        badge: look::server(row.state),
        draining: row.draining_since.is_some(),
        load: load.and_then(|contact| Some(load::in_short(&contact.told.load?))),
        runner: facts.as_ref().map(|facts| facts.runner_version.clone()),
        heard: last_heard(row, contact, now),
        name: row.name.clone(),
        hostname: facts
            .as_ref()
            .map(|facts| facts.hostname.clone())
            .unwrap_or_default(),
        machine: facts
            .map(|facts| {
                format!(
                    "{} · {} · {}",
                    facts.os,
                    cores(facts.cpus),
                    size(facts.memory_mib)
                )
            })
            .unwrap_or_default(),
        projects: row.projects,
    }
}

/// `GET /servers`
#[worker::send]
pub(crate) async fn list(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(paging): Query<Paging>,
) -> Result<Response, ApiError> {
    let (page, contacts) = servers::page(&state, paging.cursor.as_deref()).await?;
    let now = platform::now();
    visitor.page(&ServersPage {
        shell: visitor.shell("Servers", Section::Servers, Some(FLEET.to_owned())),
        may_manage: visitor.signed_in.access.may(Action::ManageServers, None),
        rows: page
            .items
            .iter()
            .map(|row| list_row(row, contacts.get(row.id.as_str()), now))
            .collect(),
        next: page.next.map(|next| web::query("/servers", &[("cursor", &next)])),
    })
}
