//! What makes a new version of an environment, and the file that holds all of it.

use super::{Look, Refused, view};
use crate::app::AppState;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::web::{self, Visitor};
use crate::service::environments::{self, Change, unchanged_since};
use crate::service::projects;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use devflow_domain::{dotenv, env_file};
use devflow_protocol::ProjectId;
use devflow_protocol::text::EnvName;
use serde::Deserialize;

/// `GET /projects/{id}/environment/file`: all variables as a `.env` file; recorded as a look at them.
#[worker::send]
pub(crate) async fn export(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
) -> Result<Response, ApiError> {
    let slug = projects::get(&state, &id).await?.slug;
    let (_, values) = environments::reveal(&state, &visitor.signed_in.actor(), &id).await?;
    let text =
        env_file::render_dotenv(&values).map_err(|error| ApiError::invalid("values", error.to_string()))?;
    let named = HeaderValue::from_str(&format!("attachment; filename=\"{slug}.env\""))
        .expect("a slug is letters, digits and hyphens");
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok((
        [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, named)],
        text,
    )
        .into_response())
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

/// Makes a new version of what the page showed as `version`, and leads back to the page with a sentence.
async fn make(
    state: &AppState,
    signed_in: &SignedIn,
    id: &ProjectId,
    version: u32,
    changes: impl IntoIterator<Item = Change>,
    said: String,
) -> Result<Response, ApiError> {
    let actor = signed_in.actor();
    let made = environments::change(state, &actor, id, unchanged_since(version), changes).await;
    web::done(made, &path(id), |_| said)
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
    let change = (name(&text)?, Some(unix_lines(&value)));
    let said = format!("{text} has its new value from the next deployment on.");
    make(&state, &form.signed_in, &id, version, [change], said).await
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
    let change = (name(&text)?, None);
    let said = format!("{text} is gone from the next deployment on.");
    make(&state, &form.signed_in, &id, version, [change], said).await
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
    let said = match read.0.len() {
        1 => "1 variable is set from the next deployment on.".to_owned(),
        count => format!("{count} variables are set from the next deployment on."),
    };
    let changes = read.0.into_iter().map(|(name, value)| (name, Some(value)));
    make(&state, &form.signed_in, &id, form.form.version, changes, said).await
}
