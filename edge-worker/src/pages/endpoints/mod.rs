//! Who outside is told what happens: lists of endpoints (of all projects, of one), and the page of each with its log.

pub(crate) mod actions;
pub(crate) mod list;

use super::look::{Badge, Tone};
use super::moment::{Length, Moment};
use super::shell::{Section, Shell};
use super::web::Visitor;
use super::{assets, icon};
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Id;
use crate::platform;
use crate::service::endpoints;
use crate::store::endpoints::EndpointRow;
use crate::store::outbox::{MessageRow, MessageState};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::outgoing::{Event, Kind};
use devflow_protocol::{EndpointId, UnixMillis};

/// The pages of endpoints and what their forms are sent to.
pub(crate) fn router() -> Routes {
    let change = Needs::endpoint(Action::ChangeEndpoints);
    Routes::new()
        .get("/endpoints", Needs::may(Action::ManageEndpoints), list::show)
        .post("/endpoints", Needs::may(Action::ManageEndpoints), list::create)
        .get(
            "/projects/{id}/endpoints",
            Needs::project(Action::SeeProject),
            list::show_of_project,
        )
        .post(
            "/projects/{id}/endpoints",
            Needs::project(Action::ChangeEndpoints),
            list::create_for_project,
        )
        .get("/endpoints/{id}", Needs::endpoint(Action::SeeProject), show)
        .post("/endpoints/{id}", change, actions::save)
        .post("/endpoints/{id}/test", change, actions::test)
        .post("/endpoints/{id}/resend", change, actions::resend)
        .post("/endpoints/{id}/secret", change, actions::renew)
        .post("/endpoints/{id}/on", change, actions::turn_on)
        .post("/endpoints/{id}/off", change, actions::turn_off)
        .post("/endpoints/{id}/remove", change, actions::remove)
}

/// An event that can be chosen.
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) chosen: bool,
}

/// All of them, those that `chosen` names ticked.
pub(crate) fn choices(chosen: &[Event]) -> Vec<Choice> {
    let choice = |event: Event| Choice {
        name: event.as_str(),
        words: words(event),
        chosen: chosen.contains(&event),
    };
    Event::CHOICES.into_iter().map(choice).collect()
}

/// An event as people call it.
pub(crate) fn words(event: Event) -> &'static str {
    match event {
        Event::Test => "Test",
        Event::Queued => "Queued",
        Event::Started => "Started",
        Event::Live => "Live",
        Event::Failed => "Failed",
        Event::RolledBack => "Rolled back",
        Event::Recovered => "Well again after a failure",
        Event::Cancelled => "Cancelled",
        Event::Superseded => "Superseded",
    }
}

/// How an endpoint is told, in words.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Webhook => "Signed webhook",
        Kind::Slack => "Chat",
        Kind::Status => "Commit status",
    }
}

/// How an endpoint does.
pub(crate) fn badge(row: &EndpointRow) -> Badge {
    let (tone, word) = match (&row.disabled, row.failing_since) {
        (Some(_), _) => (Tone::Idle, "Turned off"),
        (None, Some(_)) => (Tone::Bad, "Not taken"),
        (None, None) => (Tone::Good, "On"),
    };
    Badge { tone, word }
}

/// A message of the log.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) what: &'static str,
    pub(crate) project: Option<String>,
    pub(crate) deployment: Option<String>,
    /// What came of the last attempt.
    pub(crate) answer: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) attempts: u32,
    /// How long until it is tried again.
    pub(crate) next: Option<Length>,
    pub(crate) when: Moment,
}

fn message(row: &MessageRow, now: UnixMillis) -> Message {
    let (tone, word) = match (row.state, row.attempts) {
        (MessageState::Delivered, _) => (Tone::Good, "Delivered"),
        (MessageState::GivenUp, _) => (Tone::Bad, "Given up"),
        (MessageState::Overtaken, _) => (Tone::Idle, "Overtaken"),
        (MessageState::Waiting, 0) => (Tone::Busy, "Waits"),
        (MessageState::Waiting, _) => (Tone::Warn, "Tries again"),
    };
    let took = row.ms.map(Length);
    Message {
        id: row.id.clone(),
        badge: Badge { tone, word },
        what: words(row.event),
        project: row.project_name.clone(),
        deployment: row.deployment.as_ref().map(ToString::to_string),
        answer: row
            .status
            .zip(took)
            .map(|(status, took)| format!("{status} in {took}")),
        detail: row.detail.clone(),
        attempts: row.attempts,
        next: row
            .next_at
            .filter(|_| row.attempts > 0)
            .map(|at| Length(at.since(now))),
        when: Moment::new(row.at, now),
    }
}

#[derive(Template)]
#[template(path = "endpoints/one.html")]
pub(crate) struct EndpointPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) badge: Badge,
    pub(crate) address: String,
    /// Id and name of its project.
    pub(crate) project: Option<(String, String)>,
    pub(crate) disabled: Option<String>,
    pub(crate) failing: Option<Moment>,
    /// None where they cannot be chosen.
    pub(crate) choices: Option<Vec<Choice>>,
    pub(crate) messages: Vec<Message>,
    /// The secret that was just made.
    pub(crate) secret: Option<String>,
    pub(crate) may_change: bool,
    /// True where a test can be sent.
    pub(crate) may_test: bool,
    /// When it is told something, where that cannot be chosen.
    pub(crate) told: &'static str,
}

/// The page of an endpoint, with the secret that was just made.
pub(crate) fn page(
    visitor: &Visitor,
    row: &EndpointRow,
    messages: &[MessageRow],
    secret: Option<String>,
) -> Result<Response, ApiError> {
    let now = platform::now();
    let access = &visitor.signed_in.access;
    let project = row.project.as_ref().map(ToString::to_string);
    let section = if project.is_some() {
        Section::Projects
    } else {
        Section::Endpoints
    };
    // A page that shows a secret does not fetch itself again.
    let topic = row.project.as_ref().map(super::project::topic);
    let topic = topic.filter(|_| secret.is_none());
    visitor.page(&EndpointPage {
        shell: visitor.shell(row.name.as_str(), section, topic),
        id: row.id.to_string(),
        name: row.name.clone(),
        kind: kind(row.kind),
        badge: badge(row),
        address: row.address.clone(),
        project: project.zip(row.project_name.clone()),
        disabled: row.disabled.clone(),
        failing: row.failing_since.map(|at| Moment::new(at, now)),
        choices: match row.kind.fixed_events() {
            None => Some(choices(&row.events()?)),
            Some(_) => None,
        },
        messages: messages.iter().map(|row| message(row, now)).collect(),
        secret,
        may_test: row.kind != Kind::Status,
        told: match row.kind {
            Kind::Webhook => "",
            Kind::Slack => {
                "It is told when a deployment fails or is rolled back, and when all is well again."
            }
            Kind::Status => "Each commit that is deployed gets a status: pending, then success or failure.",
        },
        may_change: access.may(Action::ChangeEndpoints, row.project.as_ref()),
    })
}

/// `GET /endpoints/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<EndpointId>,
) -> Result<Response, ApiError> {
    let (row, messages) = endpoints::log(&state, &id).await?;
    page(&visitor, &row, &messages, None)
}
