//! A project's environment: names, values where they are asked for, and forms that make a new version.

use super::{Head, Tab};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id, Query};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::environments::{self, Change, unchanged_since};
use crate::service::projects;
use crate::store::deployments::{self, DeploymentRow};
use crate::store::projects::ProjectCard;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::dotenv;
use devflow_protocol::ProjectId;
use devflow_protocol::outcome::Manifest;
use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use serde::Deserialize;

/// What stands for a value that is not shown.
pub(crate) const MASK: &str = "••••••••";

/// A variable.
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Its value, or [`MASK`].
    pub(crate) shown: String,
    pub(crate) editing: bool,
}

impl Variable {
    /// Lines of the field that edits it.
    fn rows(&self) -> usize {
        self.shown.lines().count().clamp(1, 12)
    }
}

#[derive(Template)]
#[template(path = "project/environment.html")]
pub(crate) struct EnvironmentPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) version: u32,
    pub(crate) revealed: bool,
    /// True where the live release has another version.
    pub(crate) pending: bool,
    pub(crate) variables: Vec<Variable>,
    pub(crate) problem: Option<String>,
    /// What was typed into the form and could not be taken.
    pub(crate) lines: String,
}

/// Which values are shown.
#[derive(Deserialize, Default)]
pub(crate) struct Look {
    reveal: Option<String>,
    edit: Option<String>,
}

/// What was typed and cannot be taken, and why.
#[derive(Default)]
struct Refused {
    problem: Option<String>,
    lines: String,
}

/// `GET /projects/{id}/environment`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    let page = view(&state, &visitor, &id, &look, Refused::default()).await?;
    visitor.page(&page)
}

async fn view(
    state: &AppState,
    visitor: &Visitor,
    id: &ProjectId,
    look: &Look,
    refused: Refused,
) -> Result<EnvironmentPage, ApiError> {
    let card = projects::card(state, id).await?;
    let shows = look.reveal.is_some() || look.edit.is_some();
    if shows {
        visitor.signed_in.access.require(Action::SeeSecrets, Some(id))?;
    }
    let (version, variables) = if shows {
        let (version, values) = environments::reveal(state, &visitor.signed_in.actor(), id).await?;
        (version, shown(&values, look))
    } else {
        let names = environments::names(state, id).await?;
        let masked = |name| Variable {
            name,
            shown: MASK.to_owned(),
            editing: false,
        };
        (names.version, names.list.into_iter().map(masked).collect())
    };
    let project = Head::new(&card, Tab::Environment)?;
    // A page that shows values does not fetch itself again: each look is recorded.
    let topic = (!shows).then(|| super::topic(id));
    Ok(EnvironmentPage {
        shell: visitor.shell(
            format!("Environment of {}", project.name),
            Section::Projects,
            topic,
        ),
        project,
        version,
        revealed: look.reveal.is_some(),
        pending: live_version(state, &card)
            .await?
            .is_some_and(|live| live != version),
        variables,
        problem: refused.problem,
        lines: refused.lines,
    })
}

fn shown(values: &Environment, look: &Look) -> Vec<Variable> {
    let variable = |(name, value): (&EnvName, &String)| {
        let editing = look.edit.as_deref() == Some(name.as_str());
        let shown = if editing || look.reveal.is_some() {
            value.clone()
        } else {
            MASK.to_owned()
        };
        Variable {
            name: name.to_string(),
            shown,
            editing,
        }
    };
    values.0.iter().map(variable).collect()
}

/// The version that the live release was made with.
async fn live_version(state: &AppState, card: &ProjectCard) -> Result<Option<u32>, ApiError> {
    let Some(live) = &card.project.live_deployment else {
        return Ok(None);
    };
    let row: Option<DeploymentRow> = state.db.first(deployments::by_id(live)).await?;
    let manifest = row.and_then(|row| serde_json::from_str::<Manifest>(row.manifest.as_deref()?).ok());
    Ok(manifest.map(|manifest| manifest.environment_version))
}

/// A new value.
#[derive(Deserialize)]
pub(crate) struct NewValue {
    name: String,
    value: String,
    version: u32,
}

fn path(id: &ProjectId) -> String {
    format!("/projects/{id}/environment")
}

fn name(text: &str) -> Result<EnvName, ApiError> {
    text.parse()
        .map_err(|error: devflow_protocol::text::InvalidText| ApiError::invalid("name", error.to_string()))
}

/// A browser sends line breaks of a text field as CR LF; a value has them as they were typed.
fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// `POST /projects/{id}/environment/set`
#[worker::send]
pub(crate) async fn set(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<NewValue>,
) -> Result<Response, ApiError> {
    let NewValue {
        name: text,
        value,
        version,
    } = form.form;
    let changes: Vec<Change> = vec![(name(&text)?, Some(unix_lines(&value)))];
    let changed = environments::change(
        &state,
        &form.signed_in.actor(),
        &id,
        unchanged_since(version),
        changes,
    )
    .await;
    web::done(changed, &path(&id), |_| {
        format!("{text} has its new value from the next deployment on.")
    })
}

/// The variable to remove.
#[derive(Deserialize)]
pub(crate) struct Removal {
    name: String,
    version: u32,
}

/// `POST /projects/{id}/environment/remove`
#[worker::send]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<Removal>,
) -> Result<Response, ApiError> {
    let Removal { name: text, version } = form.form;
    let changes: Vec<Change> = vec![(name(&text)?, None)];
    let changed = environments::change(
        &state,
        &form.signed_in.actor(),
        &id,
        unchanged_since(version),
        changes,
    )
    .await;
    web::done(changed, &path(&id), |_| {
        format!("{text} is gone from the next deployment on.")
    })
}

/// Lines of a `.env` file.
#[derive(Deserialize)]
pub(crate) struct Import {
    lines: String,
    version: u32,
}

/// `POST /projects/{id}/environment/import`
#[worker::send]
pub(crate) async fn import(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    headers: HeaderMap,
    form: CsrfForm<Import>,
) -> Result<Response, ApiError> {
    let lines = unix_lines(&form.form.lines);
    let read = match dotenv::parse(&lines) {
        Ok(read) if read.0.is_empty() => Err("There is no variable in it; write NAME=value.".to_owned()),
        Ok(read) => Ok(read),
        Err(problems) => Err(problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")),
    };
    let read = match read {
        Ok(read) => read,
        Err(problem) => {
            let visitor = Visitor::new(form.signed_in, &headers, &path(&id));
            let refused = Refused {
                problem: Some(problem),
                lines,
            };
            let page = view(&state, &visitor, &id, &Look::default(), refused).await?;
            return web::refused(&page);
        }
    };
    let count = read.0.len();
    let changes: Vec<Change> = read
        .0
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .collect();
    let changed = environments::change(
        &state,
        &form.signed_in.actor(),
        &id,
        unchanged_since(form.form.version),
        changes,
    )
    .await;
    web::done(changed, &path(&id), |_| match count {
        1 => "1 variable is set from the next deployment on.".to_owned(),
        count => format!("{count} variables are set from the next deployment on."),
    })
}
