//! Projects: making, changing, stopping, removing.

use super::{environments, host_names, servers};
use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::hooks::HookRow;
use crate::store::lease::Arguments;
use crate::store::projects::{NewProject, ProjectCard, ProjectRow, ProjectState};
use crate::store::{activity, environments as environment_store, hooks, jobs, projects};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_domain::settings::ProjectSettings;
use devflow_domain::webhook::Provider;
use devflow_protocol::text::{RefName, Slug};
use devflow_protocol::{HookId, JobId, ProjectId, ServerId};
use serde::Deserialize;
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
        .first(projects::card(id))
        .await?
        .ok_or_else(|| ApiError::no_such("project"))
}

/// The address that a provider sends to.
pub(crate) fn hook_url(state: &AppState, hook: &HookRow) -> String {
    format!(
        "{}/hooks/{}/{}",
        state.config.public_origin,
        hook.provider.as_str(),
        hook.id
    )
}

/// The hook of a project.
pub(crate) async fn hook(state: &AppState, project: &ProjectId) -> Result<Option<HookRow>, ApiError> {
    Ok(state.db.first(hooks::of_project(project)).await?)
}

/// The secret of a hook; that somebody looked is recorded.
pub(crate) async fn reveal_hook_secret(
    state: &AppState,
    actor: &Actor,
    hook: &HookRow,
) -> Result<String, ApiError> {
    let now = platform::now();
    state
        .db
        .run(activity::record(
            now,
            &actor.0,
            "hook.reveal",
            hook.id.as_str(),
            "",
        ))
        .await?;
    hook_secret(state, hook)
}

/// The secret of a hook, to check a delivery with.
pub(crate) fn hook_secret(state: &AppState, hook: &HookRow) -> Result<String, ApiError> {
    let plain = state
        .config
        .data_key
        .decrypt(&crypt::hook_context(hook.id.as_str()), &hook.secret)?;
    String::from_utf8(plain)
        .map_err(|error| ApiError::Internal(format!("a hook's secret is no text: {error}")))
}

/// What belongs to a project beside its settings.
#[derive(Deserialize)]
struct Head {
    name: String,
    slug: Option<String>,
    server: ServerId,
    branch: Option<String>,
    provider: Provider,
}

const HEAD_FIELDS: [&str; 5] = ["name", "slug", "server", "branch", "provider"];

/// Takes the fields that are not settings out of `input`.
fn split(mut input: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let head = HEAD_FIELDS
        .iter()
        .filter_map(|&field| Some((field.to_owned(), input.remove(field)?)))
        .collect();
    (head, input)
}

fn read<T: serde::de::DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(object))
        .map_err(|error| ApiError::invalid("body", error.to_string()))
}

fn read_settings(object: Map<String, Value>) -> Result<ProjectSettings, ApiError> {
    let settings: ProjectSettings = read(object)?;
    let problems = settings.problems();
    if problems.is_empty() {
        return Ok(settings);
    }
    Err(ApiError::Invalid(
        problems
            .into_iter()
            .map(|problem| (problem.field.to_owned(), problem.message))
            .collect(),
    ))
}

fn check_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(ApiError::invalid(
        "name",
        "give the project a name of 1 to 80 characters",
    ))
}

/// A slug made of a name, where none was given.
fn slug_of(name: &str) -> String {
    let letters: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = letters.split('-').filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(32).collect();
    slug.trim_end_matches('-').to_owned()
}

/// `main` is a branch; `refs/tags/…` is taken as it is.
fn ref_of(branch: &str) -> Result<RefName, ApiError> {
    let text = if branch.starts_with("refs/") {
        branch.to_owned()
    } else {
        format!("refs/heads/{branch}")
    };
    text.parse()
        .map_err(|error: devflow_protocol::text::InvalidText| ApiError::invalid("branch", error.to_string()))
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
    let (head, settings) = split(input);
    let (head, settings): (Head, _) = (read(head)?, read_settings(settings)?);
    let name = check_name(&head.name)?;
    let slug_text = head.slug.unwrap_or_else(|| slug_of(&name));
    let slug: Slug = slug_text
        .parse()
        .map_err(|error: devflow_protocol::text::InvalidText| ApiError::invalid("slug", error.to_string()))?;
    let ref_name = ref_of(head.branch.as_deref().unwrap_or("main"))?;
    if let Err(ApiError::NotFound(_)) = servers::get(state, &head.server).await {
        return Err(ApiError::invalid(
            "server",
            "there is no such server; add it first",
        ));
    }
    let (now, id, hook) = (
        platform::now(),
        platform::new_id(ProjectId::new),
        platform::new_id(HookId::new),
    );
    host_names::check_free(state, &head.server, &id, &settings).await?;
    let json = serde_json::to_string(&settings).map_err(|error| ApiError::Internal(error.to_string()))?;
    let secret = hook_secret_for(head.provider);
    let sealed_secret = state.config.data_key.encrypt(
        &crypt::hook_context(hook.as_str()),
        secret.as_bytes(),
        platform::entropy(),
    );
    let (environment, names) = environments::seal(state, &id, 1, &environments::initial(settings.framework));
    let project = NewProject {
        id: &id,
        slug: &slug,
        name: &name,
        server: &head.server,
        ref_name: &ref_name,
        settings: &json,
        now,
    };
    let mut batch = vec![projects::insert(&project)];
    batch.extend(environment_store::insert(&id, 1, &environment, &names, now));
    batch.push(hooks::insert(&hook, &id, head.provider, &sealed_secret, now));
    batch.push(activity::record(
        now,
        &actor.0,
        "project.create",
        id.as_str(),
        slug.as_str(),
    ));
    match state.db.batch(batch).await {
        Ok(_) => {}
        Err(error) if error.is_duplicate("projects.slug") => {
            return Err(ApiError::Conflict(
                "slug_taken",
                format!("There is a project with the slug {slug}; take another."),
            ));
        }
        Err(error) => return Err(error.into()),
    }
    state.signal(None, super::topics(None, None));
    let hook = self::hook(state, &id)
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    Ok(Created {
        project: get(state, &id).await?,
        hook,
        secret,
    })
}

/// GitHub signs with the secret's text; the others by Standard Webhooks, whose keys are base64 after `whsec_`.
fn hook_secret_for(provider: Provider) -> String {
    let entropy = platform::entropy::<32>();
    match provider {
        Provider::Github => hex::encode(entropy),
        Provider::Gitlab | Provider::Generic => format!("whsec_{}", STANDARD.encode(entropy)),
    }
}

/// JSON Merge Patch (RFC 7396): objects are merged field by field, `null` removes, everything else replaces.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Changes the given fields, also inside `limits` and the like; `null` takes a setting back to its default.
pub(crate) async fn update(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    input: Map<String, Value>,
) -> Result<ProjectRow, ApiError> {
    let (mut head, changes) = split(input);
    if let Some(field) = ["slug", "server", "provider"]
        .iter()
        .find(|&&field| head.contains_key(field))
    {
        return Err(ApiError::invalid(field, "cannot be changed; make a new project"));
    }
    let row = get(state, id).await?;
    let mut text = |field: &str| match head.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid(field, "a text")),
    };
    let name = text("name")?.map_or(Ok(row.name.clone()), |name| check_name(&name))?;
    let ref_name = text("branch")?.map_or(Ok(row.ref_name.clone()), |branch| ref_of(&branch))?;
    let before =
        serde_json::to_value(row.settings()?).map_err(|error| ApiError::Internal(error.to_string()))?;
    let mut merged = before;
    merge(&mut merged, Value::Object(changes));
    let Value::Object(merged) = merged else {
        return Err(ApiError::Internal("settings are no object".to_owned()));
    };
    let settings = read_settings(merged)?;
    host_names::check_free(state, &row.server, id, &settings).await?;
    let json = serde_json::to_string(&settings).map_err(|error| ApiError::Internal(error.to_string()))?;
    let now = platform::now();
    let batch = vec![
        projects::update(id, &name, &ref_name, &json, row.updated_at, now),
        activity::record(now, &actor.0, "project.update", id.as_str(), ""),
    ];
    if state
        .db
        .batch(batch)
        .await?
        .first()
        .is_none_or(|answer| answer.changes() == 0)
    {
        return Err(ApiError::Conflict(
            "changed_meanwhile",
            "Somebody else changed the project just now; load it again and repeat the change.".to_owned(),
        ));
    }
    state.signal(None, super::topics(Some(id), None));
    get(state, id).await
}

/// Queues a job about a project as a whole: `stop` or `restart`.
pub(crate) async fn queue_job(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    verb: &str,
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
    let (now, job) = (platform::now(), platform::new_id(JobId::new));
    let new = jobs::NewJob {
        id: &job,
        server: &row.server,
        project: Some(id),
        verb,
        arguments: "{}",
        now,
    };
    let action = format!("project.{verb}");
    state
        .db
        .batch(vec![
            jobs::insert(&new),
            activity::record(now, &actor.0, &action, id.as_str(), ""),
        ])
        .await?;
    state.signal(Some(&row.server), super::topics(Some(id), None));
    Ok(job)
}

/// The project is on its way out.
pub(crate) fn removing() -> ApiError {
    ApiError::Conflict(
        "removing",
        "The project is being removed; wait until its server has done so.".to_owned(),
    )
}

/// Removes a project: its server takes it down, then its rows go. `purge` also removes shared files and database.
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
        let arguments = serde_json::to_string(&Arguments { job: None, purge }).expect("arguments are plain");
        let new = jobs::NewJob {
            id: &job,
            server: &row.server,
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
    state.signal(Some(&row.server), super::topics(Some(id), None));
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_of_makes_what_a_slug_may_be() {
        let slugs: Vec<String> = [
            "Shop",
            "My  Süper Shop!",
            "--a--",
            "ends with a very long name that is cut-",
        ]
        .into_iter()
        .map(slug_of)
        .collect();
        assert_eq!(
            slugs,
            ["shop", "my-s-per-shop", "a", "ends-with-a-very-long-name-that"]
        );
    }

    #[test]
    fn merge_does_what_the_rfc_s_appendix_shows() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, expected) in cases {
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let mut merged = parse(target);
            merge(&mut merged, parse(patch));
            assert_eq!(merged, parse(expected), "{target} + {patch}");
        }
    }

    #[test]
    fn ref_of_takes_branches_and_whole_refs() {
        assert_eq!(ref_of("main").unwrap().as_str(), "refs/heads/main");
        assert_eq!(ref_of("refs/tags/v1").unwrap().as_str(), "refs/tags/v1");
        assert!(ref_of("a b").is_err());
    }
}
