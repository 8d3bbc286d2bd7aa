//! `repository_tokens`.

use super::{Statement, statement};
use devflow_protocol::{JobId, ProjectId, UnixMillis};
use serde::Deserialize;

/// How long the token of a look waits for the project that is made of it, in milliseconds.
pub(crate) const LOOK_MS: i64 = 3_600_000;

/// An access token.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TokenRow {
    /// The address that it is for.
    pub(crate) repository: String,
    /// Encrypted at rest.
    pub(crate) sealed: String,
    /// Who gave it.
    pub(crate) actor: String,
    pub(crate) created_at: UnixMillis,
}

/// The token of a project or of a look.
pub(crate) fn of(owner: &str) -> Statement {
    statement!(
        "-- repository_tokens_of
        SELECT repository, sealed, actor, created_at FROM repository_tokens WHERE owner = ?1",
        owner
    )
}

/// Gives a look its token.
pub(crate) fn insert_for_look(job: &JobId, row: &TokenRow) -> Statement {
    statement!(
        "-- repository_tokens_insert_for_look
        INSERT INTO repository_tokens (owner, repository, sealed, actor, created_at, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        job,
        row.repository.as_str(),
        row.sealed.as_str(),
        row.actor.as_str(),
        row.created_at,
        row.created_at.plus(LOOK_MS)
    )
}

/// Gives a project its token, in place of the one before, if the project was changed at `updated_at`.
pub(crate) fn set(project: &ProjectId, row: &TokenRow, updated_at: UnixMillis) -> Statement {
    statement!(
        "-- repository_tokens_set
        INSERT INTO repository_tokens (owner, repository, sealed, actor, created_at)
        SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?6)
        ON CONFLICT (owner) DO UPDATE SET repository = excluded.repository, sealed = excluded.sealed,
          actor = excluded.actor, created_at = excluded.created_at",
        project,
        row.repository.as_str(),
        row.sealed.as_str(),
        row.actor.as_str(),
        row.created_at,
        updated_at
    )
}

/// Takes a project's token away, if the project was changed at `updated_at`.
pub(crate) fn take_away(project: &ProjectId, updated_at: UnixMillis) -> Statement {
    statement!(
        "-- repository_tokens_take_away
        DELETE FROM repository_tokens WHERE owner = ?1
          AND EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?2)",
        project,
        updated_at
    )
}

/// Forgets the token of a look, once a project has it.
pub(crate) fn forget(job: &JobId) -> Statement {
    statement!(
        "-- repository_tokens_forget\nDELETE FROM repository_tokens WHERE owner = ?1",
        job
    )
}
