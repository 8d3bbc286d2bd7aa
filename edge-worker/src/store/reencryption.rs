//! What is encrypted at rest, wherever it is: looked through when the data key is replaced.

use super::{Statement, statement};
use devflow_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

/// Rows of one look.
pub(crate) const ROWS: usize = 20;

/// A value, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SealedRow {
    /// The primary key, for environments with `version`.
    pub(crate) id: String,
    pub(crate) version: i64,
    /// What it was encrypted for.
    pub(crate) context: String,
    pub(crate) sealed: String,
}

/// A column with encrypted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    list: &'static str,
    replace: &'static str,
}

/// All of them. Sealed in cookies, forms and the `Auth` object are things that are over in minutes, and marks of browsers,
/// which are made anew.
pub(crate) const COLUMNS: [Column; 6] = [
    Column {
        list: "-- reencrypt_environments
        SELECT project AS id, version, 'environment/' || project || '/' || version AS context, sealed FROM environments
        WHERE (project, version) > (?1, ?2) AND substr(sealed, 1, 9) <> ?3 || '.'
        ORDER BY project, version LIMIT ?4",
        replace: "-- reencrypt_environment
        UPDATE environments SET sealed = ?4 WHERE project = ?1 AND version = ?2 AND sealed = ?3",
    },
    Column {
        list: "-- reencrypt_hooks
        SELECT id, ?2 AS version, 'hook/' || id AS context, secret AS sealed FROM hooks
        WHERE id > ?1 AND substr(secret, 1, 9) <> ?3 || '.' ORDER BY id LIMIT ?4",
        replace: "-- reencrypt_hook\nUPDATE hooks SET secret = ?4 WHERE id = ?1 AND ?2 = ?2 AND secret = ?3",
    },
    Column {
        list: "-- reencrypt_endpoints
        SELECT id, ?2 AS version, 'endpoint/' || id AS context, sealed FROM endpoints
        WHERE id > ?1 AND substr(sealed, 1, 9) <> ?3 || '.' ORDER BY id LIMIT ?4",
        replace: "-- reencrypt_endpoint\nUPDATE endpoints SET sealed = ?4 WHERE id = ?1 AND ?2 = ?2 AND sealed = ?3",
    },
    Column {
        list: "-- reencrypt_second_factors
        SELECT user AS id, ?2 AS version, 'second-factor/' || user AS context, secret AS sealed FROM second_factors
        WHERE user > ?1 AND substr(secret, 1, 9) <> ?3 || '.' ORDER BY user LIMIT ?4",
        replace: "-- reencrypt_second_factor
        UPDATE second_factors SET secret = ?4 WHERE user = ?1 AND ?2 = ?2 AND secret = ?3",
    },
    Column {
        list: "-- reencrypt_answers
        SELECT key AS id, ?2 AS version, 'idempotency/' || key AS context, answer AS sealed FROM idempotency_keys
        WHERE key > ?1 AND answer IS NOT NULL AND substr(answer, 1, 9) <> ?3 || '.' ORDER BY key LIMIT ?4",
        replace: "-- reencrypt_answer
        UPDATE idempotency_keys SET answer = ?4 WHERE key = ?1 AND ?2 = ?2 AND answer = ?3",
    },
    Column {
        list: "-- reencrypt_repository_tokens
        SELECT owner AS id, ?2 AS version, 'repository/' || owner || '/' || repository AS context, sealed
        FROM repository_tokens WHERE owner > ?1 AND substr(sealed, 1, 9) <> ?3 || '.' ORDER BY owner LIMIT ?4",
        replace: "-- reencrypt_repository_token
        UPDATE repository_tokens SET sealed = ?4 WHERE owner = ?1 AND ?2 = ?2 AND sealed = ?3",
    },
];

impl Column {
    /// The next values after a place that are not encrypted with `key`.
    pub(crate) fn not_under(self, key: &str, after: &Place) -> Statement {
        statement!(self.list, after.id.as_str(), after.version, key, ROWS)
    }

    /// Puts another ciphertext of the same value in, unless it was changed meanwhile.
    pub(crate) fn replace(self, row: &SealedRow, sealed: &str) -> Statement {
        statement!(
            self.replace,
            row.id.as_str(),
            row.version,
            row.sealed.as_str(),
            sealed
        )
    }
}

/// A place in a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) id: String,
    pub(crate) version: i64,
}

/// How far the look at everything has come, as the setting `reencryption` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The data key that everything is to be under.
    pub(crate) key: String,
    /// Number of the column that is looked through.
    pub(crate) column: usize,
    /// Where in it.
    pub(crate) after: Place,
    /// Values that were encrypted anew in this look at everything, and in all before it for this key.
    pub(crate) changed: u64,
    pub(crate) changed_before: u64,
    /// Values that no key of the Worker opens.
    pub(crate) unreadable: u64,
    /// When a look at everything found nothing more to do.
    pub(crate) done_at: Option<UnixMillis>,
}

/// JSON of [`Progress`] as an [`super::IdRow`].
pub(crate) fn progress() -> Statement {
    statement!("-- reencryption_progress\nSELECT value AS id FROM settings WHERE name = 'reencryption'")
}

/// Notes how far it has come.
pub(crate) fn set_progress(progress: &Progress) -> Statement {
    let value = serde_json::to_string(progress).expect("numbers and texts are JSON");
    statement!(
        "-- reencryption_set_progress
        INSERT INTO settings (name, value) VALUES ('reencryption', ?1)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        value
    )
}
