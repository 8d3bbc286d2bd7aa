//! `environments`: every version of a project's environment, encrypted.

use super::{Statement, statement};
use devflow_protocol::{DeploymentId, ProjectId, UnixMillis};
use serde::Deserialize;

/// One version.
#[derive(Debug, Deserialize)]
pub(crate) struct EnvironmentRow {
    pub(crate) version: u32,
    /// Encrypted JSON of `Environment`, for `environment_context`.
    pub(crate) sealed: String,
    /// JSON list of names.
    pub(crate) names: String,
    pub(crate) created_at: UnixMillis,
}

/// The version that the next deployment takes.
pub(crate) fn current(project: &ProjectId) -> Statement {
    statement!(
        "-- environments_current
        SELECT e.version, e.sealed, e.names, e.created_at
        FROM projects p JOIN environments e ON e.project = p.id AND e.version = p.environment_version
        WHERE p.id = ?1",
        project
    )
}

/// A version that is added.
pub(crate) struct NewVersion<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) version: u32,
    pub(crate) sealed: &'a str,
    /// JSON list of names.
    pub(crate) names: &'a str,
    pub(crate) actor: &'a str,
    /// JSON of `devflow_domain::environment::Changes`.
    pub(crate) changes: &'a str,
    pub(crate) now: UnixMillis,
}

/// Adds a version and makes it current. A version that another writer took meanwhile fails by the primary key.
pub(crate) fn insert(new: &NewVersion<'_>) -> [Statement; 2] {
    [
        statement!(
            "-- environments_insert
            INSERT INTO environments (project, version, sealed, names, actor, changes, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            new.project,
            new.version,
            new.sealed,
            new.names,
            new.actor,
            new.changes,
            new.now
        ),
        statement!(
            "-- environments_make_current\nUPDATE projects SET environment_version = ?2 WHERE id = ?1",
            new.project,
            new.version
        ),
    ]
}

/// A version as its history tells of it: no values.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PastVersion {
    pub(crate) version: u32,
    pub(crate) created_at: UnixMillis,
    /// JSON of `devflow_domain::environment::Changes`.
    pub(crate) changes: String,
    /// Who made it, as far as they are still there.
    pub(crate) actor_name: Option<String>,
}

/// A deployment that went live with a version of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LiveRow {
    pub(crate) id: DeploymentId,
    pub(crate) finished_at: Option<UnixMillis>,
    pub(crate) version: Option<u32>,
}

/// The newest of them, oldest first.
pub(crate) fn live(project: &ProjectId) -> Statement {
    statement!(
        "-- environments_live
        SELECT * FROM (SELECT id, finished_at, json_extract(manifest, '$.environment_version') AS version
          FROM deployments WHERE project = ?1 AND manifest IS NOT NULL ORDER BY id DESC LIMIT 50) ORDER BY id",
        project
    )
}

/// The newest versions, newest first.
pub(crate) fn history(project: &ProjectId) -> Statement {
    statement!(
        "-- environments_history
        SELECT e.version, e.created_at, e.changes, coalesce(u.email, k.name) AS actor_name
        FROM environments e LEFT JOIN users u ON u.id = e.actor LEFT JOIN api_keys k ON k.id = e.actor
        WHERE e.project = ?1 ORDER BY e.version DESC LIMIT 20",
        project
    )
}

/// What one version changed.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ChangesRow {
    /// JSON of `devflow_domain::environment::Changes`.
    pub(crate) changes: String,
}

/// Versions between two that [`between`] gives at most.
pub(crate) const BETWEEN: usize = 60;

/// What the versions behind `low` up to `high` changed, oldest first; one more than [`BETWEEN`] where there are more.
pub(crate) fn between(project: &ProjectId, low: u32, high: u32) -> Statement {
    statement!(
        "-- environments_between
        SELECT changes FROM environments WHERE project = ?1 AND version > ?2 AND version <= ?3 ORDER BY version LIMIT ?4",
        project,
        low,
        high,
        BETWEEN + 1
    )
}
