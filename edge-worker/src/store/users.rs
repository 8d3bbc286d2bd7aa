//! `users`, `sessions` and `api_keys`: who may come in. Tokens are stored as hashes only.

use super::{Statement, statement};
use devflow_protocol::{ApiKeyId, LoginId, UnixMillis, UserId};
use serde::Deserialize;

/// A session ends this long after its last use, in milliseconds.
pub(crate) const IDLE_MS: i64 = 7 * 24 * 3_600_000;
/// A session ends this long after its start, in milliseconds.
pub(crate) const ABSOLUTE_MS: i64 = 30 * 24 * 3_600_000;
/// `seen_at` is written at most this often, in milliseconds.
pub(crate) const SEEN_STEP_MS: i64 = 5 * 60_000;

/// A person with what is needed to check a password.
#[derive(Debug, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    pub(crate) password_hash: String,
}

/// Who a session or key belongs to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CallerRow {
    /// The session's or key's id.
    pub(crate) id: String,
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) seen_at: UnixMillis,
}

/// A new person.
pub(crate) struct NewOwner<'a> {
    pub(crate) id: &'a UserId,
    pub(crate) email: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) now: UnixMillis,
}

/// Makes the owner. A second owner is refused by the unique index.
pub(crate) fn insert_owner(owner: &NewOwner<'_>) -> Statement {
    statement!(
        "-- users_insert_owner
        INSERT INTO users (id, email, password_hash, role, created_at) VALUES (?1, ?2, ?3, 'owner', ?4)",
        owner.id,
        owner.email,
        owner.password_hash,
        owner.now
    )
}

/// One row when there is an owner.
pub(crate) fn owner() -> Statement {
    statement!("-- users_owner\nSELECT id, password_hash FROM users WHERE role = 'owner'")
}

/// The person with that address.
pub(crate) fn by_email(email: &str) -> Statement {
    statement!(
        "-- users_by_email\nSELECT id, password_hash FROM users WHERE email = ?1",
        email
    )
}

/// Starts a session.
pub(crate) fn insert_session(token_hash: &str, id: &LoginId, user: &UserId, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_insert
        INSERT INTO sessions (token_hash, id, user, created_at, seen_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        token_hash,
        id,
        user,
        now,
        now.plus(ABSOLUTE_MS)
    )
}

/// The session of a token, unless it has ended.
pub(crate) fn session(token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_by_token
        SELECT s.id, s.user, u.email, s.seen_at FROM sessions s JOIN users u ON u.id = s.user
        WHERE s.token_hash = ?1 AND s.expires_at > ?2 AND s.seen_at > ?3",
        token_hash,
        now,
        now.plus(-IDLE_MS)
    )
}

/// Notes that a session is in use.
pub(crate) fn touch_session(token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_touch\nUPDATE sessions SET seen_at = ?2 WHERE token_hash = ?1",
        token_hash,
        now
    )
}

/// Ends a session.
pub(crate) fn delete_session(token_hash: &str) -> Statement {
    statement!(
        "-- sessions_delete\nDELETE FROM sessions WHERE token_hash = ?1",
        token_hash
    )
}

/// Adds an API key.
pub(crate) fn insert_key(
    token_hash: &str,
    id: &ApiKeyId,
    user: &UserId,
    name: &str,
    now: UnixMillis,
) -> Statement {
    statement!(
        "-- api_keys_insert
        INSERT INTO api_keys (token_hash, id, user, name, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        token_hash,
        id,
        user,
        name,
        now
    )
}

/// The key of a token.
pub(crate) fn key(token_hash: &str) -> Statement {
    statement!(
        "-- api_keys_by_token
        SELECT k.id, k.user, u.email, k.created_at AS seen_at FROM api_keys k JOIN users u ON u.id = k.user
        WHERE k.token_hash = ?1",
        token_hash
    )
}

/// Deletes a key of a person.
pub(crate) fn delete_key(id: &ApiKeyId, user: &UserId) -> Statement {
    statement!(
        "-- api_keys_delete\nDELETE FROM api_keys WHERE id = ?1 AND user = ?2",
        id,
        user
    )
}
