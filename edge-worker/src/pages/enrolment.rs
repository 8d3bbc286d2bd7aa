//! Adding a server, and its one-time command.

use super::assets;
use super::moment::Exact;
use super::project::actions::Press;
use super::shell::{Section, Shell};
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::service::servers;
use crate::store::servers::ServerRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_protocol::ServerId;
use serde::Deserialize;

#[derive(Template)]
#[template(path = "server_new.html")]
pub(crate) struct NewServerPage {
    pub(crate) shell: Shell,
    pub(crate) name: String,
    pub(crate) problem: Option<String>,
}

/// Shows the command that holds the one-time token, once.
#[derive(Template)]
#[template(path = "server_enrol.html")]
pub(crate) struct EnrolPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) command: String,
    /// Whether the command installs the runner too.
    pub(crate) installs: bool,
    pub(crate) expires: Exact,
}

/// `GET /servers/new`
#[worker::send]
pub(crate) async fn new(visitor: Visitor) -> Result<Response, ApiError> {
    let shell = visitor.shell("Add a server", Section::Servers, None);
    visitor.page(&NewServerPage {
        shell,
        name: String::new(),
        problem: None,
    })
}

/// A server to add.
#[derive(Deserialize)]
pub(crate) struct NewServer {
    name: String,
}

/// `POST /servers`
#[worker::send]
pub(crate) async fn create(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<NewServer>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let actor = signed_in.actor();
    let visitor = Visitor::new(signed_in, &headers, "/servers");
    match servers::create(&state, &actor, &form.name).await {
        Ok((server, invitation)) => enrol_page(&visitor, &server, &invitation),
        Err(ApiError::Invalid(problems)) => {
            let text = problems
                .into_iter()
                .next()
                .map(|(_, text)| text)
                .unwrap_or_default();
            refuse(&visitor, form.name, text)
        }
        Err(ApiError::Conflict(_, text)) => refuse(&visitor, form.name, text),
        Err(error) => Err(error),
    }
}

fn refuse(visitor: &Visitor, name: String, problem: String) -> Result<Response, ApiError> {
    let shell = visitor.shell("Add a server", Section::Servers, None);
    web::refused(&NewServerPage {
        shell,
        name,
        problem: Some(problem),
    })
}

fn enrol_page(
    visitor: &Visitor,
    server: &ServerRow,
    invitation: &servers::Invitation,
) -> Result<Response, ApiError> {
    visitor.page(&EnrolPage {
        shell: visitor.shell(format!("Connect {}", server.name), Section::Servers, None),
        id: server.id.to_string(),
        name: server.name.clone(),
        command: invitation.command.clone(),
        installs: invitation.installs,
        expires: Exact(invitation.expires_at),
    })
}

/// `POST /servers/{id}/enrol`
#[worker::send]
pub(crate) async fn enrol(
    State(state): State<AppState>,
    Id(id): Id<ServerId>,
    headers: HeaderMap,
    form: CsrfForm<Press>,
) -> Result<Response, ApiError> {
    let invitation = servers::invite(&state, &form.signed_in.actor(), &id).await?;
    let server = servers::get(&state, &id).await?;
    enrol_page(
        &Visitor::new(form.signed_in, &headers, "/servers"),
        &server,
        &invitation,
    )
}
