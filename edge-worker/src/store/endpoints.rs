//! `endpoints`: who outside is told what happens.

use super::{Statement, StoreError, statement};
use devflow_domain::outgoing::{Event, Kind};
use devflow_protocol::{EndpointId, ProjectId, UnixMillis};
use serde::Deserialize;

/// Endpoints of one project, or of the fleet.
pub(crate) const MOST: i64 = 20;

/// An endpoint.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EndpointRow {
    pub(crate) id: EndpointId,
    /// None is all projects.
    pub(crate) project: Option<ProjectId>,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// What of the address is shown.
    pub(crate) address: String,
    /// Encrypted for `crypt::endpoint_context`.
    pub(crate) sealed: String,
    /// JSON list of events, see [`Self::events`].
    pub(crate) events: String,
    pub(crate) failing_since: Option<UnixMillis>,
    /// Why it is told nothing any more.
    pub(crate) disabled: Option<String>,
    pub(crate) created_at: UnixMillis,
    pub(crate) updated_at: UnixMillis,
    pub(crate) project_name: Option<String>,
}

impl EndpointRow {
    /// What it is told.
    pub(crate) fn events(&self) -> Result<Vec<Event>, StoreError> {
        serde_json::from_str(&self.events).map_err(|error| StoreError::unreadable("endpoints.events", &error))
    }
}

/// A statement that reads endpoints: its name, and what follows the tables.
macro_rules! endpoints {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT e.id, e.project, e.kind, e.name, e.address, e.sealed, e.events, e.failing_since, e.disabled,
          e.created_at, e.updated_at, p.name AS project_name
        FROM endpoints e LEFT JOIN projects p ON p.id = e.project ",
            $rest
        )
    };
}

/// One endpoint.
pub(crate) fn by_id(id: &EndpointId) -> Statement {
    statement!(endpoints!("endpoints_by_id", "WHERE e.id = ?1"), id)
}

/// Those of a project, or with None those of all projects; there are at most [`MOST`].
pub(crate) fn of(project: Option<&ProjectId>) -> Statement {
    statement!(
        endpoints!("endpoints_of", "WHERE e.project IS ?1 ORDER BY e.id"),
        project
    )
}

/// What is written of an endpoint.
pub(crate) struct NewEndpoint<'a> {
    pub(crate) id: &'a EndpointId,
    pub(crate) project: Option<&'a ProjectId>,
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) sealed: &'a str,
    pub(crate) events: &'a str,
    pub(crate) now: UnixMillis,
}

/// Adds an endpoint, unless there are [`MOST`] already.
pub(crate) fn insert(new: &NewEndpoint<'_>) -> Statement {
    statement!(
        "-- endpoints_insert
        INSERT INTO endpoints (id, project, kind, name, address, sealed, events, created_at, updated_at)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8
        WHERE (SELECT count(*) FROM endpoints WHERE project IS ?2) < ?9",
        new.id,
        new.project,
        new.kind.as_str(),
        new.name,
        new.address,
        new.sealed,
        new.events,
        new.now,
        MOST
    )
}

/// Changes an endpoint; changes one row exactly where it is still as it was at `seen_at`.
pub(crate) fn update(row: &EndpointRow, seen_at: UnixMillis) -> Statement {
    statement!(
        "-- endpoints_update
        UPDATE endpoints SET name = ?2, address = ?3, sealed = ?4, events = ?5, disabled = ?6, failing_since = ?7,
          updated_at = ?8
        WHERE id = ?1 AND updated_at = ?9",
        &row.id,
        row.name.as_str(),
        row.address.as_str(),
        row.sealed.as_str(),
        row.events.as_str(),
        row.disabled.as_deref(),
        row.failing_since,
        row.updated_at,
        seen_at
    )
}

/// Removes an endpoint with all that waits for it.
pub(crate) fn delete(id: &EndpointId) -> Statement {
    statement!("-- endpoints_delete\nDELETE FROM endpoints WHERE id = ?1", id)
}

/// It took something.
pub(crate) fn note_success(id: &EndpointId) -> Statement {
    statement!(
        "-- endpoints_note_success
        UPDATE endpoints SET failing_since = NULL WHERE id = ?1 AND failing_since IS NOT NULL",
        id
    )
}

/// It did not take something.
pub(crate) fn note_failure(id: &EndpointId, now: UnixMillis) -> Statement {
    statement!(
        "-- endpoints_note_failure
        UPDATE endpoints SET failing_since = ?2 WHERE id = ?1 AND failing_since IS NULL",
        id,
        now
    )
}

/// Tells it nothing any more: at once, or where it has taken nothing since `failing_by`.
pub(crate) fn disable(id: &EndpointId, reason: &str, failing_by: Option<UnixMillis>) -> Statement {
    statement!(
        "-- endpoints_disable
        UPDATE endpoints SET disabled = ?2
        WHERE id = ?1 AND disabled IS NULL AND (?3 IS NULL OR failing_since <= ?3)",
        id,
        reason,
        failing_by
    )
}
