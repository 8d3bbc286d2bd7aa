//! People and invitations.

use crate::access::{Needs, Routes};
use crate::answer::{Created, Done, Versioned};
use crate::app::AppState;
use crate::auth::Caller;
use crate::crypt;
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body, Paging, Query};
use crate::platform;
use crate::service::{invitations, people};
use crate::store::deployments::FROM_NEWEST;
use crate::store::people::{self as store, InvitationRow, MemberRow, PersonRow};
use crate::store::{Page, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::{Action, Role};
use devflow_protocol::{InvitationId, ProjectId, UnixMillis, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/people",
            Needs::may(Action::SeePeople),
            "List the people by e-mail address",
            list,
        )
        .api(
            Method::GET,
            "/api/v1/people/{id}",
            Needs::may(Action::SeePeople),
            "Show a person",
            show,
        )
        .api(
            Method::PATCH,
            "/api/v1/people/{id}",
            Needs::may(Action::ManagePeople),
            "Change a person's roles, or disable them",
            edit,
        )
        .api(
            Method::DELETE,
            "/api/v1/people/{id}",
            Needs::may(Action::ManagePeople),
            "Delete a person",
            delete,
        )
        .api(
            Method::GET,
            "/api/v1/invitations",
            Needs::may(Action::SeePeople),
            "List the invitations that are open, newest first",
            list_invitations,
        )
        .api(
            Method::POST,
            "/api/v1/invitations",
            Needs::may(Action::ManagePeople),
            "Invite somebody; the link is shown this once",
            invite,
        )
        .api(
            Method::DELETE,
            "/api/v1/invitations/{id}",
            Needs::may(Action::ManagePeople),
            "Take an invitation back",
            revoke,
        )
        .api(
            Method::GET,
            "/api/v1/projects/{id}/people",
            Needs::project(Action::ManageMembers),
            "List who has a role in a project alone",
            list_members,
        )
        .api(
            Method::PATCH,
            "/api/v1/projects/{id}/people",
            Needs::project(Action::ManageMembers),
            "Give somebody a role in a project, or take it",
            edit_member,
        )
}

/// A person.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Person {
    id: UserId,
    email: String,
    /// For the fleet, and so for every project.
    role: Option<Role>,
    /// Roles of single projects.
    projects: BTreeMap<ProjectId, Role>,
    disabled_at: Option<UnixMillis>,
    /// Signing in asks for more than a password.
    second_factor: bool,
    created_at: UnixMillis,
    /// Last use of a session that is still there.
    seen_at: Option<UnixMillis>,
}

impl TryFrom<PersonRow> for Person {
    type Error = StoreError;

    fn try_from(row: PersonRow) -> Result<Self, StoreError> {
        Ok(Self {
            projects: row.projects()?,
            id: row.id,
            email: row.email,
            role: row.role,
            disabled_at: row.disabled_at,
            second_factor: row.has_factor != 0,
            created_at: row.created_at,
            seen_at: row.seen_at,
        })
    }
}

/// Somebody with a role in a project.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Member {
    user: UserId,
    email: String,
    role: Role,
}

/// All with a role in a project alone.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Members {
    items: Vec<Member>,
}

/// An open invitation.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Invitation {
    id: InvitationId,
    email: String,
    role: Option<Role>,
    /// Roles of single projects that it gives.
    projects: BTreeMap<ProjectId, Role>,
    invited_by: UserId,
    created_at: UnixMillis,
    expires_at: UnixMillis,
}

impl TryFrom<InvitationRow> for Invitation {
    type Error = StoreError;

    fn try_from(row: InvitationRow) -> Result<Self, StoreError> {
        Ok(Self {
            projects: row.projects()?,
            id: row.id,
            email: row.email,
            role: row.role,
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// An invitation that was made.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct InvitationMade {
    invitation: Invitation,
    /// Shown this once.
    link: String,
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Person>>, ApiError> {
    let rows: Vec<PersonRow> = state
        .db
        .all(store::list(paging.cursor.as_deref().unwrap_or_default()))
        .await?;
    let page = Page::new(rows, |row| row.email.clone());
    Ok(Json(page.try_map(Person::try_from)?))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Versioned<Person>, ApiError> {
    as_they_are(&state, &id).await
}

async fn as_they_are(state: &AppState, id: &UserId) -> Result<Versioned<Person>, ApiError> {
    let row = people::get(state, id).await?;
    Ok(Versioned::new(row.version(), row.try_into()?))
}

/// A field whose null is not the same as its absence.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Edit {
    /// Null takes the role for the fleet.
    #[serde(default, deserialize_with = "given")]
    role: Option<people::FleetRole>,
    /// Null takes the role of a project; those that are not named stay.
    #[serde(default)]
    projects: BTreeMap<ProjectId, Option<Role>>,
    disabled: Option<bool>,
    /// True takes app, passkeys and recovery codes away.
    #[serde(default)]
    drop_second_factor: bool,
}

#[worker::send]
async fn edit(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    condition: IfMatch,
    Body(edit): Body<Edit>,
) -> Result<Versioned<Person>, ApiError> {
    let edit = people::Edit {
        role: edit.role,
        projects: edit.projects,
        disabled: edit.disabled,
        drop_factor: edit.drop_second_factor,
    };
    let seen = |person: &PersonRow| condition.check("person", person.version());
    people::edit(&state, &caller, &id, seen, &edit).await?;
    as_they_are(&state, &id).await
}

#[worker::send]
async fn delete(State(state): State<AppState>, caller: Caller, Id(id): Id<UserId>) -> Result<Done, ApiError> {
    people::delete(&state, &caller, &id).await?;
    Ok(Done)
}

#[worker::send]
async fn list_invitations(
    State(state): State<AppState>,
    _caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Invitation>>, ApiError> {
    let before = paging.cursor.as_deref().unwrap_or(FROM_NEWEST);
    let rows: Vec<InvitationRow> = state.db.all(store::invitations(platform::now(), before)).await?;
    let page = Page::new(rows, |row| row.id.to_string());
    Ok(Json(page.try_map(Invitation::try_from)?))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    email: String,
    role: Option<Role>,
    #[serde(default)]
    projects: BTreeMap<ProjectId, Role>,
}

#[worker::send]
async fn invite(
    State(state): State<AppState>,
    caller: Caller,
    Body(new): Body<NewInvitation>,
) -> Result<Created<InvitationMade>, ApiError> {
    let wanted = invitations::Wanted {
        email: new.email,
        role: new.role,
        projects: new.projects,
    };
    let made = invitations::invite(&state, &caller, &wanted).await?;
    Ok(Created(InvitationMade {
        invitation: made.row.try_into()?,
        link: made.link,
    }))
}

#[worker::send]
async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<InvitationId>,
) -> Result<Done, ApiError> {
    invitations::revoke(&state, &caller, &id).await?;
    Ok(Done)
}

async fn members(state: &AppState, project: &ProjectId) -> Result<Versioned<Members>, ApiError> {
    let rows: Vec<MemberRow> = state.db.all(store::members(project)).await?;
    let version = version_of(&rows);
    let items = rows.into_iter().map(|row| Member {
        user: row.user,
        email: row.email,
        role: row.role,
    });
    let items = items.collect();
    Ok(Versioned::new(version, Members { items }))
}

/// Changes with who is in the list, and with their roles.
fn version_of(rows: &[MemberRow]) -> String {
    let texts = rows
        .iter()
        .map(|row| format!("{} {}", row.user, row.role.as_str()));
    crypt::hash(texts.collect::<Vec<_>>().join("\n").as_bytes())
}

#[worker::send]
async fn list_members(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Versioned<Members>, ApiError> {
    members(&state, &id).await
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewMember {
    /// Of somebody who is here.
    email: String,
    /// Null takes the role.
    #[serde(deserialize_with = "Option::deserialize")]
    role: Option<Role>,
}

#[worker::send]
async fn edit_member(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(new): Body<NewMember>,
) -> Result<Versioned<Members>, ApiError> {
    if !condition.is_missing() {
        let rows: Vec<MemberRow> = state.db.all(store::members(&id)).await?;
        condition.check("list of people", version_of(&rows))?;
    }
    people::set_member(&state, &caller, &id, new.email.trim(), new.role).await?;
    members(&state, &id).await
}
