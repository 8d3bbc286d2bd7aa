//! One person: roles, shutting out, deleting.

use super::list::badge;
use super::{Choice, fleet_choices, name, project_choices, read_role};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::assets;
use crate::pages::look::Badge;
use crate::pages::moment::Moment;
use crate::pages::project::actions::Press;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::platform;
use crate::service::people::{self, Edit, FleetRole};
use crate::store::InBatch as _;
use crate::store::people::{self as store, ChoiceRow, PersonRow, ProjectRoleRow};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::{Action, may_change_role};
use devflow_protocol::UserId;
use serde::Deserialize;

/// A role for one project.
pub(crate) struct ProjectRole {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "people/person.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
pub(crate) struct PersonPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) yourself: bool,
    pub(crate) badge: Badge,
    pub(crate) disabled: bool,
    pub(crate) has_factor: bool,
    pub(crate) joined: Moment,
    pub(crate) seen: Option<Moment>,
    /// What they are for all projects.
    pub(crate) role: &'static str,
    pub(crate) roles: Vec<Choice>,
    pub(crate) project_roles: Vec<ProjectRole>,
    /// Short name and name of projects to choose.
    pub(crate) projects: Vec<(String, String)>,
    pub(crate) new_roles: Vec<Choice>,
    /// True where the visitor may change them.
    pub(crate) may_change: bool,
}

/// `GET /people/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<UserId>,
) -> Result<Response, ApiError> {
    let answers = state
        .db
        .batch(vec![
            store::by_id(&id),
            store::project_roles(&id),
            store::project_choices(),
        ])
        .await?;
    let person: Option<PersonRow> = answers.first().first_row()?;
    let person = person.ok_or_else(|| ApiError::no_such("person"))?;
    let page = view(&visitor, &person, answers.get(1).rows()?, answers.get(2).rows()?);
    visitor.page(&page)
}

fn view(
    visitor: &Visitor,
    person: &PersonRow,
    roles: Vec<ProjectRoleRow>,
    projects: Vec<ChoiceRow>,
) -> PersonPage {
    let (now, access) = (platform::now(), &visitor.signed_in.access);
    PersonPage {
        shell: visitor.shell(person.email.clone(), Section::People, None),
        id: person.id.to_string(),
        email: person.email.clone(),
        yourself: person.id == visitor.signed_in.user,
        badge: badge(person.disabled_at.is_some()),
        disabled: person.disabled_at.is_some(),
        has_factor: person.has_factor != 0,
        joined: Moment::new(person.created_at, now),
        seen: person.seen_at.map(|at| Moment::new(at, now)),
        role: person.role.map_or("None", name),
        roles: fleet_choices(access, person.role),
        project_roles: roles
            .into_iter()
            .map(|row| ProjectRole {
                project: row.project.to_string(),
                name: row.name,
                choices: project_choices(Some(row.role)),
            })
            .collect(),
        projects: projects.into_iter().map(|row| (row.slug, row.name)).collect(),
        new_roles: project_choices(None),
        may_change: access.may(Action::ManagePeople, None)
            && may_change_role(access.0.fleet, person.role, person.role),
    }
}

fn path(id: &UserId) -> String {
    format!("/people/{id}")
}

async fn change(
    state: &AppState,
    id: &UserId,
    form: &crate::auth::SignedIn,
    edit: Edit,
    text: &str,
) -> Result<Response, ApiError> {
    let changed = people::edit(state, &form.caller(), id, |_| Ok(()), &edit).await;
    web::done(changed, &path(id), |()| text.to_owned())
}

/// A role to give.
#[derive(Deserialize)]
pub(crate) struct NewRole {
    role: String,
}

/// `POST /people/{id}/role`
#[worker::send]
pub(crate) async fn set_role(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<NewRole>,
) -> Result<Response, ApiError> {
    let edit = Edit {
        role: Some(FleetRole(read_role(&form.form.role)?)),
        ..Edit::default()
    };
    change(&state, &id, &form.signed_in, edit, "The role is changed.").await
}

/// A role of one project to give, or to take where it is empty.
#[derive(Deserialize)]
pub(crate) struct NewProjectRole {
    project: String,
    role: String,
}

/// `POST /people/{id}/projects`
#[worker::send]
pub(crate) async fn set_project_role(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<NewProjectRole>,
) -> Result<Response, ApiError> {
    let role = read_role(&form.form.role)?;
    let found: Option<ChoiceRow> = state
        .db
        .first(store::project_called(form.form.project.trim()))
        .await?;
    let Some(project) = found else {
        let missing = ApiError::invalid("project", "there is no project of that short name");
        return web::done::<()>(Err(missing), &path(&id), |()| String::new());
    };
    let text = match role {
        Some(role) => format!("{} of {} from now on.", name(role), project.name),
        None => format!("No role of {} any more.", project.name),
    };
    let edit = Edit {
        projects: [(project.id, role)].into(),
        ..Edit::default()
    };
    change(&state, &id, &form.signed_in, edit, &text).await
}

/// `POST /people/{id}/disable`
#[worker::send]
pub(crate) async fn disable(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let edit = Edit {
        disabled: Some(true),
        ..Edit::default()
    };
    let text = "Their sessions have ended and their keys are refused.";
    change(&state, &id, &form.signed_in, edit, text).await
}

/// `POST /people/{id}/enable`
#[worker::send]
pub(crate) async fn enable(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let edit = Edit {
        disabled: Some(false),
        ..Edit::default()
    };
    change(&state, &id, &form.signed_in, edit, "They can sign in again.").await
}

/// `POST /people/{id}/second-factor/remove`
#[worker::send]
pub(crate) async fn drop_factor(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let edit = Edit {
        drop_factor: true,
        ..Edit::default()
    };
    let text = "Their password alone signs them in, until they set up another second factor.";
    change(&state, &id, &form.signed_in, edit, text).await
}

/// What has to be typed.
#[derive(Deserialize)]
pub(crate) struct Confirm {
    confirm: String,
}

/// `POST /people/{id}/delete`
#[worker::send]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Id(id): Id<UserId>,
    form: CsrfForm<Confirm>,
) -> Result<Response, ApiError> {
    let person = people::get(&state, &id).await?;
    if !form.form.confirm.trim().eq_ignore_ascii_case(&person.email) {
        let wrong = ApiError::invalid("confirm", "type the e-mail address to delete the account");
        return web::done::<()>(Err(wrong), &path(&id), |()| String::new());
    }
    let deleted = people::delete(&state, &form.signed_in.caller(), &id).await;
    let place = if deleted.is_ok() {
        "/people".to_owned()
    } else {
        path(&id)
    };
    web::done(deleted, &place, |()| "The account is deleted.".to_owned())
}
