//! The pages before sign-in: set-up and sign-in.

use super::assets;
use super::shell::Theme;
use askama::Template;

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage {
    pub(crate) theme: Theme,
    pub(crate) problem: Option<String>,
    pub(crate) email: String,
    /// Where to go after signing in: a path of this site.
    pub(crate) next: String,
}

#[derive(Template)]
#[template(path = "set_up.html")]
pub(crate) struct SetUpPage {
    pub(crate) theme: Theme,
    pub(crate) problem: Option<String>,
    pub(crate) email: String,
    pub(crate) token: String,
}
