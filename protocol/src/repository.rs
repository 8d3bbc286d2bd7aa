//! What a private repository asks for over https: a user's name and an access token, sealed to one runner.

use crate::text::RepositoryUrl;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// A user's name and a token, as git is given them. `Debug` shows the name alone.
#[derive(Clone, PartialEq, Eq)]
pub struct RepositoryToken {
    user: String,
    token: Zeroizing<String>,
}

/// Why a name or a token is not taken. Says nothing of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryTokenError {
    /// The name is none.
    #[error("the user name that belongs to the token: 1 to 100 visible ASCII characters without a colon")]
    User,
    /// The token is none.
    #[error("a token of 8 to 1024 visible ASCII characters, as the provider shows it")]
    Token,
}

/// How it is written before it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'t> {
    user: std::borrow::Cow<'t, str>,
    token: std::borrow::Cow<'t, str>,
}

fn is_visible(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl RepositoryToken {
    /// Takes a user's name and a token.
    ///
    /// # Errors
    /// One of them is no such thing: git's credentials are lines, and basic authentication divides at a colon.
    pub fn new(user: &str, token: &str) -> Result<Self, RepositoryTokenError> {
        if !is_visible(user, 1..=100) || user.contains(':') {
            return Err(RepositoryTokenError::User);
        }
        if !is_visible(token, 8..=1024) {
            return Err(RepositoryTokenError::Token);
        }
        Ok(Self {
            user: user.to_owned(),
            token: Zeroizing::new(token.to_owned()),
        })
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The token.
    pub fn secret(&self) -> &str {
        &self.token
    }

    /// What is sealed.
    pub fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let written = Written {
            user: self.user().into(),
            token: self.secret().into(),
        };
        Zeroizing::new(serde_json::to_vec(&written).expect("two texts are JSON"))
    }

    /// Reads what was sealed; None where it is something else.
    pub fn from_plain(plain: &[u8]) -> Option<Self> {
        let written: Written<'_> = serde_json::from_slice(plain).ok()?;
        Self::new(&written.user, &written.token).ok()
    }
}

impl fmt::Debug for RepositoryToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepositoryToken({}, ..)", self.user)
    }
}

/// The context that a token is sealed for: it opens for this repository alone.
pub fn repository_token_context(repository: &RepositoryUrl) -> String {
    format!("repository/{repository}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_what_git_and_basic_authentication_can_carry() {
        let taken = RepositoryToken::new("x-access-token", "ghp_secret").expect("both are fine");
        assert_eq!(format!("{taken:?}"), "RepositoryToken(x-access-token, ..)");
        assert_eq!(
            taken.to_plain().as_slice(),
            br#"{"user":"x-access-token","token":"ghp_secret"}"#
        );
        assert_eq!(RepositoryToken::from_plain(&taken.to_plain()), Some(taken));
        assert_eq!(RepositoryToken::from_plain(br#"{"user":"a"}"#), None);
        for user in ["", "a:b", "a b", "a\nb", "é"] {
            assert_eq!(
                RepositoryToken::new(user, "ghp_secret"),
                Err(RepositoryTokenError::User),
                "{user:?}"
            );
        }
        for token in ["", "short", "with a space", "two\nlines-of-it", &"x".repeat(1025)] {
            let refused = RepositoryToken::new("ada", token);
            assert_eq!(refused, Err(RepositoryTokenError::Token), "{token:?}");
            assert_eq!(
                RepositoryToken::from_plain(format!(r#"{{"user":"ada","token":{token:?}}}"#).as_bytes()),
                None
            );
        }
    }
}
