//! A password that somebody sets: compared with those that are known from data breaches, as NIST SP 800-63B asks, and hashed.
//! Where nobody answers whether it is known, the rules of [`devflow_domain::people::check_password`] have to do, and the audit
//! trail says so.

use super::object::{Ask, Reply};
use super::{ask, breached};
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::store::{Statement, activity};
use devflow_protocol::{UnixMillis, UserId};

/// A password that may be set.
pub(super) struct Accepted {
    /// What is stored of it.
    pub(super) hash: String,
    /// Why it was not compared.
    not_compared: Option<String>,
}

impl Accepted {
    /// What goes on record about it beside that `user` set it.
    pub(super) fn record(&self, now: UnixMillis, user: &UserId) -> Option<Statement> {
        let reason = self.not_compared.as_deref()?;
        let user = user.as_str();
        Some(activity::record(
            now,
            user,
            "user.password_not_compared",
            user,
            reason,
        ))
    }
}

/// Accepts a password that keeps the rules, unless it is known from a breach.
pub(super) async fn accept(state: &AppState, password: &str) -> Result<Accepted, ApiError> {
    let not_compared = match &state.config.breached_passwords {
        None => None,
        Some(root) => match breached::is_known(root, password).await {
            Ok(false) => None,
            Ok(true) => {
                return Err(ApiError::invalid(
                    "password",
                    "this one is known from a data breach, so it is tried early; take another that you use nowhere else",
                ));
            }
            Err(reason) => {
                platform::log_error(&format!(
                    "a password was not compared with those of breaches: {reason}"
                ));
                Some(reason)
            }
        },
    };
    Ok(Accepted {
        hash: hash(state, password).await?,
        not_compared,
    })
}

async fn hash(state: &AppState, password: &str) -> Result<String, ApiError> {
    let asked = Ask::Hash {
        password: password.to_owned(),
    };
    match ask(state, &asked).await? {
        Reply::Hash { hash } => Ok(hash),
        _ => Err(ApiError::Internal("the Auth object gave no hash".to_owned())),
    }
}
