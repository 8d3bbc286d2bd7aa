//! Making a project and changing its settings: the forms as fields of the API, and its problems back on the form.

use super::form::{NewProjectPage, ProjectForm, SettingsPage};
use super::servers::places;
use super::{Head, Tab};
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::service::{environments, projects, repository_tokens, targets};
use crate::store::cards::ProjectCard;
use crate::store::servers::{self, ServerRow, ServerState};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::moment::calendar;
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::Policy;
use devflow_protocol::ProjectId;

/// The whole form of a new project.
pub(super) async fn new_page(
    state: &AppState,
    visitor: &Visitor,
    form: ProjectForm,
) -> Result<NewProjectPage, ApiError> {
    Ok(NewProjectPage {
        shell: visitor.shell("New project", Section::Projects, None),
        servers: server_choices(state).await?,
        reasons: vec![],
        form,
    })
}

/// Id and name of each server, with what speaks against it; those that can deploy at once come first.
pub(super) async fn server_choices(state: &AppState) -> Result<Vec<(String, String)>, ApiError> {
    let mut rows: Vec<ServerRow> = state.db.all(servers::list("")).await?;
    rows.sort_by_key(|row| row.state != ServerState::Online || row.draining_since.is_some());
    let choices = rows
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
    Ok(choices)
}

/// `POST /projects`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<ProjectForm>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, mut form } = form;
    let made = make(&state, &signed_in.actor(), &form).await;
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
            // Or who wants none after all could not go on without.
            if form
                .problems
                .iter()
                .any(|(field, _)| field.starts_with("repository_token"))
            {
                form.inspection.clear();
            }
            let visitor = Visitor::new(signed_in, &headers, "/projects/new");
            let page = new_page(&state, &visitor, form).await?;
            web::refused(&page)
        }
    }
}

/// Makes the project, and then a version of its environment with the variables that were given a value.
async fn make(state: &AppState, actor: &Actor, form: &ProjectForm) -> Result<projects::Created, ApiError> {
    let read = form
        .variables()
        .and_then(|variables| Ok((variables, form.new_project()?)));
    let (variables, fields) = read.map_err(ApiError::Invalid)?;
    let made = projects::create(state, actor, fields).await?;
    if !variables.0.is_empty() {
        let changes = variables.0.into_iter().map(|(name, value)| (name, Some(value)));
        environments::change(state, actor, &made.project.id, |_| Ok(()), changes).await?;
    }
    Ok(made)
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
    visitor.page(&page(&state, &visitor, shell, project, &card, form).await?)
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
    web::refused(&page(&state, &visitor, shell, project, &card, form).await?)
}

async fn page(
    state: &AppState,
    visitor: &Visitor,
    shell: Shell,
    project: Head,
    card: &ProjectCard,
    mut form: ProjectForm,
) -> Result<SettingsPage, ApiError> {
    let since = repository_tokens::since(state, &card.project.id).await?;
    form.token_since = since.map(|at| calendar(at).0);
    let can_place = visitor.signed_in.access.may(Action::CreateProject, None);
    let (servers, targets) = if can_place {
        (
            server_choices(state).await?,
            targets::of(state, &card.project.id).await?,
        )
    } else {
        (vec![], vec![])
    };
    Ok(SettingsPage {
        shell,
        project,
        form,
        can_place,
        servers,
        places: places(&targets),
        keeps_going: card.project.server_policy == Policy::KeepGoing,
    })
}
