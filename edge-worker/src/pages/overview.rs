//! The overview: counts, and a card for each project.

use super::assets;
use super::icon;
use super::look::Badge;
use super::moment::Moment;
use super::shell::Shell;
use askama::Template;

/// The figures on top.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) projects: u32,
    pub(crate) servers: u32,
    pub(crate) servers_online: u32,
    pub(crate) servers_missing: u32,
    pub(crate) running: u32,
    pub(crate) failed: u32,
}

/// The newest deployment of a project.
pub(crate) struct Last {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    /// Its state in running text, such as `live`.
    pub(crate) word: String,
    pub(crate) when: Moment,
}

/// A project at a glance.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
pub(crate) struct Card {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) domain: Option<String>,
    /// Framework and PHP version.
    pub(crate) kind: String,
    pub(crate) server: String,
    pub(crate) server_missing: bool,
    pub(crate) branch: String,
    pub(crate) last: Option<Last>,
    /// True where a release is there that can be started and stopped.
    pub(crate) can_run: bool,
    pub(crate) stopped: bool,
    pub(crate) removing: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
pub(crate) struct OverviewPage {
    pub(crate) shell: Shell,
    pub(crate) counts: Counts,
    pub(crate) cards: Vec<Card>,
    pub(crate) search: String,
    pub(crate) next: Option<String>,
}
