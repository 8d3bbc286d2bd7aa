//! `api_keys`, as their person sees and changes them. Who a key lets in is in [`super::users`].

use super::{Statement, statement};
use devflow_domain::access::Scope;
use devflow_protocol::{ApiKeyId, ProjectId, UnixMillis, UserId};
use serde::Deserialize;

/// A key, without its token.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scope: Scope,
    /// JSON list of the only projects that it reaches, see [`Self::projects`].
    pub(crate) projects: Option<String>,
    /// JSON list of their names, as far as they are there.
    pub(crate) project_names: Option<String>,
    /// None for a key of an earlier version, which never ends.
    pub(crate) expires_at: Option<UnixMillis>,
    pub(crate) used_at: Option<UnixMillis>,
    pub(crate) created_at: UnixMillis,
}

impl KeyRow {
    /// The only projects that it reaches; None is all.
    pub(crate) fn projects(&self) -> Option<Vec<ProjectId>> {
        self.projects
            .as_deref()
            .map(|list| serde_json::from_str(list).unwrap_or_default())
    }

    /// Their names.
    pub(crate) fn project_names(&self) -> Vec<String> {
        let names = self.project_names.as_deref();
        names
            .and_then(|list| serde_json::from_str(list).ok())
            .unwrap_or_default()
    }
}

macro_rules! keys {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT k.id, k.name, k.scope, k.projects, k.expires_at, k.used_at, k.created_at,
          (SELECT json_group_array(p.name) FROM json_each(k.projects) e JOIN projects p ON p.id = e.value)
            AS project_names
        FROM api_keys k ",
            $rest
        )
    };
}

/// The keys of a person, newest first: all of them, for there is a most.
pub(crate) fn of_user(user: &UserId) -> Statement {
    statement!(
        keys!("keys_of_user", "WHERE k.user = ?1 ORDER BY k.id DESC LIMIT 200"),
        user
    )
}

/// One key of a person.
pub(crate) fn of_user_by_id(user: &UserId, id: &ApiKeyId) -> Statement {
    statement!(
        keys!("keys_of_user_by_id", "WHERE k.id = ?2 AND k.user = ?1"),
        user,
        id
    )
}

/// One key, whosever it is.
pub(crate) fn by_id(id: &str) -> Statement {
    statement!(keys!("keys_by_id", "WHERE k.id = ?1"), id)
}

/// Lets a key end at `at`.
pub(crate) fn end(id: &ApiKeyId, at: UnixMillis) -> Statement {
    statement!(
        "-- keys_end\nUPDATE api_keys SET expires_at = ?2 WHERE id = ?1",
        id,
        at
    )
}

/// A project by its slug.
#[derive(Debug, Deserialize)]
pub(crate) struct SlugRow {
    pub(crate) id: ProjectId,
    pub(crate) slug: String,
}

/// The projects of a JSON list of slugs.
pub(crate) fn projects_of_slugs(slugs: &str) -> Statement {
    statement!(
        "-- keys_projects_of_slugs
        SELECT id, slug FROM projects WHERE slug IN (SELECT value FROM json_each(?1))",
        slugs
    )
}

/// The projects of a JSON list of ids.
pub(crate) fn projects_of_ids(ids: &str) -> Statement {
    statement!(
        "-- keys_projects_of_ids
        SELECT id, slug FROM projects WHERE id IN (SELECT value FROM json_each(?1))",
        ids
    )
}
