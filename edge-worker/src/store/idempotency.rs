//! `idempotency_keys`.

use super::{Statement, statement};
use devflow_domain::idempotency::KNOWN_MS;
use devflow_protocol::UnixMillis;
use serde::Deserialize;

/// A key that was used before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) fingerprint: String,
    pub(crate) answer: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) created_at: UnixMillis,
}

/// Takes a key for a request. Nothing changes where it was taken within the day.
pub(crate) fn take(key: &str, fingerprint: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- idempotency_keys_take
        INSERT INTO idempotency_keys (key, fingerprint, created_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, answer = NULL, status = NULL,
          created_at = excluded.created_at
        WHERE created_at <= ?4",
        key,
        fingerprint,
        now,
        now.plus(-KNOWN_MS)
    )
}

/// What is known of a key.
pub(crate) fn by_key(key: &str) -> Statement {
    statement!(
        "-- idempotency_keys_by_key
        SELECT fingerprint, answer, status, created_at FROM idempotency_keys WHERE key = ?1",
        key
    )
}

/// Keeps the answer of the request that took a key.
pub(crate) fn keep(key: &str, status: u16, answer: &str) -> Statement {
    statement!(
        "-- idempotency_keys_keep
        UPDATE idempotency_keys SET status = ?2, answer = ?3 WHERE key = ?1",
        key,
        u32::from(status),
        answer
    )
}

/// Gives a key free again: its request made nothing.
pub(crate) fn give_back(key: &str) -> Statement {
    statement!(
        "-- idempotency_keys_give_back\nDELETE FROM idempotency_keys WHERE key = ?1",
        key
    )
}
