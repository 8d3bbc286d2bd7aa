//! `hooks`: the addresses that providers send to.

use super::projects::ProjectState;
use super::{Statement, statement};
use devflow_domain::webhook::Provider;
use devflow_protocol::text::{GitSha, RefName, Slug};
use devflow_protocol::{HookId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// A hook with what is decided on.
#[derive(Debug, Deserialize)]
pub(crate) struct HookRow {
    pub(crate) id: HookId,
    pub(crate) provider: Provider,
    /// Encrypted for `crypt::hook_context`.
    pub(crate) secret: String,
    pub(crate) project: ProjectId,
    pub(crate) project_state: ProjectState,
    pub(crate) server: ServerId,
    pub(crate) ref_name: RefName,
    pub(crate) last_head: Option<GitSha>,
    /// JSON of `ProjectSettings`.
    pub(crate) settings: String,
    /// 1 where a server of the project is being drained.
    pub(crate) draining: u8,
}

/// A statement that reads hooks with what is decided on: its name, and what follows the tables.
macro_rules! hooks {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT h.id, h.provider, h.secret, h.project, p.state AS project_state, p.server, p.ref_name, p.last_head,
          p.settings, s.draining_since IS NOT NULL OR EXISTS (SELECT 1 FROM further_targets f JOIN servers o
            ON o.id = f.server WHERE f.project = p.id AND o.draining_since IS NOT NULL) AS draining
        FROM hooks h JOIN projects p ON p.id = h.project JOIN servers s ON s.id = p.server ",
            $rest
        )
    };
}

/// The hook of an address.
pub(crate) fn by_id(id: &HookId) -> Statement {
    statement!(hooks!("hooks_by_id", "WHERE h.id = ?1"), id)
}

/// The hook of a project.
pub(crate) fn of_project(project: &ProjectId) -> Statement {
    statement!(
        hooks!(
            "hooks_of_project",
            "WHERE h.project = ?1 ORDER BY h.id DESC LIMIT 1"
        ),
        project
    )
}

/// Gives a hook another secret; the one before is worth nothing from then on.
pub(crate) fn set_secret(id: &HookId, secret: &str) -> Statement {
    statement!(
        "-- hooks_set_secret\nUPDATE hooks SET secret = ?2 WHERE id = ?1",
        id,
        secret
    )
}

/// The hook of a project on a server, by its folder there.
pub(crate) fn of_slug(server: &ServerId, slug: &Slug) -> Statement {
    statement!(
        hooks!(
            "hooks_of_slug",
            "WHERE p.slug = ?2 AND p.server = ?1 ORDER BY h.id DESC LIMIT 1"
        ),
        server,
        slug.as_str()
    )
}

/// Adds a hook.
pub(crate) fn insert(
    id: &HookId,
    project: &ProjectId,
    provider: Provider,
    secret: &str,
    now: UnixMillis,
) -> Statement {
    statement!(
        "-- hooks_insert
        INSERT INTO hooks (id, project, provider, secret, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        id,
        project,
        provider.as_str(),
        secret,
        now
    )
}
