//! A project's pages: deployments, environment, deliveries, webhook and settings, under one head with tabs.

pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod environment;
pub(crate) mod form;
pub(crate) mod hook;

use super::look::Badge;

/// The pages of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Deployments,
    Environment,
    Deliveries,
    Hook,
    Settings,
}

/// What the head of each of a project's pages shows.
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
    pub(crate) server_missing: bool,
    pub(crate) can_run: bool,
    pub(crate) stopped: bool,
    pub(crate) removing: bool,
    pub(crate) tab: Tab,
}

impl Head {
    fn tabs(&self) -> [(&'static str, &'static str, bool); 5] {
        [
            ("Deployments", "", Tab::Deployments),
            ("Environment", "/environment", Tab::Environment),
            ("Deliveries", "/deliveries", Tab::Deliveries),
            ("Webhook", "/hook", Tab::Hook),
            ("Settings", "/settings", Tab::Settings),
        ]
        .map(|(name, path, tab)| (name, path, tab == self.tab))
    }
}
