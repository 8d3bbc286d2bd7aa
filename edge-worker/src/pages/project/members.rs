//! Who has a role in a project, for those who decide that.

use super::{Head, Tab};
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::people::{Choice, name, project_choices, read_role};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::{people, projects};
use crate::store::people::{self as store, MemberRow};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_protocol::ProjectId;
use serde::Deserialize;

pub(super) fn router() -> Routes {
    let (path, needs) = ("/projects/{id}/people", Needs::project(Action::ManageMembers));
    Routes::new().get(path, needs, show).post(path, needs, set)
}

/// Somebody with a role in the project.
pub(crate) struct Member {
    pub(crate) email: String,
    pub(crate) yourself: bool,
    pub(crate) choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "project/members.html")]
pub(crate) struct MembersPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) rows: Vec<Member>,
    pub(crate) new_roles: Vec<Choice>,
}

/// `GET /projects/{id}/people`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
) -> Result<Response, ApiError> {
    let card = projects::card(&state, &id).await?;
    let rows: Vec<MemberRow> = state.db.all(store::members(&id)).await?;
    let project = Head::new(&card, Some(Tab::Settings), &visitor.signed_in.access)?;
    visitor.page(&MembersPage {
        shell: visitor.shell(format!("People of {}", project.name), Section::Projects, None),
        rows: rows
            .into_iter()
            .map(|row| Member {
                yourself: row.user == visitor.signed_in.user,
                email: row.email,
                choices: project_choices(Some(row.role)),
            })
            .collect(),
        new_roles: project_choices(None),
        project,
    })
}

/// A role to give, or to take where it is empty.
#[derive(Deserialize)]
pub(crate) struct NewMember {
    email: String,
    role: String,
}

/// `POST /projects/{id}/people`
#[worker::send]
pub(crate) async fn set(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<NewMember>,
) -> Result<Response, ApiError> {
    let role = read_role(&form.form.role)?;
    let email = form.form.email.trim();
    let done = people::set_member(&state, &form.signed_in.caller(), &id, email, role).await;
    web::done(done, &format!("/projects/{id}/people"), |()| match role {
        Some(role) => format!("{email} is {} here from now on.", name(role)),
        None => format!("{email} has no role here any more."),
    })
}
