//! Making a project and changing its settings: the forms as fields of the API, and its problems back on the form.

use super::form::{NewProjectPage, ProjectForm, SettingsPage};
use super::{Head, Tab};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id, Query};
use crate::pages::shell::Section;
use crate::pages::web::{self, Visitor};
use crate::service::projects;
use crate::store::servers::{self, ServerRow, ServerState};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::settings::ProjectSettings;
use devflow_protocol::ProjectId;
use serde::Deserialize;

/// The server that a new project is to have.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    server: String,
}

/// `GET /projects/new`
#[worker::send]
pub(crate) async fn new(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let form = ProjectForm {
        server: wanted.server,
        ..ProjectForm::new()
    };
    let page = new_page(&state, &visitor, form).await?;
    visitor.page(&page)
}

async fn new_page(
    state: &AppState,
    visitor: &Visitor,
    form: ProjectForm,
) -> Result<NewProjectPage, ApiError> {
    let rows: Vec<ServerRow> = state.db.all(servers::list("")).await?;
    let servers = rows
        .into_iter()
        .map(|row| {
            let note = match row.state {
                _ if row.draining_since.is_some() => " (being drained)",
                ServerState::Pending => " (not connected yet)",
                ServerState::Missing => " (out of contact)",
                ServerState::Online => "",
            };
            (row.id.to_string(), format!("{}{note}", row.name))
        })
        .collect();
    Ok(NewProjectPage {
        shell: visitor.shell("New project", Section::Projects, None),
        servers,
        form,
    })
}

/// `POST /projects`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<ProjectForm>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, mut form } = form;
    let made = match form.new_project() {
        Ok(fields) => projects::create(&state, &signed_in.actor(), fields).await,
        Err(problems) => Err(ApiError::Invalid(problems)),
    };
    match made {
        Ok(made) => {
            let path = format!("/projects/{}/hook?reveal=1", made.project.id);
            web::done(Ok(()), &path, |()| {
                format!(
                    "{} is made. Connect its repository, then deploy.",
                    made.project.name
                )
            })
        }
        Err(error) => {
            form.problems = problems(error)?;
            let visitor = Visitor::new(signed_in, &headers, "/projects/new");
            let page = new_page(&state, &visitor, form).await?;
            web::refused(&page)
        }
    }
}

/// The problems that a person can mend on the form; other errors stay errors.
fn problems(error: ApiError) -> Result<Vec<(String, String)>, ApiError> {
    match error {
        ApiError::Invalid(problems) => Ok(problems),
        ApiError::Conflict("slug_taken", text) => Ok(vec![("slug".to_owned(), text)]),
        ApiError::Conflict(_, text) => Ok(vec![(String::new(), text)]),
        other => Err(other),
    }
}

async fn current(state: &AppState, id: &ProjectId) -> Result<ProjectSettings, ApiError> {
    Ok(projects::get(state, id).await?.settings()?)
}

/// `GET /projects/{id}/settings`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
) -> Result<Response, ApiError> {
    let card = projects::card(&state, &id).await?;
    let form = ProjectForm::of(&card.project, &card.project.settings()?);
    let project = Head::new(&card, Some(Tab::Settings), &visitor.signed_in.access)?;
    let shell = visitor.shell(
        format!("Settings of {}", project.name),
        Section::Projects,
        Some(super::topic(&id)),
    );
    visitor.page(&SettingsPage { shell, project, form })
}

/// `POST /projects/{id}/settings`
#[worker::send]
pub(crate) async fn save(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    headers: HeaderMap,
    form: CsrfForm<ProjectForm>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, mut form } = form;
    let saved = match form.changes(&current(&state, &id).await?) {
        Ok(fields) => projects::update(&state, &signed_in.actor(), &id, |_| Ok(()), fields).await,
        Err(problems) => Err(ApiError::Invalid(problems)),
    };
    let path = format!("/projects/{id}/settings");
    let Err(error) = saved else {
        let text = "Saved. It takes effect with the next deployment.";
        return web::done(Ok(()), &path, |()| text.to_owned());
    };
    form.problems = problems(error)?;
    let card = projects::card(&state, &id).await?;
    form.slug = card.project.slug.to_string();
    let visitor = Visitor::new(signed_in, &headers, &path);
    let project = Head::new(&card, Some(Tab::Settings), &visitor.signed_in.access)?;
    let shell = visitor.shell(format!("Settings of {}", project.name), Section::Projects, None);
    web::refused(&SettingsPage { shell, project, form })
}
