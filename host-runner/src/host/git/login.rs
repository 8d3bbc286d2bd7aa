//! What a repository asks for over https, and how git is given it: a helper that git asks about the repository's own host
//! alone reads it from the environment of git. So it is in no argument, address, file or configuration, nothing of it is
//! left when the runner or the machine ends, and a redirect to another host finds nobody who knows it.

use crate::mask::MASK;
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::text::RepositoryUrl;
use tokio::process::Command;

/// Answers git's question for credentials, and stores none. A constant: git hands it to a shell.
const HELPER: &str = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$DEVFLOW_GIT_USER" "$DEVFLOW_GIT_TOKEN"; }; f"#;

/// A repository, and what it asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) url: &'a RepositoryUrl,
    pub(crate) login: Option<Login<'a>>,
}

/// A token, and the only place that it is sent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'a> {
    /// Scheme, host and port.
    origin: &'a str,
    token: &'a RepositoryToken,
}

impl<'a> Login<'a> {
    /// For a repository over https; None for all others.
    pub(crate) fn new(url: &'a RepositoryUrl, token: &'a RepositoryToken) -> Option<Self> {
        let origin = url.https_origin()?;
        Some(Self { origin, token })
    }

    /// The name that goes with the token.
    pub(super) fn user(self) -> &'a str {
        self.token.user()
    }

    /// For any place, so that tests need no certificate.
    #[cfg(test)]
    pub(super) fn at(origin: &'a str, token: &'a RepositoryToken) -> Self {
        Self { origin, token }
    }
}

impl<'a> Source<'a> {
    /// A repository with the token that was given for it, if one was.
    pub(crate) fn new(url: &'a RepositoryUrl, token: Option<&'a RepositoryToken>) -> Self {
        let login = token.and_then(|token| Login::new(url, token));
        Self { url, login }
    }

    /// Lets git in.
    pub(super) fn admit(self, command: &mut Command) {
        let Some(login) = self.login else { return };
        command
            .arg("-c")
            .arg(format!("credential.{}.helper={HELPER}", login.origin))
            .env("DEVFLOW_GIT_USER", login.token.user())
            .env("DEVFLOW_GIT_TOKEN", login.token.secret());
    }

    /// Words of git or of the repository's host without the token.
    pub(super) fn masked(self, words: &str) -> String {
        match self.login {
            Some(login) => words.replace(login.token.secret(), MASK),
            None => words.to_owned(),
        }
    }
}
