//! The inbox of a project's webhook: each delivery with what was decided and why.

use super::{Head, Tab, hook};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::pages::look::{Badge, Tone};
use crate::pages::moment::Moment;
use crate::pages::prose::Prose;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::deliveries::FOUND;
use crate::service::projects;
use crate::store::Page;
use crate::store::deliveries::{self, DeliveryRow};
use crate::store::deployments::FROM_NEWEST;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::webhook::Event;
use devflow_protocol::ProjectId;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// A delivery.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) reason: Prose,
    pub(crate) event: String,
    pub(crate) provider: &'static str,
    pub(crate) when: Moment,
    pub(crate) deployment: Option<String>,
    pub(crate) can_replay: bool,
    /// It is what the person has just caused.
    pub(crate) is_new: bool,
}

/// Which deliveries, and the one to mark.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {
    cursor: Option<String>,
    new: Option<String>,
}

#[derive(Template)]
#[template(path = "project/deliveries.html")]
pub(crate) struct DeliveriesPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

fn badge(decision: &str) -> Badge {
    let (tone, word) = match decision {
        "deploy" => (Tone::Good, "Deployed"),
        "ping" => (Tone::Good, "Ping"),
        _ => (Tone::Idle, "Ignored"),
    };
    Badge { tone, word }
}

fn list_row(row: &DeliveryRow, new: Option<&str>, may_deploy: bool, now: UnixMillis) -> Row {
    let event = serde_json::from_str::<Event>(&row.event).ok();
    let (what, is_push) = match &event {
        Some(Event::Push(push)) => (
            format!("push of {} to {}", push.after.short(), push.ref_name.short()),
            true,
        ),
        Some(Event::Deleted { ref_name }) => (format!("{ref_name} deleted"), false),
        Some(Event::Several { refs, more }) => (format!("push to {} refs", refs.len() + more), false),
        Some(Event::Ping | Event::Other { .. }) | None => (row.event_name.clone(), false),
    };
    Row {
        id: row.id.to_string(),
        badge: badge(&row.decision),
        reason: Prose(row.reason.clone()),
        event: what,
        provider: if row.event_name == FOUND {
            "found in the repository by the server"
        } else {
            hook::guide(row.provider).name
        },
        when: Moment::new(row.received_at, now),
        deployment: row.deployment.as_ref().map(ToString::to_string),
        can_replay: is_push && may_deploy,
        is_new: new == Some(row.id.as_str()),
    }
}

/// `GET /projects/{id}/deliveries`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    let card = projects::card(&state, &id).await?;
    let before = look.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<DeliveryRow> = state.db.all(deliveries::of_project(&id, before)).await?;
    let page = Page::new(rows, |row| row.id.to_string());
    let now = platform::now();
    let project = Head::new(&card, Some(Tab::Deliveries), &visitor.signed_in.access)?;
    let (new, may_deploy) = (look.new.as_deref(), project.can_deploy);
    visitor.page(&DeliveriesPage {
        shell: visitor.shell(
            format!("Deliveries of {}", project.name),
            Section::Projects,
            Some(super::topic(&id)),
        ),
        rows: page
            .items
            .iter()
            .map(|row| list_row(row, new, may_deploy, now))
            .collect(),
        next: page
            .next
            .map(|next| web::query(&format!("/projects/{id}/deliveries"), &[("cursor", &next)])),
        project,
    })
}
