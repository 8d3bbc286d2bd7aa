//! `deliveries`: the durable inbox. Stored before it is answered, once for each of the provider's ids.

use super::{Statement, statement};
use devflow_domain::webhook::Provider;
use devflow_protocol::text::{GitSha, RefName};
use devflow_protocol::{DeliveryId, DeploymentId, HookId, ProjectId, UnixMillis};
use serde::Deserialize;

/// A stored delivery.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DeliveryRow {
    pub(crate) id: DeliveryId,
    pub(crate) provider: Provider,
    pub(crate) hook: HookId,
    pub(crate) project: ProjectId,
    /// The provider's id.
    pub(crate) delivery_key: String,
    /// What the provider calls the event.
    pub(crate) event_name: String,
    /// JSON of the normalised event.
    pub(crate) event: String,
    /// `deploy`, `ignored` or `ping`.
    pub(crate) decision: String,
    pub(crate) reason: String,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) received_at: UnixMillis,
}

/// What is written of a delivery.
pub(crate) struct NewDelivery<'a> {
    pub(crate) id: &'a DeliveryId,
    pub(crate) provider: Provider,
    pub(crate) hook: &'a HookId,
    pub(crate) project: &'a ProjectId,
    pub(crate) delivery_key: &'a str,
    pub(crate) event_name: &'a str,
    pub(crate) event: &'a str,
    pub(crate) decision: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) deployment: Option<&'a DeploymentId>,
    pub(crate) now: UnixMillis,
}

/// Stores a delivery and gives its id; one that is there already changes no row and gives none.
pub(crate) fn insert(delivery: &NewDelivery<'_>) -> Statement {
    statement!(
        "-- deliveries_insert
        INSERT INTO deliveries (id, provider, hook, project, delivery_key, event_name, event, decision, reason,
          deployment, received_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (provider, hook, delivery_key) DO NOTHING RETURNING id",
        delivery.id,
        delivery.provider.as_str(),
        delivery.hook,
        delivery.project,
        delivery.delivery_key,
        delivery.event_name,
        delivery.event,
        delivery.decision,
        delivery.reason,
        delivery.deployment,
        delivery.now
    )
}

/// Notes the commit that a push brought, if this delivery is stored.
pub(crate) fn note_head(
    project: &ProjectId,
    ref_name: &RefName,
    head: &GitSha,
    only_with: &DeliveryId,
) -> Statement {
    statement!(
        "-- projects_note_head
        UPDATE projects SET last_head = ?3
        WHERE id = ?1 AND ref_name = ?2 AND EXISTS (SELECT 1 FROM deliveries WHERE id = ?4)",
        project,
        ref_name.as_str(),
        head.as_str(),
        only_with
    )
}

/// A ref that was deleted has no head: when it comes back with the same commit, that is deployed again.
pub(crate) fn forget_head(project: &ProjectId, ref_name: &str, only_with: &DeliveryId) -> Statement {
    statement!(
        "-- projects_forget_head
        UPDATE projects SET last_head = NULL
        WHERE id = ?1 AND ref_name = ?2 AND EXISTS (SELECT 1 FROM deliveries WHERE id = ?3)",
        project,
        ref_name,
        only_with
    )
}

/// What is there of a provider's id.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredRow {
    pub(crate) id: DeliveryId,
    pub(crate) deployment: Option<DeploymentId>,
}

/// The [`StoredRow`] of a provider's id.
pub(crate) fn stored(provider: Provider, hook: &HookId, key: &str) -> Statement {
    statement!(
        "-- deliveries_stored
        SELECT id, deployment FROM deliveries WHERE provider = ?1 AND hook = ?2 AND delivery_key = ?3",
        provider.as_str(),
        hook,
        key
    )
}

/// One delivery.
pub(crate) fn by_id(id: &DeliveryId) -> Statement {
    statement!(
        "-- deliveries_by_id
        SELECT id, provider, hook, project, delivery_key, event_name, event, decision, reason, deployment, received_at
        FROM deliveries WHERE id = ?1",
        id
    )
}

/// A page of a project's deliveries, newest first; `before` is the id that the page before ended with.
pub(crate) fn of_project(project: &ProjectId, before: &str) -> Statement {
    statement!(
        "-- deliveries_of_project
        SELECT id, provider, hook, project, delivery_key, event_name, event, decision, reason, deployment, received_at
        FROM deliveries WHERE project = ?1 AND id < ?2 ORDER BY id DESC LIMIT 51",
        project,
        before
    )
}
