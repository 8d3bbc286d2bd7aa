//! People and invitations.

use super::view;
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, Json as Body, Paging, Query};
use crate::service::{invitations, people};
use crate::store::Page;
use crate::store::people::{self as store, PersonRow};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devflow_domain::access::{Action, Role};
use devflow_protocol::{InvitationId, ProjectId, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn router() -> Routes {
    Routes::new()
        .get("/api/v1/people", Needs::may(Action::SeePeople), list)
        .get("/api/v1/people/{id}", Needs::may(Action::SeePeople), show)
        .patch("/api/v1/people/{id}", Needs::may(Action::ManagePeople), edit)
        .delete("/api/v1/people/{id}", Needs::may(Action::ManagePeople), delete)
        .get(
            "/api/v1/invitations",
            Needs::may(Action::SeePeople),
            list_invitations,
        )
        .post("/api/v1/invitations", Needs::may(Action::ManagePeople), invite)
        .delete(
            "/api/v1/invitations/{id}",
            Needs::may(Action::ManagePeople),
            revoke,
        )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, ApiError> {
    let rows: Vec<PersonRow> = state
        .db
        .all(store::list(paging.cursor.as_deref().unwrap_or_default()))
        .await?;
    let page = Page::new(rows, |row| row.email.clone());
    let items = page
        .items
        .iter()
        .map(view::person)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "items": items, "next": page.next })))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<UserId>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(view::person(&people::get(&state, &id).await?)?))
}

/// A field whose null is not the same as its absence.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// Null takes the role for the fleet.
    #[serde(default, deserialize_with = "given")]
    role: Option<people::FleetRole>,
    /// Null takes the role of a project; those that are not named stay.
    #[serde(default)]
    projects: BTreeMap<ProjectId, Option<Role>>,
    disabled: Option<bool>,
}

#[worker::send]
async fn edit(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
    Body(edit): Body<Edit>,
) -> Result<Json<Value>, ApiError> {
    let edit = people::Edit {
        role: edit.role,
        projects: edit.projects,
        disabled: edit.disabled,
    };
    people::edit(&state, &caller, &id, &edit).await?;
    Ok(Json(view::person(&people::get(&state, &id).await?)?))
}

#[worker::send]
async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<UserId>,
) -> Result<StatusCode, ApiError> {
    people::delete(&state, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[worker::send]
async fn list_invitations(State(state): State<AppState>, _caller: Caller) -> Result<Json<Value>, ApiError> {
    let rows = invitations::open(&state).await?;
    let items = rows.iter().map(view::invitation).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(view::named("items", items)))
}

#[derive(Deserialize)]
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
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let wanted = invitations::Wanted {
        email: new.email,
        role: new.role,
        projects: new.projects,
    };
    let made = invitations::invite(&state, &caller, &wanted).await?;
    let shown = json!({ "invitation": view::invitation(&made.row)?, "link": made.link });
    Ok((StatusCode::CREATED, Json(shown)))
}

#[worker::send]
async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<InvitationId>,
) -> Result<StatusCode, ApiError> {
    invitations::revoke(&state, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
