//! A project's pages: deployments, environment, deliveries, webhook and settings, under one head with tabs.

pub(crate) mod compare;
pub(crate) mod count;
pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod environment;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod hook;
pub(crate) mod members;
pub(crate) mod pipeline;
pub(crate) mod processes;

pub(crate) mod actions;
pub(crate) mod servers;
pub(crate) mod settings;
pub(crate) mod times;
pub(crate) mod wizard;

use super::look::{self, Badge, ProjectFacts};
use crate::access::{Access, Needs, Routes};
use crate::store::StoreError;
use crate::store::cards::ProjectCard;
use crate::store::projects::ProjectState;
use crate::store::servers::ServerState;
use devflow_domain::access::Action;
use devflow_domain::settings::ProjectSettings;
use devflow_protocol::ProjectId;
use devflow_protocol::project::Framework;

/// The pages of projects and what their forms are sent to.
pub(crate) fn router() -> Routes {
    Routes::new()
        .merge(members::router())
        .merge(processes::router())
        .merge(hook::router())
        .merge(compare::router())
        .post("/projects", Needs::may(Action::CreateProject), settings::create)
        .get("/projects/new", Needs::may(Action::CreateProject), wizard::new)
        .post(
            "/projects/inspect",
            Needs::may(Action::CreateProject),
            wizard::look,
        )
        .get(
            "/projects/{id}",
            Needs::project(Action::SeeProject),
            deployments::show,
        )
        .post(
            "/projects/{id}/deploy",
            Needs::project(Action::Deploy),
            actions::deploy,
        )
        .post(
            "/projects/{id}/restart",
            Needs::project(Action::Operate),
            actions::restart,
        )
        .post(
            "/projects/{id}/stop",
            Needs::project(Action::Operate),
            actions::stop,
        )
        .post(
            "/projects/{id}/remove",
            Needs::project(Action::RemoveProject),
            actions::remove,
        )
        .get(
            "/projects/{id}/environment",
            Needs::project(Action::SeeProject),
            environment::show,
        )
        .get(
            "/projects/{id}/environment/file",
            Needs::project(Action::SeeSecrets),
            environment::forms::export,
        )
        .post(
            "/projects/{id}/environment/set",
            Needs::project(Action::ChangeEnvironment),
            environment::forms::set,
        )
        .post(
            "/projects/{id}/environment/remove",
            Needs::project(Action::ChangeEnvironment),
            environment::forms::remove,
        )
        .post(
            "/projects/{id}/environment/import",
            Needs::project(Action::ChangeEnvironment),
            environment::forms::import,
        )
        .get(
            "/projects/{id}/deliveries",
            Needs::project(Action::SeeProject),
            deliveries::show,
        )
        .get(
            "/projects/{id}/pipeline",
            Needs::project(Action::SeeProject),
            pipeline::show,
        )
        .post(
            "/projects/{id}/pipeline/set",
            Needs::project(Action::ChangeSettings),
            pipeline::forms::set,
        )
        .post(
            "/projects/{id}/pipeline/remove",
            Needs::project(Action::ChangeSettings),
            pipeline::forms::remove,
        )
        .get(
            "/projects/{id}/settings",
            Needs::project(Action::SeeProject),
            settings::show,
        )
        .post(
            "/projects/{id}/settings",
            Needs::project(Action::ChangeSettings),
            settings::save,
        )
        .post(
            "/projects/{id}/servers",
            Needs::project(Action::ChangeSettings),
            servers::save,
        )
}

/// The pages of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Deployments,
    Environment,
    Deliveries,
    Hook,
    Pipeline,
    Processes,
    Endpoints,
    Settings,
}

/// A project at a glance: the head of each of its pages, and of its card.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) domain: Option<String>,
    pub(crate) kind: String,
    pub(crate) server: String,
    pub(crate) server_name: String,
    /// How many servers it has beside that.
    pub(crate) further_servers: usize,
    pub(crate) server_missing: bool,
    pub(crate) can_deploy: bool,
    /// True where there is a release to start and stop, for somebody who may.
    pub(crate) can_run: bool,
    /// They may change how many processes it runs.
    pub(crate) can_scale: bool,
    /// They may change its settings, and remove it.
    pub(crate) can_change: bool,
    pub(crate) can_remove: bool,
    /// They decide who has a role in it.
    pub(crate) can_share: bool,
    /// They may look at its servers.
    pub(crate) sees_servers: bool,
    pub(crate) stopped: bool,
    pub(crate) removing: bool,
    /// None on a card.
    pub(crate) tab: Option<Tab>,
}

/// A framework, as people name it.
pub(crate) fn framework(framework: Framework) -> &'static str {
    match framework {
        Framework::Laravel => "Laravel",
        Framework::MultiTenant => "Multi-tenant Laravel",
        Framework::Php => "Plain PHP",
        Framework::Shopware => "Shopware",
        Framework::Dockerfile => "Dockerfile",
        Framework::Compose => "Compose file",
    }
}

/// Framework and PHP version, as people name them; what an image of its own has in it is not known.
pub(crate) fn kind(settings: &ProjectSettings) -> String {
    let name = framework(settings.framework);
    match settings.framework {
        Framework::Dockerfile | Framework::Compose => name.to_owned(),
        _ => format!("{name}, PHP {}", settings.php),
    }
}

/// The state of a project as it is shown.
pub(crate) fn badge(card: &ProjectCard) -> Badge {
    look::project(ProjectFacts {
        state: card.project.state,
        server: card.server_state,
        live: card.project.live_deployment.is_some(),
        failing: card.failing != 0,
        last: card.last_state,
    })
}

/// What a project's pages follow.
pub(crate) fn topic(id: &ProjectId) -> String {
    format!("project:{id}")
}

impl Head {
    pub(crate) fn new(card: &ProjectCard, tab: Option<Tab>, access: &Access) -> Result<Self, StoreError> {
        let settings = card.project.settings()?;
        let may = |action| access.may(action, Some(&card.project.id));
        Ok(Self {
            id: card.project.id.to_string(),
            name: card.project.name.clone(),
            badge: badge(card),
            domain: settings.domains.first().map(ToString::to_string),
            kind: kind(&settings),
            server: card.project.server.to_string(),
            server_name: card.server_name.clone(),
            further_servers: card.project.further_servers,
            server_missing: card.server_state == ServerState::Missing,
            can_deploy: may(Action::Deploy),
            can_run: card.project.live_deployment.is_some() && may(Action::Operate),
            can_scale: card.project.live_deployment.is_some() && may(Action::ChangeSettings),
            can_change: may(Action::ChangeSettings),
            can_remove: may(Action::RemoveProject),
            can_share: may(Action::ManageMembers),
            sees_servers: access.may(Action::SeeServers, None),
            stopped: card.project.state == ProjectState::Stopped,
            removing: card.project.state == ProjectState::Removing,
            tab,
        })
    }

    pub(in crate::pages) fn tabs(&self) -> [(&'static str, &'static str, bool); 8] {
        [
            ("Deployments", "", Tab::Deployments),
            ("Environment", "/environment", Tab::Environment),
            ("Processes", "/processes", Tab::Processes),
            ("Deliveries", "/deliveries", Tab::Deliveries),
            ("Webhook", "/hook", Tab::Hook),
            ("Pipeline", "/pipeline", Tab::Pipeline),
            ("Notifications", "/endpoints", Tab::Endpoints),
            ("Settings", "/settings", Tab::Settings),
        ]
        .map(|(name, path, tab)| (name, path, Some(tab) == self.tab))
    }
}
