//! Inviting somebody, and the link that is shown once.

use super::{Choice, fleet_choices, project_choices, read_role};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::assets;
use crate::pages::moment::Exact;
use crate::pages::project::actions::Press;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::service::invitations::{self, Wanted};
use crate::store::people::{self, ChoiceRow};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Role;
use devflow_protocol::InvitationId;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "people/new.html")]
pub(crate) struct InvitePage {
    pub(crate) shell: Shell,
    pub(crate) email: String,
    pub(crate) roles: Vec<Choice>,
    /// The short name that was typed.
    pub(crate) project: String,
    pub(crate) project_roles: Vec<Choice>,
    /// Short name and name of projects to choose.
    pub(crate) projects: Vec<(String, String)>,
    pub(crate) problem: Option<String>,
}

/// The link, shown once.
#[derive(Template)]
#[template(path = "people/invited.html")]
pub(crate) struct InvitedPage {
    pub(crate) shell: Shell,
    pub(crate) email: String,
    pub(crate) link: String,
    pub(crate) until: Exact,
}

/// Who is to be invited.
#[derive(Deserialize)]
pub(crate) struct NewPerson {
    email: String,
    role: String,
    project: String,
    project_role: String,
}

async fn page(
    state: &AppState,
    visitor: &Visitor,
    typed: &NewPerson,
    problem: Option<String>,
) -> Result<InvitePage, ApiError> {
    let rows: Vec<ChoiceRow> = state.db.all(people::project_choices()).await?;
    Ok(InvitePage {
        shell: visitor.shell("Invite somebody", Section::People, None),
        email: typed.email.clone(),
        roles: fleet_choices(&visitor.signed_in.access, Role::from_name(&typed.role)),
        project: typed.project.clone(),
        project_roles: project_choices(Role::from_name(&typed.project_role)),
        projects: rows.into_iter().map(|row| (row.slug, row.name)).collect(),
        problem,
    })
}

/// `GET /people/new`
#[worker::send]
pub(crate) async fn new(State(state): State<AppState>, visitor: Visitor) -> Result<Response, ApiError> {
    let empty = NewPerson {
        email: String::new(),
        role: Role::Maintainer.as_str().to_owned(),
        project: String::new(),
        project_role: Role::Maintainer.as_str().to_owned(),
    };
    let page = page(&state, &visitor, &empty, None).await?;
    visitor.page(&page)
}

/// The form as `service` takes it.
async fn read(state: &AppState, form: &NewPerson) -> Result<Wanted, ApiError> {
    let mut projects = BTreeMap::new();
    if !form.project.trim().is_empty() {
        let found: Option<ChoiceRow> = state
            .db
            .first(people::project_called(form.project.trim()))
            .await?;
        let project =
            found.ok_or_else(|| ApiError::invalid("project", "there is no project of that short name"))?;
        let role = read_role(&form.project_role)?;
        let role = role.ok_or_else(|| ApiError::invalid("project", "choose a role for the project"))?;
        projects.insert(project.id, role);
    }
    Ok(Wanted {
        email: form.email.clone(),
        role: read_role(&form.role)?,
        projects,
    })
}

/// `POST /people`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<NewPerson>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let caller = signed_in.caller();
    let visitor = Visitor::new(signed_in, &headers, "/people");
    let made = match read(&state, &form).await {
        Ok(wanted) => invitations::invite(&state, &caller, &wanted).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => visitor.page(&InvitedPage {
            shell: visitor.shell("The invitation", Section::People, None),
            email: made.row.email,
            link: made.link,
            until: Exact(made.row.expires_at),
        }),
        Err(error @ (ApiError::Invalid(_) | ApiError::Conflict(..))) => {
            web::refused(&page(&state, &visitor, &form, Some(web::wrong(&error))).await?)
        }
        Err(error) => Err(error),
    }
}

/// `POST /people/invitations/{id}/revoke`
#[worker::send]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Id(id): Id<InvitationId>,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let revoked = invitations::revoke(&state, &form.signed_in.caller(), &id).await;
    web::done(revoked, "/people", |()| {
        "The invitation is taken back.".to_owned()
    })
}
