//! Invitations: a link that makes one person, once.

use super::people::{check_project_count, check_project_role};
use crate::app::AppState;
use crate::auth::Caller;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::activity;
use crate::store::people::{self, ChoiceRow, InvitationRow, NewInvitation};
use crate::store::users::{self, IdRow};
use devflow_domain::access::{Role, may_change_role};
use devflow_domain::people::{Email, Refusal};
use devflow_protocol::{InvitationId, ProjectId};
use std::collections::BTreeMap;

/// How long a link can be used, in milliseconds: over a weekend.
const INVITATION_MS: i64 = 3 * 24 * 3_600_000;

/// Who is invited, as what.
pub(crate) struct Wanted {
    pub(crate) email: String,
    /// The role for the fleet.
    pub(crate) role: Option<Role>,
    pub(crate) projects: BTreeMap<ProjectId, Role>,
}

/// An invitation with its link, which is shown this once.
pub(crate) struct Invitation {
    pub(crate) row: InvitationRow,
    pub(crate) link: String,
}

/// Invites somebody; an older invitation of the address ends.
pub(crate) async fn invite(
    state: &AppState,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Invitation, ApiError> {
    let email = check(state, caller, wanted).await?;
    let (now, id) = (platform::now(), platform::new_id(InvitationId::new));
    let token = crypt::token(platform::entropy());
    let token_hash = crypt::token_hash(&token);
    let mut batch: Vec<_> = people::insert_invitation(&NewInvitation {
        token_hash: &token_hash,
        id: &id,
        email: email.as_str(),
        role: wanted.role,
        projects: &wanted.projects,
        invited_by: &caller.user,
        now,
        expires_at: now.plus(INVITATION_MS),
    })
    .into();
    let detail = wanted.role.map_or("for single projects", Role::as_str);
    batch.push(activity::record(
        now,
        &caller.actor.0,
        "user.invite",
        id.as_str(),
        detail,
    ));
    state.db.batch(batch).await?;
    let row = state.db.first(people::invitation(&token_hash, now)).await?;
    Ok(Invitation {
        row: row.ok_or_else(|| ApiError::no_such("invitation"))?,
        link: format!("{}/join?token={token}", state.config.public_origin),
    })
}

/// Refuses what is above who acts: the role that an invitation gives, and the one that an `older` invitation gave, which
/// ends with it.
fn check_role(
    actor: Option<Role>,
    older: Option<&InvitationRow>,
    role: Option<Role>,
) -> Result<(), ApiError> {
    if may_change_role(actor, older.and_then(|row| row.role), role) {
        return Ok(());
    }
    Err(ApiError::Forbidden("not_allowed", Refusal::Above.to_string()))
}

/// Refuses what cannot be, or what is above who invites.
async fn check(state: &AppState, caller: &Caller, wanted: &Wanted) -> Result<Email, ApiError> {
    let email: Email = wanted
        .email
        .parse()
        .map_err(|problem: devflow_domain::people::InvalidEmail| {
            ApiError::invalid("email", problem.to_string())
        })?;
    if wanted.role.is_none() && wanted.projects.is_empty() {
        return Err(ApiError::invalid(
            "role",
            "give a role for all projects, or one for a project",
        ));
    }
    let older = state
        .db
        .first(people::invitation_to(email.as_str(), platform::now()))
        .await?;
    check_role(caller.access.0.fleet, older.as_ref(), wanted.role)?;
    check_project_count(&wanted.projects)?;
    for (project, role) in &wanted.projects {
        check_project_role(*role)?;
        let found: Option<ChoiceRow> = state.db.first(people::project_called(project.as_str())).await?;
        found.ok_or_else(|| ApiError::invalid("projects", "there is no such project"))?;
    }
    let known: Option<IdRow> = state.db.first(users::with_email(email.as_str())).await?;
    if known.is_some() {
        return Err(ApiError::Conflict(
            "email_taken",
            format!("{email} is here already; change their role on their page."),
        ));
    }
    Ok(email)
}

/// True where somebody with the role `actor` may take the invitation back.
pub(crate) fn may_revoke(actor: Option<Role>, row: &InvitationRow) -> bool {
    check_role(actor, Some(row), None).is_ok()
}

/// Takes an invitation back, unless it is above who does.
pub(crate) async fn revoke(state: &AppState, caller: &Caller, id: &InvitationId) -> Result<(), ApiError> {
    let now = platform::now();
    let row: Option<InvitationRow> = state.db.first(people::invitation_by_id(id, now)).await?;
    let row = row.ok_or_else(|| ApiError::no_such("invitation"))?;
    check_role(caller.access.0.fleet, Some(&row), None)?;
    let record = activity::record_if_changed(now, &caller.actor.0, "user.uninvite", id.as_str(), "");
    state
        .db
        .batch(vec![people::delete_invitation(id), record])
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::{UnixMillis, UserId};

    #[test]
    fn check_role_keeps_an_invitation_from_whom_it_is_above() {
        let (admin, owner, viewer) = (Some(Role::Admin), Some(Role::Owner), Some(Role::Viewer));
        let open = |role: Option<Role>| -> InvitationRow {
            serde_json::from_value(serde_json::json!({
                "id": InvitationId::new(UnixMillis(1), [0; 10]),
                "email": "jane@shop.test",
                "role": role,
                "projects": "{}",
                "invited_by": UserId::new(UnixMillis(1), [0; 10]),
                "created_at": 1,
                "expires_at": 2,
            }))
            .unwrap()
        };
        let (to_owner, to_viewer) = (open(owner), open(viewer));
        // Who acts, the open invitation, the role that comes in its place (none where it is taken back), whether it is
        // allowed.
        for (actor, older, role, allowed) in [
            (admin, None, admin, true),
            (admin, None, owner, false),
            (admin, Some(&to_viewer), admin, true),
            (admin, Some(&to_viewer), None, true),
            (admin, Some(&to_owner), viewer, false),
            (admin, Some(&to_owner), None, false),
            (owner, Some(&to_owner), viewer, true),
            (owner, Some(&to_owner), None, true),
            (None, None, None, false),
        ] {
            assert_eq!(
                check_role(actor, older, role).is_ok(),
                allowed,
                "{actor:?} {older:?} {role:?}"
            );
        }
    }
}
