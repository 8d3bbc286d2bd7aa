//! Projects and their environments.

use super::view::{EnvironmentMade, Hook, JobQueued, Project, ProjectDetail, ProjectMade, Target};
use crate::access::{Needs, Routes};
use crate::answer::{Accepted, AcceptedOrDone, Created, Versioned};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body, Paging, Query};
use crate::service::projects::scale::Wanted;
use crate::service::projects::{NewProject, ProjectChanges};
use crate::service::{environments, projects, repository_tokens, targets};
use crate::store::cards::{self, ProjectCard, Show};
use crate::store::{PAGE_ROWS, Page};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::job::Part;
use devflow_protocol::project::Environment;
use devflow_protocol::text::{EnvName, StepName};
use devflow_protocol::{ProjectId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/projects",
            Needs::may(Action::Enter),
            "List the projects that the caller may see, by slug",
            list,
        )
        .api(
            Method::POST,
            "/api/v1/projects",
            Needs::may(Action::CreateProject),
            "Make a project",
            create,
        )
        .api(
            Method::GET,
            "/api/v1/projects/{id}",
            Needs::project(Action::SeeProject),
            "Show a project",
            show,
        )
        .api(
            Method::PATCH,
            "/api/v1/projects/{id}",
            Needs::project(Action::ChangeSettings),
            "Change the given fields of a project (JSON Merge Patch); `null` takes a setting back to its default",
            update,
        )
        .api(
            Method::DELETE,
            "/api/v1/projects/{id}",
            Needs::project(Action::RemoveProject),
            "Remove a project, from its server too",
            remove,
        )
        .api(
            Method::GET,
            "/api/v1/projects/{id}/pipeline",
            Needs::project(Action::SeeProject),
            "Show what the next deployment will do, step by step",
            super::pipeline::show,
        )
        .api(
            Method::GET,
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::SeeProject),
            "Show a project's variables: their names, and with `reveal` their values",
            show_environment,
        )
        .api(
            Method::PUT,
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::ChangeEnvironment),
            "Replace all variables; `If-Match` has to say which version",
            replace_environment,
        )
        .api(
            Method::PATCH,
            "/api/v1/projects/{id}/environment",
            Needs::project(Action::ChangeEnvironment),
            "Set and remove single variables",
            change_environment,
        )
        .api(
            Method::POST,
            "/api/v1/projects/{id}/stop",
            Needs::project(Action::Operate),
            "Stop a project",
            stop,
        )
        .api(
            Method::POST,
            "/api/v1/projects/{id}/restart",
            Needs::project(Action::Operate),
            "Start a project's containers anew, or one part of them",
            restart,
        )
        .api(
            Method::POST,
            "/api/v1/projects/{id}/scale",
            Needs::project(Action::ChangeSettings),
            "Run another number of workers, with other limits, without a deployment",
            scale,
        )
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ProjectDetail>>, ApiError> {
    let after = paging.cursor.as_deref().unwrap_or_default();
    let page = cards::page(Show::All, after, PAGE_ROWS, caller.access.visible());
    let rows: Vec<ProjectCard> = state.db.all(page).await?;
    let page = Page::new(rows, |card| card.project.slug.to_string());
    Ok(Json(page.try_map(ProjectDetail::try_from)?))
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Body(input): Body<NewProject>,
) -> Result<Created<ProjectMade>, ApiError> {
    let created = projects::create(&state, &caller.actor, input.0).await?;
    let hook = Hook {
        url: projects::hook::url(&state, &created.hook),
        provider: created.hook.provider,
        secret: Some(created.secret),
    };
    let project = Project::try_from(created.project)?;
    Ok(Created(ProjectMade { project, hook }))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Reveal {
    /// Show secrets too; that somebody looked is recorded.
    #[serde(default)]
    reveal: bool,
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Reveal>,
) -> Result<Versioned<ProjectDetail>, ApiError> {
    let card = projects::card(&state, &id).await?;
    let version = card.project.updated_at.0;
    let mut shown = ProjectDetail::try_from(card)?;
    let all = targets::of(&state, &id).await?;
    shown.targets = Some(all.into_iter().map(Target::from).collect());
    shown.repository_token_since = repository_tokens::since(&state, &id).await?;
    if let Some(hook) = projects::hook::of_project(&state, &id).await? {
        let mut secret = None;
        if query.reveal {
            caller.access.require(Action::SeeSecrets, Some(&id))?;
            secret = Some(projects::hook::reveal_secret(&state, &caller.actor, &hook).await?);
        }
        shown.hook = Some(Hook {
            url: projects::hook::url(&state, &hook),
            provider: hook.provider,
            secret,
        });
    }
    Ok(Versioned::new(version, shown))
}

#[worker::send]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(input): Body<ProjectChanges>,
) -> Result<Versioned<Project>, ApiError> {
    if input.names_servers() {
        targets::check_may_place(&caller.access)?;
    }
    let seen = |at: UnixMillis| condition.check("project", at.0);
    let row = projects::update(&state, &caller.actor, &id, seen, input.0).await?;
    Ok(Versioned::new(row.updated_at.0, row.try_into()?))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Remove its files, database and Redis keys too.
    #[serde(default)]
    purge: bool,
}

/// The only part that is started anew; all of it where none is named.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct RestartOf {
    /// What answers visitors; no request is lost by it.
    #[serde(default)]
    web: bool,
    /// The processes of the worker of this name.
    worker: Option<StepName>,
}

/// 202 with the job where the server has to take something down; 204 where there was nothing.
#[worker::send]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Removal>,
) -> Result<AcceptedOrDone<JobQueued>, ApiError> {
    let job = projects::remove(&state, &caller.actor, &id, query.purge).await?;
    Ok(AcceptedOrDone(job.map(JobQueued::new)))
}

#[worker::send]
async fn stop(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Accepted<JobQueued>, ApiError> {
    let job = projects::queue_job(&state, &caller.actor, &id, "stop").await?;
    Ok(Accepted(JobQueued::new(job)))
}

#[worker::send]
async fn restart(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<RestartOf>,
) -> Result<Accepted<JobQueued>, ApiError> {
    let part = match query {
        RestartOf {
            worker: Some(name), ..
        } => Some(Part::Worker { name }),
        RestartOf { web: true, .. } => Some(Part::Web),
        RestartOf { .. } => None,
    };
    let job = match part {
        None => projects::queue_job(&state, &caller.actor, &id, "restart").await?,
        Some(part) => projects::scale::restart_part(&state, &caller.actor, &id, part).await?,
    };
    Ok(Accepted(JobQueued::new(job)))
}

/// 202 with the job that brings the live release to it; 204 where nothing is live: the next deployment takes it up.
#[worker::send]
async fn scale(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    condition: IfMatch,
    Body(wanted): Body<Wanted>,
) -> Result<AcceptedOrDone<JobQueued>, ApiError> {
    let seen = |at: UnixMillis| condition.check("project", at.0);
    let job = projects::scale::scale(&state, &caller.actor, &id, seen, wanted).await?;
    Ok(AcceptedOrDone(job.map(JobQueued::new)))
}

/// A project's variables.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EnvironmentShown {
    /// 0 where there is none yet.
    version: u32,
    names: Vec<EnvName>,
    /// Since when this version is the newest; not with values.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<UnixMillis>,
    /// Only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Environment>,
}

#[worker::send]
async fn show_environment(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
    Query(query): Query<Reveal>,
) -> Result<Versioned<EnvironmentShown>, ApiError> {
    if query.reveal {
        caller.access.require(Action::SeeSecrets, Some(&id))?;
        let (version, values) = environments::reveal(&state, &caller.actor, &id).await?;
        let shown = EnvironmentShown {
            version,
            names: values.0.keys().cloned().collect(),
            created_at: None,
            values: Some(values),
        };
        return Ok(Versioned::new(version, shown));
    }
    let names = environments::names(&state, &id).await?;
    let shown = EnvironmentShown {
        version: names.version,
        names: names.list,
        created_at: names.created_at,
        values: None,
    };
    Ok(Versioned::new(names.version, shown))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
) -> Result<Versioned<EnvironmentMade>, ApiError> {
    if condition.is_missing() {
        return Err(ApiError::PreconditionRequired("environment"));
    }
    let seen = |version| condition.check("environment", version);
    let version = environments::replace(&state, &caller.actor, &id, seen, new.values).await?;
    Ok(Versioned::new(version, EnvironmentMade { version }))
}

/// New values by name; `null` removes a variable.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
) -> Result<Versioned<EnvironmentMade>, ApiError> {
    let seen = |version| condition.check("environment", version);
    let version = environments::change(&state, &caller.actor, &id, seen, changes.values).await?;
    Ok(Versioned::new(version, EnvironmentMade { version }))
}
