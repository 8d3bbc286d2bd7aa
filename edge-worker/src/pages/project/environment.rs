//! A project's environment: names, values where they are asked for, and forms that make a new version.

use super::Head;
use crate::pages::shell::Shell;
use crate::pages::{assets, icon};
use askama::Template;

/// What stands for a value that is not shown.
pub(crate) const MASK: &str = "••••••••";

/// A variable.
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Its value, or [`MASK`].
    pub(crate) shown: String,
    pub(crate) editing: bool,
}

impl Variable {
    /// Lines of the field that edits it.
    fn rows(&self) -> usize {
        self.shown.lines().count().clamp(1, 12)
    }
}

#[derive(Template)]
#[template(path = "project/environment.html")]
pub(crate) struct EnvironmentPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) version: u32,
    pub(crate) revealed: bool,
    /// True where the live release has another version.
    pub(crate) pending: bool,
    pub(crate) variables: Vec<Variable>,
    pub(crate) problem: Option<String>,
    /// What was typed into the form and could not be taken.
    pub(crate) lines: String,
}
