//! `users` as those see them who decide who is in, `project_roles` and `invitations`. Signing in is in
//! [`super::users`].

use super::{Statement, StoreError, statement};
use crate::crypt;
use devflow_domain::access::Role;
use devflow_protocol::{InvitationId, ProjectId, UnixMillis, UserId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the database says when nobody would be left to decide.
pub(crate) const LAST_OWNER: &str = "the last owner stays";

/// A person.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PersonRow {
    pub(crate) id: UserId,
    pub(crate) email: String,
    /// For the fleet.
    pub(crate) role: Option<Role>,
    pub(crate) disabled_at: Option<UnixMillis>,
    pub(crate) created_at: UnixMillis,
    /// Last use of a session that is still there.
    pub(crate) seen_at: Option<UnixMillis>,
    /// 1 where signing in asks for a second factor.
    pub(crate) has_factor: u8,
    /// JSON object of roles by project.
    projects: String,
}

/// Reads a JSON object of roles by project.
pub(crate) fn read_roles(json: &str) -> Result<BTreeMap<ProjectId, Role>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::unreadable("roles of projects", &error))
}

impl PersonRow {
    /// Roles of single projects.
    pub(crate) fn projects(&self) -> Result<BTreeMap<ProjectId, Role>, StoreError> {
        read_roles(&self.projects)
    }

    /// Changes with what [`still`] compares.
    pub(crate) fn version(&self) -> String {
        let role = self.role.map_or("", Role::as_str);
        let disabled_at = self.disabled_at.map_or(0, |at| at.0);
        crypt::hash(format!("{role} {disabled_at} {}", self.projects).as_bytes())
    }
}

/// A statement that reads people: its name, and what follows the table.
macro_rules! people {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT u.id, u.email, u.role, u.disabled_at, u.created_at,
          (SELECT max(s.seen_at) FROM sessions s WHERE s.user = u.id) AS seen_at,
          (SELECT json_group_object(r.project, r.role) FROM project_roles r WHERE r.user = u.id) AS projects,
          EXISTS (SELECT 1 FROM factors f WHERE f.user = u.id) AS has_factor
        FROM users u ",
            $rest
        )
    };
}

/// A page of people by address.
pub(crate) fn list(after: &str) -> Statement {
    statement!(
        people!("people_list", "WHERE u.email > ?1 ORDER BY u.email LIMIT 51"),
        after
    )
}

/// One person.
pub(crate) fn by_id(id: &UserId) -> Statement {
    statement!(people!("people_by_id", "WHERE u.id = ?1"), id)
}

/// A role of one project, with the project's name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProjectRoleRow {
    pub(crate) project: ProjectId,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// A person's roles of single projects.
pub(crate) fn project_roles(user: &UserId) -> Statement {
    statement!(
        "-- people_project_roles
        SELECT r.project, p.name, r.role FROM project_roles r JOIN projects p ON p.id = r.project
        WHERE r.user = ?1 ORDER BY r.project LIMIT 200",
        user
    )
}

/// Somebody with a role in a project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MemberRow {
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) role: Role,
}

/// Who has a role in a project.
pub(crate) fn members(project: &ProjectId) -> Statement {
    statement!(
        "-- people_members
        SELECT r.user, u.email, r.role FROM project_roles r JOIN users u ON u.id = r.user
        WHERE r.project = ?1 ORDER BY u.email LIMIT 200",
        project
    )
}

/// A project to choose.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ChoiceRow {
    pub(crate) id: ProjectId,
    pub(crate) slug: String,
    pub(crate) name: String,
}

/// Projects that a form proposes; any other can be typed.
pub(crate) const CHOICES: usize = 100;

/// The first projects by short name.
pub(crate) fn project_choices() -> Statement {
    statement!(
        "-- people_project_choices\nSELECT id, slug, name FROM projects ORDER BY slug LIMIT ?1",
        CHOICES
    )
}

/// The project of a short name or an id.
pub(crate) fn project_called(text: &str) -> Statement {
    statement!(
        "-- people_project_called\nSELECT id, slug, name FROM projects WHERE slug = ?1 OR id = ?1",
        text
    )
}

/// Fails where the person has other roles than `seen` by now, or was shut out or let in, and the whole batch with it: what is
/// allowed and wanted was decided by that, and another decision came first.
pub(crate) fn still(seen: &PersonRow) -> Statement {
    statement!(
        "-- people_still
        UPDATE users SET created_at = iif(role IS ?2 AND disabled_at IS ?3 AND ?4 = (
          SELECT json_group_object(r.project, r.role) FROM project_roles r WHERE r.user = ?1), created_at, NULL)
        WHERE id = ?1",
        &seen.id,
        seen.role.map(Role::as_str),
        seen.disabled_at,
        seen.projects.as_str()
    )
}

/// Gives another role for the fleet, or none.
pub(crate) fn set_role(id: &UserId, role: Option<Role>) -> Statement {
    statement!(
        "-- people_set_role\nUPDATE users SET role = ?2 WHERE id = ?1",
        id,
        role.map(Role::as_str)
    )
}

/// Shuts somebody out since `at`, or lets them in again.
pub(crate) fn set_disabled(id: &UserId, at: Option<UnixMillis>) -> Statement {
    statement!(
        "-- people_set_disabled\nUPDATE users SET disabled_at = ?2 WHERE id = ?1",
        id,
        at
    )
}

/// Deletes somebody, with sessions, keys, roles and open invitations.
pub(crate) fn delete(id: &UserId) -> Statement {
    statement!("-- people_delete\nDELETE FROM users WHERE id = ?1", id)
}

/// Gives a role of a project, or takes it. A project that is not there any more changes nothing.
pub(crate) fn set_project_role(id: &UserId, project: &ProjectId, role: Option<Role>) -> Statement {
    match role {
        Some(role) => statement!(
            "-- people_give_project_role
            INSERT INTO project_roles (user, project, role) SELECT ?1, p.id, ?3 FROM projects p WHERE p.id = ?2
            ON CONFLICT (user, project) DO UPDATE SET role = excluded.role",
            id,
            project,
            role.as_str()
        ),
        None => statement!(
            "-- people_take_project_role\nDELETE FROM project_roles WHERE user = ?1 AND project = ?2",
            id,
            project
        ),
    }
}

/// The sessions of somebody.
pub(crate) fn logins(user: &UserId) -> Statement {
    statement!("-- people_logins\nSELECT id FROM sessions WHERE user = ?1", user)
}

/// Ends the sessions of somebody but the one with the id `kept`.
pub(crate) fn end_sessions(user: &UserId, kept: &str) -> Statement {
    statement!(
        "-- people_end_sessions\nDELETE FROM sessions WHERE user = ?1 AND id <> ?2",
        user,
        kept
    )
}

/// An open invitation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InvitationRow {
    pub(crate) id: InvitationId,
    pub(crate) email: String,
    pub(crate) role: Option<Role>,
    projects: String,
    pub(crate) invited_by: UserId,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: UnixMillis,
}

impl InvitationRow {
    /// Roles of single projects that it gives.
    pub(crate) fn projects(&self) -> Result<BTreeMap<ProjectId, Role>, StoreError> {
        read_roles(&self.projects)
    }
}

/// A new invitation.
pub(crate) struct NewInvitation<'a> {
    pub(crate) token_hash: &'a str,
    pub(crate) id: &'a InvitationId,
    pub(crate) email: &'a str,
    pub(crate) role: Option<Role>,
    pub(crate) projects: &'a BTreeMap<ProjectId, Role>,
    pub(crate) invited_by: &'a UserId,
    pub(crate) now: UnixMillis,
    pub(crate) expires_at: UnixMillis,
}

/// Adds an invitation; an older one of the same address ends.
pub(crate) fn insert_invitation(new: &NewInvitation<'_>) -> [Statement; 2] {
    let projects = serde_json::to_string(new.projects).expect("ids and roles are plain texts");
    [
        statement!(
            "-- invitations_end_older\nDELETE FROM invitations WHERE email = ?1",
            new.email
        ),
        statement!(
            "-- invitations_insert
            INSERT INTO invitations (token_hash, id, email, role, projects, invited_by, created_at, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            new.token_hash,
            new.id,
            new.email,
            new.role.map(Role::as_str),
            projects,
            new.invited_by,
            new.now,
            new.expires_at
        ),
    ]
}

/// A statement that reads invitations: its name, and what follows the table.
macro_rules! invitations {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT id, email, role, projects, invited_by, created_at, expires_at FROM invitations ",
            $rest
        )
    };
}

/// A page of the open invitations, newest first; `before` is the id that the page before ended with.
pub(crate) fn invitations(now: UnixMillis, before: &str) -> Statement {
    statement!(
        invitations!(
            "invitations_list",
            "WHERE expires_at > ?1 AND id < ?2 ORDER BY id DESC LIMIT 51"
        ),
        now,
        before
    )
}

/// The invitation of a token, unless it is over.
pub(crate) fn invitation(token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        invitations!(
            "invitations_by_token",
            "WHERE token_hash = ?1 AND expires_at > ?2"
        ),
        token_hash,
        now
    )
}

/// The open invitation of an address.
pub(crate) fn invitation_to(email: &str, now: UnixMillis) -> Statement {
    statement!(
        invitations!("invitations_by_email", "WHERE email = ?1 AND expires_at > ?2"),
        email,
        now
    )
}

/// The open invitation of an id.
pub(crate) fn invitation_by_id(id: &InvitationId, now: UnixMillis) -> Statement {
    statement!(
        invitations!("invitations_by_id", "WHERE id = ?1 AND expires_at > ?2"),
        id,
        now
    )
}

/// Takes an invitation back.
pub(crate) fn delete_invitation(id: &InvitationId) -> Statement {
    statement!("-- invitations_delete\nDELETE FROM invitations WHERE id = ?1", id)
}

/// Takes back what somebody invited: their word does not count any more, or less.
pub(crate) fn delete_invitations_by(user: &UserId) -> Statement {
    statement!(
        "-- invitations_delete_by\nDELETE FROM invitations WHERE invited_by = ?1",
        user
    )
}

/// Makes the person of an invitation, and ends it. The first statement fails where it is over or was used meanwhile,
/// for then there is no address, and the whole batch with it.
pub(crate) fn accept(
    token_hash: &str,
    user: &UserId,
    password_hash: &str,
    now: UnixMillis,
) -> [Statement; 3] {
    [
        statement!(
            "-- invitations_make_user
            INSERT INTO users (id, email, password_hash, role, created_at) VALUES (?2,
              (SELECT email FROM invitations WHERE token_hash = ?1 AND expires_at > ?4), ?3,
              (SELECT role FROM invitations WHERE token_hash = ?1), ?4)",
            token_hash,
            user,
            password_hash,
            now
        ),
        statement!(
            "-- invitations_give_project_roles
            INSERT INTO project_roles (user, project, role)
            SELECT ?2, p.id, e.value FROM invitations i, json_each(i.projects) e JOIN projects p ON p.id = e.key
            WHERE i.token_hash = ?1",
            token_hash,
            user
        ),
        statement!(
            "-- invitations_spend\nDELETE FROM invitations WHERE token_hash = ?1",
            token_hash
        ),
    ]
}
