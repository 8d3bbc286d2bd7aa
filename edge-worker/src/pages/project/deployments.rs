//! A project's first page: what is live, and the deployments, newest first.

use super::Head;
use crate::pages::look::Badge;
use crate::pages::moment::{Length, Moment};
use crate::pages::shell::Shell;
use crate::pages::{assets, icon};
use askama::Template;

/// A deployment in a list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    pub(crate) branch: String,
    pub(crate) reason: Option<String>,
    /// What or who asked for it.
    pub(crate) by: String,
    pub(crate) took: Option<Length>,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "project/deployments.html")]
pub(crate) struct DeploymentsPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) first_page: bool,
    pub(crate) live: Option<String>,
    pub(crate) live_commit: String,
    pub(crate) branch: String,
    pub(crate) repository: String,
    pub(crate) domains: String,
    pub(crate) processes: String,
    /// Says that deployments wait, and for what.
    pub(crate) waiting: Option<String>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}
