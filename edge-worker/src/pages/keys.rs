//! API keys: made, shown once, revoked.

use super::moment::Moment;
use super::shell::Shell;
use super::{assets, icon};
use askama::Template;

/// A key.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) made: Moment,
}

#[derive(Template)]
#[template(path = "keys.html")]
pub(crate) struct KeysPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<Row>,
    /// The key that was just made.
    pub(crate) made: Option<String>,
}
