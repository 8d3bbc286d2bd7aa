//! Projects: making, changing, stopping, removing.

pub(crate) mod hook;
mod input;
pub(crate) mod scale;
mod token;

pub(crate) use input::{NewProject, ProjectChanges};

use super::environments;
use super::targets::Servers;
use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::cards::{self, ProjectCard};
use crate::store::environments::NewVersion;
use crate::store::hooks::HookRow;
use crate::store::lease::Arguments;
use crate::store::projects::{ProjectRow, ProjectState, Update};
use crate::store::{Statement, activity, environments as environment_store, hooks, jobs, projects};
use devflow_domain::search;
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::Policy;
use devflow_domain::webhook::Provider;
use devflow_protocol::project::Environment;
use devflow_protocol::text::{Fqdn, Slug};
use devflow_protocol::{HookId, JobId, ProjectId, UnixMillis};
use serde_json::{Map, Value};

/// One project.
pub(crate) async fn get(state: &AppState, id: &ProjectId) -> Result<ProjectRow, ApiError> {
    state
        .db
        .first(projects::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("project"))
}

/// One project as the overview shows it.
pub(crate) async fn card(state: &AppState, id: &ProjectId) -> Result<ProjectCard, ApiError> {
    state
        .db
        .first(cards::one(id))
        .await?
        .ok_or_else(|| ApiError::no_such("project"))
}

/// A project that was made.
pub(crate) struct Created {
    pub(crate) project: ProjectRow,
    pub(crate) hook: HookRow,
    /// Of the hook.
    pub(crate) secret: String,
}

/// Makes a project with its environment and its hook, from the fields of the API.
pub(crate) async fn create(
    state: &AppState,
    actor: &Actor,
    input: Map<String, Value>,
) -> Result<Created, ApiError> {
    let (head, settings) = input::split(input);
    let (head, settings): (input::Head, _) = (input::read(head)?, input::read_settings(settings)?);
    let name = input::project_name(&head.name)?;
    let servers = Servers {
        list: head.servers()?,
        policy: head.server_policy,
    };
    let slug = input::slug(head.slug.as_deref(), &name)?;
    let ref_name = input::ref_of(head.branch.as_deref().unwrap_or("main"))?;
    let id = platform::new_id(ProjectId::new);
    servers.check(state, &id, &[], &settings).await?;
    let now = platform::now();
    let token = token::first(state, actor, &id, &head, &settings.repository, now).await?;
    let json = serde_json::to_string(&settings).map_err(|error| ApiError::Internal(error.to_string()))?;
    let project = projects::NewProject {
        id: &id,
        slug: &slug,
        name: &name,
        server: &servers.list[0],
        ref_name: &ref_name,
        settings: &json,
        now,
    };
    let secret = insert(state, actor, &project, &servers, head.provider, &settings, token).await?;
    state.signal(None, super::topics(None, None));
    let hook = hook::of_project(state, &id).await?;
    Ok(Created {
        project: get(state, &id).await?,
        hook: hook.ok_or_else(|| ApiError::no_such("hook"))?,
        secret,
    })
}

/// What a project is found by, as a JSON list.
fn phrases(name: &str, slug: &Slug, settings: &ProjectSettings) -> String {
    let texts = [name, slug.as_str()]
        .into_iter()
        .chain(settings.domains.iter().map(Fqdn::as_str));
    let mut phrases = search::phrases(texts.chain(settings.tags.iter().map(Slug::as_str)));
    phrases.extend(settings.tags.iter().map(|tag| search::tag_phrase(tag.as_str())));
    serde_json::to_string(&phrases).expect("phrases are texts")
}

/// Writes a project, its first environment, its hook and its access token in one batch; gives the hook's secret.
async fn insert(
    state: &AppState,
    actor: &Actor,
    project: &projects::NewProject<'_>,
    servers: &Servers,
    provider: Provider,
    settings: &ProjectSettings,
    token: Vec<Statement>,
) -> Result<String, ApiError> {
    let (id, slug, now) = (project.id, project.slug, project.now);
    let (hook, secret) = (platform::new_id(HookId::new), hook::new_secret(provider));
    let context = crypt::hook_context(hook.as_str());
    let sealed = state
        .config
        .data_key
        .encrypt(&context, secret.as_bytes(), platform::entropy());
    let values = environments::initial(settings.framework);
    let (environment, names) = environments::seal(state, id, 1, &values);
    let mut batch = vec![projects::insert(project)];
    if servers.list.len() > 1 || servers.policy != Policy::default() {
        batch.extend(servers.set(id, now));
    }
    batch.extend(projects::find_by(id, &phrases(project.name, slug, settings), now));
    batch.extend(environment_store::insert(&NewVersion {
        project: id,
        version: 1,
        sealed: &environment,
        names: &names,
        actor: &actor.0,
        changes: &environments::told(&Environment::default(), &values),
        now,
    }));
    batch.push(hooks::insert(&hook, id, provider, &sealed, now));
    batch.extend(token);
    batch.push(activity::record(
        now,
        &actor.0,
        "project.create",
        id.as_str(),
        slug.as_str(),
    ));
    match state.db.batch(batch).await {
        Ok(_) => Ok(secret),
        Err(error) if error.is_duplicate("projects.slug") => Err(ApiError::Conflict(
            "slug_taken",
            format!("There is a project with the slug {slug}; take another."),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Changes the given fields of the version that `seen` accepts, also inside `limits` and the like; `null` takes a
/// setting back to its default.
pub(crate) async fn update(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    seen: impl Fn(UnixMillis) -> Result<(), ApiError>,
    input: Map<String, Value>,
) -> Result<ProjectRow, ApiError> {
    let (mut head, changes) = input::split(input);
    if let Some(field) = input::FIXED.iter().find(|&&field| head.contains_key(field)) {
        let instead = match *field {
            "server" => "cannot be changed; name all servers in `servers`",
            _ => "cannot be changed; make a new project",
        };
        return Err(ApiError::invalid(field, instead));
    }
    let row = get(state, id).await?;
    seen(row.updated_at)?;
    let before = Servers::of(state, &row).await?;
    let (servers, token) = (before.changed(&mut head)?, input::token_change(&mut head)?);
    if servers != before && row.state == ProjectState::Removing {
        return Err(removing());
    }
    let mut text = |field: &str| match head.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid(field, "a text")),
    };
    let name = text("name")?.map_or(Ok(row.name.clone()), |name| input::project_name(&name))?;
    let ref_name = text("branch")?.map_or(Ok(row.ref_name.clone()), |branch| input::ref_of(&branch))?;
    let mut merged =
        serde_json::to_value(row.settings()?).map_err(|error| ApiError::Internal(error.to_string()))?;
    input::merge(&mut merged, Value::Object(changes));
    let Value::Object(merged) = merged else {
        return Err(ApiError::Internal("settings are no object".to_owned()));
    };
    let settings = input::read_settings(merged)?;
    servers.check(state, id, &before.list, &settings).await?;
    let json = serde_json::to_string(&settings).map_err(|error| ApiError::Internal(error.to_string()))?;
    let now = platform::now().max(row.updated_at.plus(1));
    let token = token::change(state, actor, &row, &settings.repository, token, now).await?;
    let what = if servers == before { "" } else { "its servers" };
    let mut batch = vec![
        projects::update(&Update {
            id,
            name: &name,
            ref_name: &ref_name,
            settings: &json,
            seen_at: row.updated_at,
            now,
        }),
        activity::record_if_changed(now, &actor.0, "project.update", id.as_str(), what),
    ];
    batch.extend(projects::find_by(id, &phrases(&name, &row.slug, &settings), now));
    batch.extend(token);
    if servers != before {
        batch.extend(servers.set(id, now));
        batch.extend(servers.take_down(&before, id, now));
    }
    let answers = state.db.batch(batch).await.map_err(Servers::refused)?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::Conflict(
            "changed_meanwhile",
            "Somebody else changed the project just now; load it again and repeat the change.".to_owned(),
        ));
    }
    state.signal(None, super::topics(Some(id), None));
    for server in before.without(&servers) {
        state.signal(Some(server), vec![]);
    }
    get(state, id).await
}

/// Queues a job about a project as a whole, on each of its servers: `stop` or `restart`.
pub(crate) async fn queue_job(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    verb: &str,
) -> Result<JobId, ApiError> {
    queue_job_with(state, actor, id, verb, &Arguments::default()).await
}

/// The same, with what the verb needs beside the project; gives the job of the first server.
async fn queue_job_with(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    verb: &str,
    arguments: &Arguments,
) -> Result<JobId, ApiError> {
    let row = get(state, id).await?;
    if row.state == ProjectState::Removing {
        return Err(removing());
    }
    if row.live_deployment.is_none() {
        return Err(ApiError::Conflict(
            "not_deployed",
            "The project has no live release yet; deploy it first.".to_owned(),
        ));
    }
    let now = platform::now();
    let servers = Servers::of(state, &row).await?.list;
    let arguments = serde_json::to_string(arguments).expect("arguments are plain");
    let ids: Vec<JobId> = servers.iter().map(|_| platform::new_id(JobId::new)).collect();
    let jobs = servers.iter().zip(&ids).map(|(server, job)| {
        jobs::insert(&jobs::NewJob {
            id: job,
            server,
            project: Some(id),
            verb,
            arguments: &arguments,
            now,
        })
    });
    let action = format!("project.{verb}");
    let record = activity::record(now, &actor.0, &action, id.as_str(), "");
    state.db.batch(jobs.chain([record]).collect()).await?;
    for server in &servers {
        state.signal(Some(server), super::topics(Some(id), None));
    }
    ids.into_iter()
        .next()
        .ok_or_else(|| ApiError::Internal("the project has no server".to_owned()))
}

/// The project is on its way out.
pub(crate) fn removing() -> ApiError {
    ApiError::Conflict(
        "removing",
        "The project is being removed; wait until its server has done so.".to_owned(),
    )
}

/// Removes a project: its servers take it down one after the other, the first at the end, then its rows go. `purge` also removes shared files and database.
/// A project that no runner ever worked on goes at once: then there is no job.
pub(crate) async fn remove(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    purge: bool,
) -> Result<Option<JobId>, ApiError> {
    let row = get(state, id).await?;
    if row.state == ProjectState::Removing {
        return Err(removing());
    }
    let now = platform::now();
    let detail = if purge {
        "with shared files and database"
    } else {
        ""
    };
    let record = activity::record(now, &actor.0, "project.remove", id.as_str(), detail);
    let servers = Servers::of(state, &row).await?.list;
    let last = servers.last().unwrap_or(&row.server);
    let mut batch: Vec<_> = jobs::clear_queue(id, now).into();
    let job = if state
        .db
        .first::<serde_json::Value>(projects::started(id))
        .await?
        .is_none()
    {
        batch.push(projects::delete(id));
        None
    } else {
        let job = platform::new_id(JobId::new);
        let arguments = serde_json::to_string(&Arguments {
            purge,
            ..Arguments::default()
        })
        .expect("arguments are plain");
        let new = jobs::NewJob {
            id: &job,
            server: last,
            project: Some(id),
            verb: "remove_project",
            arguments: &arguments,
            now,
        };
        batch.push(jobs::insert(&new));
        batch.push(projects::mark_removing(id));
        Some(job)
    };
    batch.push(record);
    state.db.batch(batch).await?;
    state.signal(Some(last), super::topics(Some(id), None));
    Ok(job)
}
