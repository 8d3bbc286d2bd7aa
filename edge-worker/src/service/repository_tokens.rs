//! Access tokens for repositories over https: checked, kept encrypted for one repository, and handed to the server that
//! fetches it. Nobody is shown one again.

use crate::app::AppState;
use crate::auth::Actor;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::repository_tokens::{self as store, TokenRow};
use devflow_domain::inspection::provider_of;
use devflow_domain::repository::token_user;
use devflow_domain::webhook::Provider;
use devflow_protocol::repository::{RepositoryToken, RepositoryTokenError};
use devflow_protocol::text::RepositoryUrl;
use devflow_protocol::{JobId, ProjectId, UnixMillis};
use serde::Deserialize;
use zeroize::Zeroizing;

/// An access token as it is sent.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewRepositoryToken"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    /// The user name that belongs to it; for GitHub, GitLab and Bitbucket theirs for tokens where none is given.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// May read the repository, and should be able to do nothing else. Never shown again.
    pub(crate) token: String,
}

/// What becomes of a project's token.
pub(crate) enum Change {
    /// It stays.
    Keep,
    /// There is this one from now on.
    Set(Given),
    /// There is none from now on.
    TakeAway,
}

impl Given {
    /// The token for a repository; `provider` is who sends its webhooks, where the address names no provider that is known.
    pub(crate) fn check(
        &self,
        repository: &RepositoryUrl,
        provider: Option<Provider>,
    ) -> Result<RepositoryToken, ApiError> {
        if repository.https_origin().is_none() {
            return Err(ApiError::invalid(
                "repository_token",
                "is for an https:// address; from others a server fetches by its own key",
            ));
        }
        let user = self
            .user
            .as_deref()
            .map(str::trim)
            .filter(|user| !user.is_empty());
        let usual = || provider_of(repository.as_str()).or(provider).and_then(token_user);
        let user = user.or_else(usual).unwrap_or_default();
        RepositoryToken::new(user, self.token.trim()).map_err(|error| {
            let field = match error {
                RepositoryTokenError::User => "repository_token.user",
                RepositoryTokenError::Token => "repository_token.token",
            };
            ApiError::invalid(field, error.to_string())
        })
    }
}

/// What is stored of a token that belongs to `owner`.
pub(crate) fn seal(
    state: &AppState,
    actor: &Actor,
    owner: &str,
    repository: &RepositoryUrl,
    token: &RepositoryToken,
    now: UnixMillis,
) -> TokenRow {
    let context = crypt::repository_context(owner, repository);
    let data_key = &state.config.data_key;
    TokenRow {
        repository: repository.to_string(),
        sealed: data_key.encrypt(&context, &token.to_plain(), platform::entropy()),
        actor: actor.0.clone(),
        created_at: now,
    }
}

/// Since when a project has a token, if it has one.
pub(crate) async fn since(state: &AppState, project: &ProjectId) -> Result<Option<UnixMillis>, ApiError> {
    let row: Option<TokenRow> = state.db.first(store::of(project.as_str())).await?;
    Ok(row.map(|row| row.created_at))
}

/// Whether a look was asked for with a token that a project can take over.
pub(crate) async fn waits(state: &AppState, look: &JobId) -> Result<bool, ApiError> {
    let row: Option<TokenRow> = state.db.first(store::of(look.as_str())).await?;
    Ok(row.is_some())
}

/// Refuses another address for a project that has a token: or whoever may change the address could have the token sent there.
pub(crate) async fn check_kept(
    state: &AppState,
    project: &ProjectId,
    repository: &RepositoryUrl,
) -> Result<(), ApiError> {
    let row: Option<TokenRow> = state.db.first(store::of(project.as_str())).await?;
    if row.is_none_or(|row| row.repository == repository.as_str()) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "repository_token",
        "give the token again, or take it away, because it would be sent for another repository",
    ))
}

/// The token that somebody gave for a look, for the project that they make of it.
pub(crate) async fn of_look(
    state: &AppState,
    actor: &Actor,
    look: &JobId,
    repository: &RepositoryUrl,
) -> Result<RepositoryToken, ApiError> {
    let row: Option<TokenRow> = state.db.first(store::of(look.as_str())).await?;
    let row = row.filter(|row| row.actor == actor.0 && row.repository == repository.as_str());
    let again = || {
        let message = "the token of the look is for another address, or forgotten by now; give it again";
        ApiError::invalid("repository_token", message)
    };
    let context = crypt::repository_context(look.as_str(), repository);
    let plain = state
        .config
        .data_key
        .decrypt(&context, &row.ok_or_else(again)?.sealed)?;
    RepositoryToken::from_plain(&Zeroizing::new(plain)).ok_or_else(again)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(user: Option<&str>, token: &str) -> Given {
        Given {
            user: user.map(str::to_owned),
            token: token.to_owned(),
        }
    }

    #[test]
    fn user_is_the_one_given_or_the_provider_s_for_tokens() {
        let cases = [
            (Some("ada"), "https://github.com/a/b", None, Some("ada")),
            (None, "https://github.com/a/b", None, Some("x-access-token")),
            (Some(" "), "https://gitlab.com/a/b.git", None, Some("oauth2")),
            (
                None,
                "https://bitbucket.org/a/b",
                Some(Provider::Generic),
                Some("x-token-auth"),
            ),
            (
                None,
                "https://git.acme.test/a/b",
                Some(Provider::Gitlab),
                Some("oauth2"),
            ),
            (None, "https://codeberg.org/a/b", None, None),
            (None, "https://git.acme.test/a/b", Some(Provider::Generic), None),
        ];
        for (user, repository, provider, expected) in cases {
            let checked = given(user, " glpat-1234 ").check(&repository.parse().unwrap(), provider);
            let found = checked.as_ref().ok().map(RepositoryToken::user);
            assert_eq!(found, expected, "{user:?} {repository}");
        }
    }

    #[test]
    fn check_names_the_field_and_never_the_token() {
        let cases = [
            (
                given(None, "glpat-1234"),
                "git@github.com:a/b.git",
                "repository_token",
            ),
            (
                given(None, "glpat-1234"),
                "http://github.com/a/b",
                "repository_token",
            ),
            (
                given(Some("a:b"), "glpat-1234"),
                "https://github.com/a/b",
                "repository_token.user",
            ),
            (
                given(None, "glpat 1234"),
                "https://github.com/a/b",
                "repository_token.token",
            ),
        ];
        for (given, repository, field) in cases {
            let Err(ApiError::Invalid(problems)) = given.check(&repository.parse().unwrap(), None) else {
                panic!("{repository} is refused");
            };
            assert_eq!(problems[0].0, field);
            assert!(!problems[0].1.contains("glpat"), "{problems:?}");
        }
    }
}
