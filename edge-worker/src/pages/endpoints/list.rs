//! The endpoints of all projects, and those of one, with the form that adds one.

use super::{Choice, badge, choices, kind};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::look::Badge;
use crate::pages::project::hook::guide;
use crate::pages::project::{Head, Tab, topic};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::{endpoints, projects};
use crate::store::endpoints::EndpointRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::outgoing::{Event, Kind};
use devflow_domain::webhook::Provider;
use devflow_protocol::ProjectId;
use serde::Deserialize;
use std::collections::BTreeMap;

/// An endpoint of a list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) kind: &'static str,
    pub(crate) address: String,
}

/// The form that adds one.
pub(crate) struct NewForm {
    /// Where it is sent to.
    pub(crate) action: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) choices: Vec<Choice>,
    /// The project's provider, where commits have statuses there.
    pub(crate) provider: Option<&'static str>,
    /// What is wrong, with what was filled in for this kind.
    pub(crate) problem: Option<(Kind, String)>,
}

impl NewForm {
    fn empty(action: String) -> Self {
        Self {
            action,
            name: String::new(),
            url: String::new(),
            choices: choices(&Event::USUAL),
            provider: None,
            problem: None,
        }
    }

    fn refused(action: String, filled: &Filled, problem: String) -> Self {
        Self {
            action,
            name: filled.name.clone(),
            url: filled.url.clone(),
            choices: choices(&filled.chosen()),
            provider: None,
            problem: Some((filled.kind, problem)),
        }
    }

    /// What is wrong with the form of a kind.
    pub(crate) fn problem_of(&self, kind: &str) -> Option<&str> {
        let of_kind = self.problem.as_ref().filter(|(wrong, _)| wrong.as_str() == kind);
        of_kind.map(|(_, problem)| problem.as_str())
    }

    /// What was filled into the form of a kind.
    pub(crate) fn filled_of(&self, kind: &str) -> (&str, &str) {
        self.problem_of(kind)
            .map_or(("", ""), |_| (&self.name, &self.url))
    }
}

#[derive(Template)]
#[template(path = "endpoints/fleet.html")]
pub(crate) struct FleetPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    pub(crate) form: NewForm,
    pub(crate) may_change: bool,
}

#[derive(Template)]
#[template(path = "project/endpoints.html")]
pub(crate) struct ProjectPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) rows: Vec<Row>,
    pub(crate) form: NewForm,
    pub(crate) may_change: bool,
}

fn rows(list: &[EndpointRow]) -> Vec<Row> {
    let row = |row: &EndpointRow| Row {
        id: row.id.to_string(),
        name: row.name.clone(),
        badge: badge(row),
        kind: kind(row.kind),
        address: row.address.clone(),
    };
    list.iter().map(row).collect()
}

/// Name, address and ticked events, as a form has them: each event is a field of its own.
#[derive(Deserialize)]
pub(crate) struct Filled {
    pub(super) name: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    pub(super) url: String,
    pub(super) token: Option<String>,
    #[serde(flatten)]
    ticked: BTreeMap<String, String>,
}

impl Filled {
    pub(super) fn events(&self) -> Vec<String> {
        let ticked = self
            .ticked
            .keys()
            .filter_map(|field| field.strip_prefix("event_"));
        ticked.map(str::to_owned).collect()
    }

    fn chosen(&self) -> Vec<Event> {
        let names = self.events();
        names.iter().filter_map(|name| Event::from_choice(name)).collect()
    }

    /// True where the form had events to choose from.
    pub(super) fn chooses(&self) -> bool {
        self.ticked.contains_key("chooses")
    }

    fn new_endpoint(&self) -> endpoints::New {
        endpoints::New {
            kind: self.kind,
            name: self.name.clone(),
            url: Some(self.url.clone()),
            token: self.token.clone(),
            events: self.kind.fixed_events().is_none().then(|| self.events()),
        }
    }
}

const ALL: &str = "/endpoints";

async fn fleet(state: &AppState, visitor: &Visitor, form: NewForm) -> Result<FleetPage, ApiError> {
    let list = endpoints::list(state, None).await?;
    Ok(FleetPage {
        shell: visitor.shell("Notifications", Section::Endpoints, None),
        rows: rows(&list),
        form,
        may_change: visitor.signed_in.access.may(Action::ManageEndpoints, None),
    })
}

async fn of_project(
    state: &AppState,
    visitor: &Visitor,
    id: &ProjectId,
    form: NewForm,
) -> Result<ProjectPage, ApiError> {
    let card = projects::card(state, id).await?;
    let list = endpoints::list(state, Some(id)).await?;
    let hook = projects::hook::of_project(state, id).await?;
    let provider = hook
        .map(|hook| hook.provider)
        .filter(|provider| *provider != Provider::Generic);
    let form = NewForm {
        provider: provider.map(|provider| guide(provider).name),
        ..form
    };
    let access = &visitor.signed_in.access;
    let project = Head::new(&card, Some(Tab::Endpoints), access)?;
    Ok(ProjectPage {
        shell: visitor.shell(
            format!("Notifications of {}", project.name),
            Section::Projects,
            Some(topic(id)),
        ),
        project,
        rows: rows(&list),
        form,
        may_change: access.may(Action::ChangeEndpoints, Some(id)),
    })
}

fn path_of(id: &ProjectId) -> String {
    format!("/projects/{id}/endpoints")
}

/// `GET /endpoints`
#[worker::send]
pub(crate) async fn show(State(state): State<AppState>, visitor: Visitor) -> Result<Response, ApiError> {
    let page = fleet(&state, &visitor, NewForm::empty(ALL.to_owned())).await?;
    visitor.page(&page)
}

/// `GET /projects/{id}/endpoints`
#[worker::send]
pub(crate) async fn show_of_project(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
) -> Result<Response, ApiError> {
    let page = of_project(&state, &visitor, &id, NewForm::empty(path_of(&id))).await?;
    visitor.page(&page)
}

/// `POST /endpoints`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Filled>,
) -> Result<Response, ApiError> {
    let (actor, filled) = (form.signed_in.actor(), form.form);
    let visitor = Visitor::new(form.signed_in, &headers, ALL);
    match endpoints::create(&state, &actor, None, filled.new_endpoint()).await {
        Ok((row, secret)) => super::page(&visitor, &row, &[], secret),
        Err(error @ (ApiError::Invalid(_) | ApiError::Conflict(..))) => {
            let form = NewForm::refused(ALL.to_owned(), &filled, web::wrong(&error));
            web::refused(&fleet(&state, &visitor, form).await?)
        }
        Err(error) => Err(error),
    }
}

/// `POST /projects/{id}/endpoints`
#[worker::send]
pub(crate) async fn create_for_project(
    State(state): State<AppState>,
    headers: HeaderMap,
    Id(id): Id<ProjectId>,
    form: CsrfForm<Filled>,
) -> Result<Response, ApiError> {
    let (actor, filled) = (form.signed_in.actor(), form.form);
    let visitor = Visitor::new(form.signed_in, &headers, &path_of(&id));
    match endpoints::create(&state, &actor, Some(&id), filled.new_endpoint()).await {
        Ok((row, secret)) => super::page(&visitor, &row, &[], secret),
        Err(error @ (ApiError::Invalid(_) | ApiError::Conflict(..))) => {
            let form = NewForm::refused(path_of(&id), &filled, web::wrong(&error));
            web::refused(&of_project(&state, &visitor, &id, form).await?)
        }
        Err(error) => Err(error),
    }
}
