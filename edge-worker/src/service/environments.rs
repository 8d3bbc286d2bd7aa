//! A project's environment: versions, encrypted at rest, opened for its reader or for one runner.

use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::service::projects;
use crate::store::environments::{EnvironmentRow, LiveRow, NewVersion, PastVersion};
use crate::store::projects::ProjectRow;
use crate::store::{InBatch as _, StoreError, activity, environments};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_domain::environment;
use devflow_protocol::job::environment_context;
use devflow_protocol::limits::ENVIRONMENT_BYTES;
use devflow_protocol::project::{Environment, Framework};
use devflow_protocol::text::EnvName;
use devflow_protocol::{ProjectId, UnixMillis};

/// The names of a project's variables, without their values, and since when.
pub(crate) struct Names {
    pub(crate) version: u32,
    pub(crate) list: Vec<EnvName>,
    pub(crate) created_at: Option<UnixMillis>,
}

async fn current(state: &AppState, project: &ProjectId) -> Result<Option<EnvironmentRow>, ApiError> {
    Ok(state.db.first(environments::current(project)).await?)
}

/// The names; a project without an environment has version 0.
pub(crate) async fn names(state: &AppState, project: &ProjectId) -> Result<Names, ApiError> {
    projects::get(state, project).await?;
    let Some(row) = current(state, project).await? else {
        return Ok(Names {
            version: 0,
            list: vec![],
            created_at: None,
        });
    };
    let list = serde_json::from_str(&row.names)
        .map_err(|error| StoreError::unreadable("environments.names", &error))?;
    Ok(Names {
        version: row.version,
        list,
        created_at: Some(row.created_at),
    })
}

/// Names and values; that somebody looked is recorded.
pub(crate) async fn reveal(
    state: &AppState,
    actor: &Actor,
    project: &ProjectId,
) -> Result<(u32, Environment), ApiError> {
    projects::get(state, project).await?;
    let now = platform::now();
    state
        .db
        .run(activity::record(
            now,
            &actor.0,
            "environment.reveal",
            project.as_str(),
            "",
        ))
        .await?;
    match current(state, project).await? {
        None => Ok((0, Environment::default())),
        Some(row) => Ok((row.version, open(state, project, &row)?)),
    }
}

/// What makes `after` of `before`, as it is stored.
pub(crate) fn told(before: &Environment, after: &Environment) -> String {
    serde_json::to_string(&environment::changes(before, after)).expect("names are texts")
}

/// The newest versions: who changed what, and the first deployment that went live with it, of the newest 50 that did.
pub(crate) async fn history(
    state: &AppState,
    project: &ProjectId,
) -> Result<Vec<(PastVersion, Option<LiveRow>)>, ApiError> {
    let answers = state
        .db
        .batch(vec![environments::history(project), environments::live(project)])
        .await?;
    let versions: Vec<PastVersion> = answers.first().rows()?;
    let live: Vec<LiveRow> = answers.get(1).rows()?;
    let with_live = versions.into_iter().map(|version| {
        let first = live.iter().find(|row| row.version == Some(version.version));
        (version, first.cloned())
    });
    Ok(with_live.collect())
}

fn open(state: &AppState, project: &ProjectId, row: &EnvironmentRow) -> Result<Environment, ApiError> {
    let plain = state
        .config
        .data_key
        .decrypt(&environment_context(project, row.version), &row.sealed)?;
    Ok(serde_json::from_slice(&plain)
        .map_err(|error| StoreError::unreadable("environments.sealed", &error))?)
}

/// What is stored of a version: ciphertext and names.
pub(crate) fn seal(
    state: &AppState,
    project: &ProjectId,
    version: u32,
    values: &Environment,
) -> (String, String) {
    let plain = serde_json::to_vec(values).expect("an environment is a map of texts");
    let names: Vec<&EnvName> = values.0.keys().collect();
    let names = serde_json::to_string(&names).expect("names are texts");
    let sealed = state.config.data_key.encrypt(
        &environment_context(project, version),
        &plain,
        platform::entropy(),
    );
    (sealed, names)
}

/// What a new project starts with.
pub(crate) fn initial(framework: Framework) -> Environment {
    let made = own_key(framework).map(|(name, value)| (name, value()));
    Environment(made.into_iter().collect())
}

/// The key that an application signs and encrypts with, and how it is made. It never changes by itself.
fn own_key(framework: Framework) -> Option<(EnvName, fn() -> String)> {
    let (name, value): (&str, fn() -> String) = match framework {
        Framework::Laravel | Framework::MultiTenant => ("APP_KEY", || {
            format!("base64:{}", STANDARD.encode(platform::entropy::<32>()))
        }),
        Framework::Shopware => ("APP_SECRET", || hex::encode(platform::entropy::<32>())),
        Framework::Php | Framework::Dockerfile | Framework::Compose => return None,
    };
    Some((name.parse().expect("it is a variable's name"), value))
}

fn check(values: &Environment) -> Result<(), ApiError> {
    let size: usize = values
        .0
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 6)
        .sum();
    if size > ENVIRONMENT_BYTES {
        return Err(ApiError::invalid(
            "values",
            format!("at most {ENVIRONMENT_BYTES} bytes in all"),
        ));
    }
    match values.0.iter().find(|(_, value)| value.contains('\0')) {
        Some((name, _)) => Err(ApiError::invalid(
            "values",
            format!("{name} holds a NUL, which no environment can"),
        )),
        None => Ok(()),
    }
}

/// One change of a variable: a new value, or None to remove it.
pub(crate) type Change = (EnvName, Option<String>);

/// Changes some variables of the version that `seen` accepts; the others stay.
pub(crate) async fn change(
    state: &AppState,
    actor: &Actor,
    project: &ProjectId,
    seen: impl Fn(u32) -> Result<(), ApiError>,
    changes: impl IntoIterator<Item = Change>,
) -> Result<u32, ApiError> {
    let row = projects::get(state, project).await?;
    let before = current(state, project).await?;
    seen(version(before.as_ref()))?;
    let opened = before
        .as_ref()
        .map(|before| open(state, project, before))
        .transpose()?;
    let mut values = opened.unwrap_or_default();
    for (name, value) in changes {
        match value {
            Some(value) => values.0.insert(name, value),
            None => values.0.remove(&name),
        };
    }
    write(state, actor, &row, before, values).await
}

fn version(row: Option<&EnvironmentRow>) -> u32 {
    row.map_or(0, |row| row.version)
}

/// Accepts the version that a page showed, and no newer one.
pub(crate) fn unchanged_since(seen: u32) -> impl Fn(u32) -> Result<(), ApiError> {
    move |version| {
        if version == seen {
            Ok(())
        } else {
            Err(changed_meanwhile())
        }
    }
}

fn changed_meanwhile() -> ApiError {
    ApiError::Conflict(
        "changed_meanwhile",
        "Somebody else changed the environment just now; load it again and repeat the change.".to_owned(),
    )
}

/// Replaces all variables of the version that `seen` accepts; takes effect with the next deployment. Laravel's `APP_KEY` is kept where it is absent:
/// without it every session and every encrypted column would be lost.
pub(crate) async fn replace(
    state: &AppState,
    actor: &Actor,
    project: &ProjectId,
    seen: impl Fn(u32) -> Result<(), ApiError>,
    values: Environment,
) -> Result<u32, ApiError> {
    let row = projects::get(state, project).await?;
    let before = current(state, project).await?;
    seen(version(before.as_ref()))?;
    write(state, actor, &row, before, values).await
}

/// Stores the version after `before`; whoever stores it first wins.
async fn write(
    state: &AppState,
    actor: &Actor,
    row: &ProjectRow,
    before: Option<EnvironmentRow>,
    mut values: Environment,
) -> Result<u32, ApiError> {
    check(&values)?;
    let project = &row.id;
    let old = before.as_ref().map(|row| open(state, project, row)).transpose()?;
    let old = old.unwrap_or_default();
    if let Some((key, make)) = own_key(row.settings()?.framework)
        && !values.0.contains_key(&key)
    {
        let value = old.0.get(&key).cloned().unwrap_or_else(make);
        values.0.insert(key, value);
    }
    let (now, version) = (platform::now(), version(before.as_ref()) + 1);
    let (sealed, names) = seal(state, project, version, &values);
    let new = NewVersion {
        project,
        version,
        sealed: &sealed,
        names: &names,
        actor: &actor.0,
        changes: &told(&old, &values),
        now,
    };
    let mut batch: Vec<_> = environments::insert(&new).into();
    batch.push(activity::record(
        now,
        &actor.0,
        "environment.replace",
        project.as_str(),
        &format!("version {version}"),
    ));
    match state.db.batch(batch).await {
        Ok(_) => {}
        Err(error) if error.is_duplicate("environments.") => {
            return Err(changed_meanwhile());
        }
        Err(error) => return Err(error.into()),
    }
    state.signal(None, super::topics(Some(project), None));
    Ok(version)
}
