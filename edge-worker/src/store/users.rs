//! `users`, `sessions` and `api_keys`: who may come in. Tokens are stored as hashes only.

use super::{Statement, StoreError, statement};
use devflow_domain::access::{Grants, KeyLimits, Role, Scope, Through};
use devflow_domain::api_key::{KEYS_EACH, Standing, standing};
use devflow_protocol::{ApiKeyId, LoginId, UnixMillis, UserId};
use serde::Deserialize;

/// A session ends this long after its last use, in milliseconds.
pub(crate) const IDLE_MS: i64 = 7 * 24 * 3_600_000;
/// A session ends this long after its start, in milliseconds.
pub(crate) const ABSOLUTE_MS: i64 = 30 * 24 * 3_600_000;
/// `seen_at` and `used_at` are written at most this often, in milliseconds.
pub(crate) const SEEN_STEP_MS: i64 = 5 * 60_000;
/// How long a password or second factor that was given counts as given a moment ago, in milliseconds.
pub(crate) const PROOF_MS: i64 = 15 * 60_000;

/// A person with what is needed to check a password.
#[derive(Debug, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    pub(crate) password_hash: String,
    /// 1 where an app shows codes for them.
    pub(crate) has_app: u8,
    /// 1 where they have a passkey.
    pub(crate) has_passkey: u8,
}

impl UserRow {
    /// True where a password alone is not enough.
    pub(crate) fn has_factor(&self) -> bool {
        self.has_app != 0 || self.has_passkey != 0
    }
}

/// Somebody who is here.
#[derive(Debug, Deserialize)]
pub(crate) struct IdRow {
    pub(crate) id: UserId,
}

/// Who a session or key belongs to, with what they were given.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CallerRow {
    /// The session's or key's id.
    pub(crate) id: String,
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) seen_at: UnixMillis,
    /// When password or second factor were given last; None for a key.
    pub(crate) proved_at: Option<UnixMillis>,
    /// When the session or key is over at the latest, where it is.
    expires_at: Option<UnixMillis>,
    role: Option<Role>,
    /// JSON object of roles by project.
    projects: String,
}

impl CallerRow {
    /// When the session is over unless it is used again.
    pub(crate) fn ends_at(&self) -> UnixMillis {
        let idle = self.seen_at.plus(IDLE_MS);
        self.expires_at.map_or(idle, |at| at.min(idle))
    }

    /// What they may do, coming in that way.
    pub(crate) fn grants(&self, through: Through) -> Result<Grants, StoreError> {
        let projects = serde_json::from_str(&self.projects)
            .map_err(|error| StoreError::unreadable("project_roles", &error))?;
        Ok(Grants {
            fleet: self.role,
            projects,
            through,
        })
    }
}

/// A session with what is known of its person's second factor.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SessionCallerRow {
    #[serde(flatten)]
    pub(crate) caller: CallerRow,
    pub(crate) has_factor: u8,
    /// All must have one.
    factor_required: u8,
}

impl SessionCallerRow {
    /// What the session may be used for at `now`.
    pub(crate) fn grants(&self, now: UnixMillis) -> Result<Grants, StoreError> {
        let proved = self.caller.proved_at;
        self.caller.grants(Through::Session {
            proven: proved.is_some_and(|at| now.since(at) < PROOF_MS),
            lacks_factor: self.factor_required != 0 && self.has_factor == 0,
        })
    }
}

/// A key with its limits.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeyCallerRow {
    #[serde(flatten)]
    pub(crate) caller: CallerRow,
    scope: Scope,
    /// JSON list of projects; None is all.
    only: Option<String>,
    used_at: Option<UnixMillis>,
    name: String,
}

impl KeyCallerRow {
    /// What the key may be used for.
    pub(crate) fn grants(&self) -> Result<Grants, StoreError> {
        let projects = self.only.as_deref().map(serde_json::from_str).transpose();
        let projects = projects.map_err(|error| StoreError::unreadable("api_keys.projects", &error))?;
        self.caller.grants(Through::Key(KeyLimits {
            scope: self.scope,
            projects,
        }))
    }

    /// Its name and when it ended, where it did.
    pub(crate) fn over(&self, now: UnixMillis) -> Option<(&str, UnixMillis)> {
        let end = self.caller.expires_at?;
        (standing(Some(end), now) == Standing::Over).then_some((self.name.as_str(), end))
    }

    /// True where its last use was not written down lately.
    pub(crate) fn is_unseen(&self, now: UnixMillis) -> bool {
        self.used_at.is_none_or(|at| now.since(at) > SEEN_STEP_MS)
    }
}

/// A new person.
pub(crate) struct NewOwner<'a> {
    pub(crate) id: &'a UserId,
    pub(crate) email: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) now: UnixMillis,
}

/// Makes the owner, where there is none. Runs before all else of its batch, which fails with it.
pub(crate) fn insert_owner(owner: &NewOwner<'_>) -> Statement {
    statement!(
        "-- users_insert_owner
        INSERT INTO users (id, email, password_hash, role, created_at)
        VALUES (?1, ?2, ?3, CASE WHEN EXISTS (SELECT 1 FROM users WHERE role = 'owner') THEN 'second' ELSE 'owner' END,
          ?4)",
        owner.id,
        owner.email,
        owner.password_hash,
        owner.now
    )
}

/// A row when there is an owner.
pub(crate) fn owner() -> Statement {
    statement!("-- users_owner\nSELECT id FROM users WHERE role = 'owner' LIMIT 1")
}

/// The person with that address, also one who is shut out.
pub(crate) fn with_email(email: &str) -> Statement {
    statement!(
        "-- users_with_email\nSELECT id FROM users WHERE email = ?1",
        email
    )
}

/// The person with that address who may come in.
pub(crate) fn by_email(email: &str) -> Statement {
    statement!(
        "-- users_by_email
        SELECT id, password_hash,
          EXISTS (SELECT 1 FROM second_factors f WHERE f.user = users.id AND f.confirmed_at IS NOT NULL) AS has_app,
          EXISTS (SELECT 1 FROM passkeys k WHERE k.user = users.id) AS has_passkey
        FROM users WHERE email = ?1 AND disabled_at IS NULL",
        email
    )
}

/// The person of an id who may come in.
pub(crate) fn by_id(id: &UserId) -> Statement {
    statement!(
        "-- users_by_id
        SELECT id, password_hash,
          EXISTS (SELECT 1 FROM second_factors f WHERE f.user = users.id AND f.confirmed_at IS NOT NULL) AS has_app,
          EXISTS (SELECT 1 FROM passkeys k WHERE k.user = users.id) AS has_passkey
        FROM users WHERE id = ?1 AND disabled_at IS NULL",
        id
    )
}

/// Where a session is used.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Browser and system in words.
    pub(crate) device: String,
    pub(crate) address: String,
    /// ISO 3166 code, where the platform knows it.
    pub(crate) country: Option<String>,
}

/// A new session.
pub(crate) struct NewSession<'a> {
    pub(crate) token_hash: &'a str,
    pub(crate) id: &'a LoginId,
    pub(crate) user: &'a UserId,
    pub(crate) place: &'a Place,
    pub(crate) now: UnixMillis,
}

/// Starts a session; who signs in has just proven who they are.
pub(crate) fn insert_session(new: &NewSession<'_>) -> Statement {
    statement!(
        "-- sessions_insert
        INSERT INTO sessions (token_hash, id, user, created_at, seen_at, proved_at, expires_at, device, address, country)
        VALUES (?1, ?2, ?3, ?4, ?4, ?4, ?5, ?6, ?7, ?8)",
        new.token_hash,
        new.id,
        new.user,
        new.now,
        new.now.plus(ABSOLUTE_MS),
        new.place.device.as_str(),
        new.place.address.as_str(),
        new.place.country.clone()
    )
}

/// The session of a token, unless it has ended.
pub(crate) fn session(token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_by_token
        SELECT s.id, s.user, u.email, s.seen_at, s.proved_at, s.expires_at, u.role,
          (SELECT json_group_object(r.project, r.role) FROM project_roles r WHERE r.user = u.id) AS projects,
          EXISTS (SELECT 1 FROM factors f WHERE f.user = u.id) AS has_factor,
          EXISTS (SELECT 1 FROM settings WHERE name = 'second_factor_required') AS factor_required
        FROM sessions s JOIN users u ON u.id = s.user
        WHERE s.token_hash = ?1 AND s.expires_at > ?2 AND s.seen_at > ?3 AND u.disabled_at IS NULL",
        token_hash,
        now,
        now.plus(-IDLE_MS)
    )
}

/// Notes that a session is in use, and from where.
pub(crate) fn touch_session(token_hash: &str, place: &Place, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_touch
        UPDATE sessions SET seen_at = ?2, address = ?3, country = ?4 WHERE token_hash = ?1",
        token_hash,
        now,
        place.address.as_str(),
        place.country.clone()
    )
}

/// A session as its person sees it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) id: LoginId,
    pub(crate) created_at: UnixMillis,
    pub(crate) seen_at: UnixMillis,
    pub(crate) device: String,
    pub(crate) address: String,
    pub(crate) country: Option<String>,
}

impl SessionRow {
    /// Where the page behind it begins.
    pub(crate) fn cursor(&self) -> String {
        format!("{}.{}", self.seen_at.0, self.id)
    }
}

/// A page of the sessions of a person that hold, the latest used first; `cursor` is [`SessionRow::cursor`] of the last one
/// on the page before. What cannot be read as one begins with the first.
pub(crate) fn sessions_of(user: &UserId, now: UnixMillis, cursor: &str) -> Statement {
    let (seen_at, id) = cursor.split_once('.').unwrap_or_default();
    let seen_at = seen_at.parse().unwrap_or(i64::MAX >> 11);
    statement!(
        "-- sessions_of
        SELECT id, created_at, seen_at, device, address, country FROM sessions
        WHERE user = ?1 AND expires_at > ?2 AND seen_at > ?3 AND (seen_at < ?4 OR (seen_at = ?4 AND id < ?5))
        ORDER BY seen_at DESC, id DESC LIMIT 51",
        user,
        now,
        now.plus(-IDLE_MS),
        seen_at,
        id
    )
}

/// Ends a session of a person.
pub(crate) fn delete_session_of(user: &UserId, id: &LoginId) -> Statement {
    statement!(
        "-- sessions_delete_of\nDELETE FROM sessions WHERE user = ?1 AND id = ?2",
        user,
        id
    )
}

/// Gives a person another password.
pub(crate) fn set_password(user: &UserId, password_hash: &str) -> Statement {
    statement!(
        "-- users_set_password\nUPDATE users SET password_hash = ?2 WHERE id = ?1",
        user,
        password_hash
    )
}

/// Gives a session a new token after its person has proven who they are.
pub(crate) fn rotate_session(token_hash: &str, new_token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- sessions_rotate
        UPDATE sessions SET token_hash = ?2, proved_at = ?3, seen_at = ?3 WHERE token_hash = ?1",
        token_hash,
        new_token_hash,
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

/// A new API key.
pub(crate) struct NewKey<'a> {
    pub(crate) token_hash: &'a str,
    pub(crate) id: &'a ApiKeyId,
    pub(crate) user: &'a UserId,
    pub(crate) name: &'a str,
    pub(crate) scope: Scope,
    /// JSON list of projects; None is all.
    pub(crate) projects: Option<String>,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(crate) now: UnixMillis,
}

/// Adds an API key. Refused (a NULL for `api_keys.name`) where its person has [`KEYS_EACH`], and the whole batch with it.
pub(crate) fn insert_key(key: &NewKey<'_>) -> Statement {
    statement!(
        "-- api_keys_insert
        INSERT INTO api_keys (token_hash, id, user, name, scope, projects, expires_at, created_at)
        VALUES (?1, ?2, ?3, iif((SELECT count(*) FROM api_keys WHERE user = ?3) < ?9, ?4, NULL), ?5, ?6, ?7, ?8)",
        key.token_hash,
        key.id,
        key.user,
        key.name,
        key.scope.as_str(),
        key.projects.clone(),
        key.expires_at,
        key.now,
        KEYS_EACH
    )
}

/// The key of a token, also where it is over.
pub(crate) fn key(token_hash: &str) -> Statement {
    statement!(
        "-- api_keys_by_token
        SELECT k.id, k.user, u.email, k.created_at AS seen_at, k.expires_at, u.role, k.scope, k.projects AS only,
          k.used_at, k.name,
          (SELECT json_group_object(r.project, r.role) FROM project_roles r WHERE r.user = u.id) AS projects
        FROM api_keys k JOIN users u ON u.id = k.user
        WHERE k.token_hash = ?1 AND u.disabled_at IS NULL",
        token_hash
    )
}

/// Notes that a key is in use.
pub(crate) fn touch_key(token_hash: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- api_keys_touch\nUPDATE api_keys SET used_at = ?2 WHERE token_hash = ?1",
        token_hash,
        now
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
