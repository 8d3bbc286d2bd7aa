//! Who did what, newest first.

use super::moment::Moment;
use super::shell::Shell;
use super::{assets, icon};
use askama::Template;

/// One thing that was done.
pub(crate) struct Row {
    /// What, in words.
    pub(crate) sentence: String,
    pub(crate) subject: String,
    pub(crate) link: Option<String>,
    pub(crate) actor: String,
    pub(crate) detail: String,
    pub(crate) when: Moment,
}

#[derive(Template)]
#[template(path = "activity.html")]
pub(crate) struct ActivityPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    pub(crate) next: Option<String>,
}
