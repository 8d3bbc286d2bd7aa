//! What the API shows of a row.

use crate::store::cards::ProjectCard;
use crate::store::deliveries::DeliveryRow;
use crate::store::deployments::DeploymentRow;
use crate::store::jobs::JobRow;
use crate::store::people::{InvitationRow, PersonRow};
use crate::store::projects::ProjectRow;
use crate::store::servers::ServerRow;
use crate::store::{Page, StoreError};
use devflow_protocol::DeploymentId;
use serde::Serialize;
use serde_json::{Value, json};

/// A stored JSON text as JSON; null where there is none.
fn stored(json: Option<&str>) -> Value {
    json.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

/// A page of a list.
pub(super) fn page<T>(page: Page<T>, show: impl FnMut(T) -> Value) -> Value {
    json!(page.map(show))
}

pub(super) fn server(row: &ServerRow) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "state_at": row.state_at,
        "facts": stored(row.facts.as_deref()),
        "projects": row.projects,
        "created_at": row.created_at,
        "enrolled_at": row.enrolled_at,
    })
}

/// Head and settings in one object, with the names under which they are set.
pub(super) fn project(row: &ProjectRow) -> Result<Value, StoreError> {
    let settings =
        serde_json::to_value(row.settings()?).map_err(|error| StoreError::unreadable("settings", &error))?;
    let mut shown = json!({
        "id": row.id,
        "slug": row.slug,
        "name": row.name,
        "server": row.server,
        "state": row.state,
        "branch": row.ref_name.as_str().strip_prefix("refs/heads/").unwrap_or(row.ref_name.as_str()),
        "environment_version": row.environment_version,
        "live_deployment": row.live_deployment,
        "kept_releases": row.kept(),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    });
    if let (Value::Object(shown), Value::Object(settings)) = (&mut shown, settings) {
        shown.extend(settings);
    }
    Ok(shown)
}

/// A project with its server and its newest deployment.
pub(super) fn card(card: &ProjectCard) -> Result<Value, StoreError> {
    let mut shown = project(&card.project)?;
    let last = card.last_deployment.as_ref().map(|id| {
        json!({
            "id": id,
            "state": card.last_state,
            "commit": card.last_commit,
            "subject": card.last_subject,
            "queued_at": card.last_queued_at,
            "finished_at": card.last_finished_at,
        })
    });
    shown["server_name"] = json!(card.server_name);
    shown["server_state"] = json!(card.server_state);
    shown["last_deployment"] = json!(last);
    Ok(shown)
}

pub(super) fn deployment(row: &DeploymentRow) -> Value {
    json!({
        "id": row.id,
        "project": row.project,
        "server": row.server,
        "state": row.state,
        "kind": row.kind,
        "trigger": row.trigger_kind,
        "ref": row.ref_name,
        "reason": row.reason,
        "commit": row.commit_sha,
        "subject": row.subject,
        "author": row.author,
        "delivery": row.delivery,
        "target": row.target,
        "queued_at": row.queued_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "steps": row.steps(),
        "manifest": stored(row.manifest.as_deref()),
    })
}

pub(super) fn delivery(row: &DeliveryRow) -> Value {
    let deployments: Vec<&DeploymentId> = row.deployment.iter().collect();
    json!({
        "id": row.id,
        "provider": row.provider,
        "hook": row.hook,
        "project": row.project,
        "delivery_id": row.delivery_key,
        "event": row.event_name,
        "payload": stored(Some(&row.event)),
        "decision": row.decision,
        "reason": row.reason,
        "deployments": deployments,
        "received_at": row.received_at,
    })
}

pub(super) fn job(row: &JobRow) -> Value {
    json!({
        "id": row.id,
        "server": row.server,
        "project": row.project,
        "deployment": row.deployment,
        "verb": row.verb,
        "state": row.state,
        "attempt": row.attempt,
        "created_at": row.created_at,
        "leased_at": row.leased_at,
        "acked_at": row.acked_at,
        "finished_at": row.finished_at,
        "outcome": stored(row.outcome.as_deref()),
    })
}

pub(super) fn person(row: &PersonRow) -> Result<Value, StoreError> {
    Ok(json!({
        "id": row.id,
        "email": row.email,
        "role": row.role,
        "projects": row.projects()?,
        "disabled_at": row.disabled_at,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
    }))
}

pub(super) fn invitation(row: &InvitationRow) -> Result<Value, StoreError> {
    Ok(json!({
        "id": row.id,
        "email": row.email,
        "role": row.role,
        "projects": row.projects()?,
        "invited_by": row.invited_by,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }))
}

/// One thing under its name.
pub(super) fn named(name: &str, value: impl Serialize) -> Value {
    json!({ name: value })
}
