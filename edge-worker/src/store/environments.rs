//! `environments`: every version of a project's environment, encrypted.

use super::{Statement, statement};
use devflow_protocol::{ProjectId, UnixMillis};
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

/// Adds a version and makes it current. A version that another writer took meanwhile fails by the primary key.
pub(crate) fn insert(
    project: &ProjectId,
    version: u32,
    sealed: &str,
    names: &str,
    now: UnixMillis,
) -> [Statement; 2] {
    [
        statement!(
            "-- environments_insert
            INSERT INTO environments (project, version, sealed, names, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            project,
            version,
            sealed,
            names,
            now
        ),
        statement!(
            "-- environments_make_current\nUPDATE projects SET environment_version = ?2 WHERE id = ?1",
            project,
            version
        ),
    ]
}
