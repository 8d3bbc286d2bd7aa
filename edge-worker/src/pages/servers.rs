//! Servers: the list, adding one, and one server.

use super::look::Badge;
use super::moment::Moment;
use super::shell::Shell;
use super::{assets, icon};
use askama::Template;

/// A server in the list.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) name: String,
    pub(crate) hostname: String,
    /// System, cores, memory.
    pub(crate) machine: String,
    pub(crate) projects: u32,
}

#[derive(Template)]
#[template(path = "servers.html")]
pub(crate) struct ServersPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}

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
    pub(crate) expires: String,
}

/// A project on a server.
pub(crate) struct ProjectRow {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) name: String,
    pub(crate) domain: String,
}

/// A job of a server.
pub(crate) struct JobRow {
    pub(crate) badge: Badge,
    pub(crate) verb: &'static str,
    pub(crate) detail: String,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "server.html")]
pub(crate) struct ServerPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) pending: bool,
    pub(crate) missing: bool,
    /// What happened at `since_when`, such as `Came online`.
    pub(crate) since: &'static str,
    pub(crate) since_when: Moment,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) deploy_key: Option<String>,
    pub(crate) projects: Vec<ProjectRow>,
    pub(crate) jobs: Vec<JobRow>,
}
