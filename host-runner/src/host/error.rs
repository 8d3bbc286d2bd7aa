//! The one error of this server's tools: a sentence fragment that says what could not be done and why.

use std::fmt::Display;

/// What could not be done, with the tool's own words. Fits behind "the deployment failed: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostError(String);

impl HostError {
    /// A whole sentence fragment, such as "the image `x` is not on this server; build it first".
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Says what could not be done and why, as "could not {what}: {cause}".
    pub(crate) fn because(what: impl Display, cause: impl Display) -> Self {
        Self(format!("could not {what}: {cause}"))
    }
}

/// What the tools of this server answer.
pub(crate) type Result<T, E = HostError> = std::result::Result<T, E>;

/// Adds to an error what was being done.
pub(crate) trait Doing<T> {
    /// Turns the error into "could not {what}: {error}". The text is only made when it is needed.
    fn doing<W: Display>(self, what: impl FnOnce() -> W) -> Result<T>;
}

impl<T, E: Display> Doing<T> for std::result::Result<T, E> {
    fn doing<W: Display>(self, what: impl FnOnce() -> W) -> Result<T> {
        self.map_err(|error| HostError::because(what(), error))
    }
}
