//! A new project in steps: an address, a look at it by a server, the settings that follow. Then the project is made
//! ([`super::settings`]) and connected ([`super::hook`]). Each step is a page with a form.

use super::form::{NewProjectPage, ProjectForm};
use super::hook::guide;
use super::settings::new_page;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Query};
use crate::pages::prose::Prose;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::inspections::{self, Look};
use crate::service::repository_tokens::{self, Given};
use crate::service::{FLEET, servers};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::inspection;
use devflow_protocol::runner_api::ServerFacts;
use devflow_protocol::text::{RefName, RepositoryUrl};
use devflow_protocol::{JobId, ServerId};
use serde::Deserialize;

/// What the steps carry along: in the address, so that each can be loaded again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pub(crate) server: String,
    pub(crate) repository: String,
    pub(crate) branch: String,
    /// The look that was asked for.
    pub(crate) job: Option<String>,
    /// The settings are filled in without a look.
    pub(crate) by_hand: Option<String>,
}

impl Asked {
    fn path(&self, more: (&str, &str)) -> String {
        web::query(
            "/projects/new",
            &[
                ("server", self.server.as_str()),
                ("repository", &self.repository),
                ("branch", &self.branch),
                more,
            ],
        )
    }

    /// The last page of the steps without the look.
    fn by_hand(&self) -> String {
        self.path(("by_hand", "1"))
    }
}

/// What is asked for on the first page. An access token is in no address: it waits at the edge for the last page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ask {
    server: String,
    repository: String,
    branch: String,
    token_user: String,
    token: String,
}

impl Ask {
    fn asked(&self) -> Asked {
        Asked {
            server: self.server.clone(),
            repository: self.repository.trim().to_owned(),
            branch: self.branch.trim().to_owned(),
            ..Asked::default()
        }
    }

    fn given(&self) -> Option<Given> {
        let token = self.token.trim();
        (!token.is_empty()).then(|| Given {
            user: Some(self.token_user.clone()),
            token: token.to_owned(),
        })
    }
}

/// How the look went, as far as there was one.
pub(crate) enum Stage {
    /// Nothing was asked yet.
    Ask,
    /// A server looks.
    Look,
    /// It could not, for this reason.
    Failed(String),
}

#[derive(Template)]
#[template(path = "project/start.html")]
pub(crate) struct StartPage {
    pub(crate) shell: Shell,
    /// Id and name of each server.
    pub(crate) servers: Vec<(String, String)>,
    pub(crate) asked: Asked,
    /// The user name that was given with a token.
    pub(crate) token_user: String,
    pub(crate) stage: Stage,
    /// What is wrong with a field: its name and a sentence.
    pub(crate) problem: Option<(&'static str, String)>,
    /// The server's key, and where it belongs at the provider, where the address needs one.
    pub(crate) key: Option<(String, &'static str)>,
}

impl StartPage {
    fn wrong(&self, field: &str) -> Option<Prose> {
        let problem = self.problem.as_ref().filter(|(name, _)| *name == field);
        problem.map(|(_, text)| Prose(text.clone()))
    }

    fn server_name(&self) -> &str {
        let found = self.servers.iter().find(|(id, _)| *id == self.asked.server);
        found.map_or("The server", |(_, name)| name)
    }
}

/// `GET /projects/new`
#[worker::send]
pub(crate) async fn new(
    State(state): State<AppState>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    if asked.by_hand.is_some() {
        let form = form_of(&asked);
        return visitor.page(&new_page(&state, &visitor, form).await?);
    }
    let Some(job) = asked.job.as_deref() else {
        return visitor.page(&start_page(&state, &visitor, asked, Stage::Ask).await?);
    };
    let job: JobId = job
        .parse()
        .map_err(|_| ApiError::no_such("look at a repository"))?;
    let stage = match inspections::get(&state, &job).await? {
        Look::Working => Stage::Look,
        Look::Failed(reason) => Stage::Failed(reason),
        Look::Found(found) => {
            let proposal = inspection::propose(&found);
            let mut form = form_of(&asked).proposed(&proposal);
            if repository_tokens::waits(&state, &job).await? {
                form.inspection = job.to_string();
            }
            let page = NewProjectPage {
                reasons: proposal.reasons,
                ..new_page(&state, &visitor, form).await?
            };
            return visitor.page(&page);
        }
    };
    visitor.page(&start_page(&state, &visitor, asked, stage).await?)
}

/// The form as far as the address tells.
fn form_of(asked: &Asked) -> ProjectForm {
    let empty = ProjectForm::new();
    let provider = inspection::provider_of(&asked.repository);
    ProjectForm {
        server: asked.server.clone(),
        name: inspection::name_of(&asked.repository),
        branch: if asked.branch.is_empty() {
            empty.branch.clone()
        } else {
            asked.branch.clone()
        },
        provider: provider.map_or(empty.provider.clone(), |provider| provider.as_str().to_owned()),
        repository: asked.repository.clone(),
        ..empty
    }
}

async fn start_page(
    state: &AppState,
    visitor: &Visitor,
    mut asked: Asked,
    at: Stage,
) -> Result<StartPage, ApiError> {
    let servers = super::settings::server_choices(state).await?;
    if asked.branch.is_empty() {
        "main".clone_into(&mut asked.branch);
    }
    let (title, topic) = match &at {
        Stage::Look => ("Looking at the repository", Some(FLEET.to_owned())),
        Stage::Ask | Stage::Failed(_) => ("New project", None),
    };
    let key = match &at {
        Stage::Failed(_) => deploy_key(state, &asked).await?,
        Stage::Ask | Stage::Look => None,
    };
    Ok(StartPage {
        shell: visitor.shell(title, Section::Projects, topic),
        servers,
        asked,
        token_user: String::new(),
        stage: at,
        problem: None,
        key,
    })
}

/// What lets the server read a private repository. A public address needs no key.
async fn deploy_key(state: &AppState, asked: &Asked) -> Result<Option<(String, &'static str)>, ApiError> {
    let Ok(server) = asked.server.parse::<ServerId>() else {
        return Ok(None);
    };
    if asked.repository.starts_with("http") {
        return Ok(None);
    }
    let facts = match servers::get(state, &server).await {
        Ok(row) => row.facts,
        // It was removed while somebody waited for its look: the page says so, and has no key to show.
        Err(ApiError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let facts = facts.and_then(|facts| serde_json::from_str::<ServerFacts>(&facts).ok());
    let provider = inspection::provider_of(&asked.repository);
    let place = guide(provider.unwrap_or(devflow_domain::webhook::Provider::Generic)).key_place;
    Ok(facts.and_then(|facts| Some((facts.deploy_key?, place))))
}

/// `POST /projects/inspect`
#[worker::send]
pub(crate) async fn look(
    State(state): State<AppState>,
    headers: HeaderMap,
    form: CsrfForm<Ask>,
) -> Result<Response, ApiError> {
    let CsrfForm { signed_in, form } = form;
    let asked = form.asked();
    let problem = match read(&asked) {
        Ok((server, repository, ref_name)) => {
            let (actor, token) = (signed_in.actor(), form.given());
            let job = inspections::start(&state, &actor, &server, repository, ref_name, token.as_ref());
            match job.await {
                Ok(job) => return Ok(web::go(&asked.path(("job", job.as_str())))),
                Err(error) => refused(error)?,
            }
        }
        Err(problem) => problem,
    };
    let visitor = Visitor::new(signed_in, &headers, "/projects/new");
    let page = StartPage {
        problem: Some(problem),
        token_user: form.token_user,
        ..start_page(&state, &visitor, asked, Stage::Ask).await?
    };
    web::refused(&page)
}

/// The field that a look was refused for, and why; other errors stay errors.
fn refused(error: ApiError) -> Result<(&'static str, String), ApiError> {
    match error {
        ApiError::Conflict(_, text) => Ok(("server", text)),
        ApiError::Invalid(problems) => {
            let (field, text) = problems.into_iter().next().unwrap_or_default();
            let user = field == "repository_token.user";
            Ok((if user { "token_user" } else { "token" }, text))
        }
        other => Err(other),
    }
}

/// What was typed, or the field that cannot be read and why.
fn read(asked: &Asked) -> Result<(ServerId, RepositoryUrl, RefName), (&'static str, String)> {
    let repository = asked
        .repository
        .parse::<RepositoryUrl>()
        .map_err(|error| ("repository", error.to_string()))?;
    let ref_name = format!("refs/heads/{}", asked.branch)
        .parse::<RefName>()
        .map_err(|_| ("branch", "the name of a branch, such as main".to_owned()))?;
    let server = asked
        .server
        .parse::<ServerId>()
        .map_err(|_| ("server", "choose a server".to_owned()))?;
    Ok((server, repository, ref_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_of_an_address_names_project_and_provider() {
        let asked = Asked {
            repository: "git@gitlab.com:acme/flower-shop.git".to_owned(),
            ..Asked::default()
        };
        let form = form_of(&asked);
        assert_eq!(
            (form.name.as_str(), form.provider.as_str(), form.branch.as_str()),
            ("Flower shop", "gitlab", "main")
        );
    }

    #[test]
    fn read_names_the_field_that_cannot_be_read() {
        let server = ServerId::new(devflow_protocol::UnixMillis(1), [1; 10]).to_string();
        let wrong = |server: &str, repository: &str, branch: &str| {
            let asked = Asked {
                server: server.to_owned(),
                repository: repository.to_owned(),
                branch: branch.to_owned(),
                ..Asked::default()
            };
            read(&asked).err().map(|(field, _)| field)
        };
        let good = "https://git.example.com/a/b";
        assert_eq!(wrong(&server, good, "main"), None);
        assert_eq!(wrong(&server, "shop", "main"), Some("repository"));
        assert_eq!(wrong(&server, good, "a b"), Some("branch"));
        assert_eq!(wrong("", good, "main"), Some("server"));
    }
}
