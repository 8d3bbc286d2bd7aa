//! How to connect a repository: deploy key, webhook address and secret, in the provider's own words.

use super::{Head, Tab};
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id, Query};
use crate::pages::shell::{Section, Shell};
use crate::pages::web::{self, Visitor};
use crate::pages::{assets, icon};
use crate::service::{deliveries, projects, servers};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::webhook::Provider;
use devflow_protocol::ProjectId;
use devflow_protocol::runner_api::ServerFacts;
use serde::Deserialize;

/// The page and what its forms are sent to.
pub(super) fn router() -> Routes {
    Routes::new()
        .get("/projects/{id}/hook", Needs::project(Action::SeeProject), show)
        .post(
            "/projects/{id}/hook/secret",
            Needs::project(Action::ChangeSettings),
            renew,
        )
        .post("/projects/{id}/hook/test", Needs::project(Action::Operate), test)
}

#[derive(Template)]
#[template(path = "project/hook.html")]
pub(crate) struct HookPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) provider: &'static str,
    pub(crate) deploy_key: Option<String>,
    pub(crate) key_place: &'static str,
    pub(crate) where_to_add: &'static str,
    pub(crate) secret_field: &'static str,
    pub(crate) last_step: &'static str,
    pub(crate) url: String,
    pub(crate) secret: Option<String>,
    pub(crate) may_see: bool,
    pub(crate) may_test: bool,
    pub(crate) branch: String,
}

/// What a person does at a provider.
pub(crate) struct Guide {
    pub(crate) name: &'static str,
    pub(crate) key_place: &'static str,
    pub(crate) where_to_add: &'static str,
    pub(crate) secret_field: &'static str,
    pub(crate) last_step: &'static str,
}

/// The steps at a provider.
pub(crate) fn guide(provider: Provider) -> Guide {
    match provider {
        Provider::Github => Guide {
            name: "GitHub",
            key_place: "in the repository under Settings → Deploy keys → Add deploy key",
            where_to_add: "In the repository, open Settings → Webhooks → Add webhook, and give this as payload URL, \
                           with the content type application/json:",
            secret_field: "Give this as secret:",
            last_step: "Leave “Just the push event” as it is and add the webhook. GitHub sends a ping, which shows up \
                        under Deliveries.",
        },
        Provider::Gitlab => Guide {
            name: "GitLab",
            key_place: "in the project under Settings → Repository → Deploy keys",
            where_to_add: "In the project, open Settings → Webhooks → Add new webhook, and give this as URL:",
            secret_field: "Give this as signing token, or as secret token where your GitLab is older than 19.0:",
            last_step: "Tick “Push events” (and “Tag push events” if you deploy tags) and add the webhook. Its \
                        Test button sends a push.",
        },
        Provider::Bitbucket => Guide {
            name: "Bitbucket",
            key_place: "in the repository under Repository settings → Access keys → Add key",
            where_to_add: "In the repository, open Repository settings → Webhooks → Add webhook, and give this as URL:",
            secret_field: "Give this as secret:",
            last_step: "Leave “Repository push” as the trigger and save. Bitbucket never sends a push of more than \
                        256 kB, and lists no files, so a path filter lets every push through.",
        },
        Provider::Gitea => Guide {
            name: "Gitea or Forgejo",
            key_place: "in the repository under Settings → Deploy keys → Add deploy key",
            where_to_add: "In the repository, open Settings → Webhooks → Add webhook → Gitea (or Forgejo), and give \
                           this as target URL, with POST and application/json:",
            secret_field: "Give this as secret:",
            last_step: "Leave “Push events” as the trigger and add the webhook. Its Test delivery button sends a push \
                        of the newest commit. Failed deliveries are not sent again by themselves.",
        },
        Provider::Generic => Guide {
            name: "any system",
            key_place: "where your Git host keeps its deploy keys",
            where_to_add: "Let your CI system or Git host send a POST with a JSON body of ref and sha to:",
            secret_field: "Sign it as Standard Webhooks describes (webhook-id, webhook-timestamp, \
                           webhook-signature) with this secret:",
            last_step: "A webhook-id is taken once: send the same one again when you retry, a new one for a new push.",
        },
    }
}

/// Whether the secret is shown.
#[derive(Deserialize)]
pub(crate) struct Look {
    reveal: Option<String>,
}

/// `GET /projects/{id}/hook`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    if look.reveal.is_some() {
        visitor.signed_in.access.require(Action::SeeSecrets, Some(&id))?;
    }
    let card = projects::card(&state, &id).await?;
    let hook = projects::hook::of_project(&state, &id)
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    let secret = match look.reveal {
        Some(_) => Some(projects::hook::reveal_secret(&state, &visitor.signed_in.actor(), &hook).await?),
        None => None,
    };
    let facts = servers::get(&state, &card.project.server).await?.facts;
    let facts = facts.and_then(|facts| serde_json::from_str::<ServerFacts>(&facts).ok());
    // A public address needs no key.
    let private = !card.project.settings()?.repository.as_str().starts_with("http");
    let guide = guide(hook.provider);
    let project = Head::new(&card, Some(Tab::Hook), &visitor.signed_in.access)?;
    // A page that shows a secret does not fetch itself again: each look is recorded.
    let topic = secret.is_none().then(|| super::topic(&id));
    visitor.page(&HookPage {
        shell: visitor.shell(format!("Webhook of {}", project.name), Section::Projects, topic),
        project,
        provider: guide.name,
        deploy_key: facts.and_then(|facts| facts.deploy_key).filter(|_| private),
        key_place: guide.key_place,
        where_to_add: guide.where_to_add,
        secret_field: guide.secret_field,
        last_step: guide.last_step,
        url: projects::hook::url(&state, &hook),
        secret,
        may_see: visitor.signed_in.access.may(Action::SeeSecrets, Some(&id)),
        may_test: visitor.signed_in.access.may(Action::Operate, Some(&id)),
        branch: card.project.ref_name.short().to_owned(),
    })
}

/// `POST /projects/{id}/hook/secret`
#[worker::send]
pub(crate) async fn renew(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<super::actions::Press>,
) -> Result<Response, ApiError> {
    // The new secret has to be given to the provider, so who makes it has to see it.
    form.signed_in.access.require(Action::SeeSecrets, Some(&id))?;
    let hook = projects::hook::of_project(&state, &id)
        .await?
        .ok_or_else(|| ApiError::no_such("hook"))?;
    let renewed = projects::hook::renew_secret(&state, &form.signed_in.actor(), &hook).await;
    web::done(renewed, &format!("/projects/{id}/hook?reveal=1"), |()| {
        "The secret is new. Give it to the provider now: pushes are refused until you did.".to_owned()
    })
}

/// `POST /projects/{id}/hook/test`
#[worker::send]
pub(crate) async fn test(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<super::actions::Press>,
) -> Result<Response, ApiError> {
    let sent = deliveries::try_out(&state, &form.signed_in.actor(), &id).await;
    let path = match &sent {
        Ok(receipt) => format!("/projects/{id}/deliveries?new={}", receipt.delivery),
        Err(_) => format!("/projects/{id}/hook"),
    };
    web::done(sent, &path, |_| {
        "A signed test delivery was received, checked and stored: here it is. That the provider reaches this address, its \
         own test shows."
            .to_owned()
    })
}
