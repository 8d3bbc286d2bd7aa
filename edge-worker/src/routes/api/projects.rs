//! Projects and their environments.

use super::view;
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body, Paging, Query, Versioned, versioned};
use crate::service::{environments, projects};
use crate::store::cards::{self, ProjectCard, Show};
use crate::store::{PAGE_ROWS, Page};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use devflow_domain::access::Action;
use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use devflow_protocol::{JobId, ProjectId, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn router() -> Routes {
    Routes::new()
        .get("/api/v1/projects", Needs::may(Action::Enter), list)
        .post("/api/v1/projects", Needs::may(Action::CreateProject), create)
        .get("/api/v1/projects/{id}", Needs::project(Action::SeeProject), show)
        .patch(
            "/api/v1/projects/{id}",
            Needs::project(Action::ChangeSettings),
            update,
        )
        .delete(
            "/api/v1/projects/{id}",
            Needs::project(Action::RemoveProject),
            remove,
        )
        .get(
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::SeeProject),
            show_environment,
        )
        .put(
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::ChangeEnvironment),
            replace_environment,
        )
        .patch(
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::ChangeEnvironment),
            change_environment,
        )
        .post(
            "/api/v1/projects/{id}/stop",
            Needs::project(Action::Operate),
            stop,
        )
        .post(
            "/api/v1/projects/{id}/restart",
            Needs::project(Action::Operate),
            restart,
        )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, ApiError> {
    let after = paging.cursor.as_deref().unwrap_or_default();
    let page = cards::page(Show::All, after, PAGE_ROWS, caller.access.visible());
    let rows: Vec<ProjectCard> = state.db.all(page).await?;
    let page = Page::new(rows, |card| card.project.slug.to_string());
    let shown = page.items.iter().map(view::card).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "items": shown, "next": page.next })))
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(input): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let created = projects::create(&state, &caller.actor, input).await?;
    let hook = json!({
        "url": projects::hook::url(&state, &created.hook),
        "provider": created.hook.provider,
        "secret": created.secret,
    });
    Ok((
        StatusCode::CREATED,
        Json(json!({ "project": view::project(&created.project)?, "hook": hook })),
    ))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reveal {
    #[serde(default)]
    reveal: bool,
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Reveal>,
) -> Result<Versioned<Json<Value>>, ApiError> {
    let card = projects::card(&state, &id).await?;
    let mut shown = view::card(&card)?;
    if let (Value::Object(fields), Some(hook)) = (&mut shown, projects::hook::of_project(&state, &id).await?)
    {
        let mut view = json!({ "url": projects::hook::url(&state, &hook), "provider": hook.provider });
        if query.reveal {
            caller.access.require(Action::SeeSecrets, Some(&id))?;
            view["secret"] = projects::hook::reveal_secret(&state, &caller.actor, &hook)
                .await?
                .into();
        }
        fields.insert("hook".to_owned(), view);
    }
    Ok(versioned(card.project.updated_at.0, Json(shown)))
}

#[worker::send]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(input): Body<Map<String, Value>>,
) -> Result<Versioned<Json<Value>>, ApiError> {
    let seen = |at: UnixMillis| condition.check("project", at.0);
    let row = projects::update(&state, &caller.actor, &id, seen, input).await?;
    Ok(versioned(row.updated_at.0, Json(view::project(&row)?)))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    #[serde(default)]
    purge: bool,
}

/// 202 with the job where the server has to take something down; 204 where there was nothing.
#[worker::send]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Removal>,
) -> Result<axum::response::Response, ApiError> {
    use axum::response::IntoResponse as _;
    match projects::remove(&state, &caller.actor, &id, query.purge).await? {
        Some(job) => Ok((StatusCode::ACCEPTED, Json(queued(&job))).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

fn queued(job: &JobId) -> Value {
    view::named("job", json!({ "id": job, "state": "queued" }))
}

#[worker::send]
async fn stop(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let job = projects::queue_job(&state, &caller.actor, &id, "stop").await?;
    Ok((StatusCode::ACCEPTED, Json(queued(&job))))
}

#[worker::send]
async fn restart(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let job = projects::queue_job(&state, &caller.actor, &id, "restart").await?;
    Ok((StatusCode::ACCEPTED, Json(queued(&job))))
}

#[worker::send]
async fn show_environment(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Reveal>,
) -> Result<Versioned<Json<Value>>, ApiError> {
    if query.reveal {
        caller.access.require(Action::SeeSecrets, Some(&id))?;
        let (version, values) = environments::reveal(&state, &caller.actor, &id).await?;
        let names: Vec<_> = values.0.keys().collect();
        let shown = json!({ "version": version, "names": names, "values": values });
        return Ok(versioned(version, Json(shown)));
    }
    let names = environments::names(&state, &id).await?;
    let shown = json!({ "version": names.version, "names": names.list, "created_at": names.created_at });
    Ok(versioned(names.version, Json(shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEnvironment {
    values: Environment,
}

/// Replaces what the caller has seen: a variable that somebody else added meanwhile would be lost.
#[worker::send]
async fn replace_environment(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(new): Body<NewEnvironment>,
) -> Result<Versioned<Json<Value>>, ApiError> {
    if condition.is_missing() {
        return Err(ApiError::PreconditionRequired("environment"));
    }
    let seen = |version| condition.check("environment", version);
    let version = environments::replace(&state, &caller.actor, &id, seen, new.values).await?;
    Ok(versioned(version, Json(view::named("version", version))))
}

/// New values by name; `null` removes a variable.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentChanges {
    values: BTreeMap<EnvName, Option<String>>,
}

#[worker::send]
async fn change_environment(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(changes): Body<EnvironmentChanges>,
) -> Result<Versioned<Json<Value>>, ApiError> {
    let seen = |version| condition.check("environment", version);
    let version = environments::change(&state, &caller.actor, &id, seen, changes.values).await?;
    Ok(versioned(version, Json(view::named("version", version))))
}
