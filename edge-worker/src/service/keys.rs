//! API keys of a person: made, shown once, revoked.

use crate::app::AppState;
use crate::auth::{KEY_PREFIX, SignedIn};
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::{activity, users};
use devflow_domain::access::Scope;
use devflow_protocol::ApiKeyId;

/// Makes a key; it is told this once.
pub(crate) async fn create(state: &AppState, owner: &SignedIn, name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if !(1..=60).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(
            "name",
            "give the key a name of 1 to 60 characters",
        ));
    }
    let (now, id) = (platform::now(), platform::new_id(ApiKeyId::new));
    let key = format!("{KEY_PREFIX}{}", crypt::token(platform::entropy()));
    state
        .db
        .batch(vec![
            users::insert_key(&users::NewKey {
                token_hash: &crypt::token_hash(&key),
                id: &id,
                user: &owner.user,
                name,
                scope: Scope::Admin,
                projects: None,
                expires_at: None,
                now,
            }),
            activity::record(now, &owner.actor().0, "key.create", id.as_str(), name),
        ])
        .await?;
    Ok(key)
}

/// Revokes a key of that person.
pub(crate) async fn revoke(state: &AppState, owner: &SignedIn, id: &ApiKeyId) -> Result<(), ApiError> {
    let now = platform::now();
    let answers = state
        .db
        .batch(vec![
            users::delete_key(id, &owner.user),
            activity::record(now, &owner.actor().0, "key.revoke", id.as_str(), ""),
        ])
        .await?;
    match answers.first() {
        Some(answer) if answer.changes() > 0 => Ok(()),
        _ => Err(ApiError::no_such("API key")),
    }
}
