//! The inbox of a project's webhook: each delivery with what was decided and why.

use super::Head;
use crate::pages::look::Badge;
use crate::pages::moment::Moment;
use crate::pages::shell::Shell;
use crate::pages::{assets, icon};
use askama::Template;

/// A delivery.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) reason: String,
    pub(crate) event: String,
    pub(crate) provider: &'static str,
    pub(crate) when: Moment,
    pub(crate) deployment: Option<String>,
    pub(crate) can_replay: bool,
}

#[derive(Template)]
#[template(path = "project/deliveries.html")]
pub(crate) struct DeliveriesPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}
