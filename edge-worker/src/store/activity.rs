//! `activity_logs`: who did what. Rows are added in the batch of what they tell about.

use super::{Statement, statement};
use devflow_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

/// One row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ActivityRow {
    /// Counts up.
    pub(crate) id: i64,
    /// When.
    pub(crate) at: UnixMillis,
    /// A user's, key's or server's id.
    pub(crate) actor: String,
    /// What was done, such as `deployment.cancel`.
    pub(crate) action: String,
    /// The id of what it was done to.
    pub(crate) subject: String,
    /// More, in words.
    pub(crate) detail: String,
}

/// Adds a row.
pub(crate) fn record(at: UnixMillis, actor: &str, action: &str, subject: &str, detail: &str) -> Statement {
    statement!(
        "-- activity_record
        INSERT INTO activity_logs (at, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
        at,
        actor,
        action,
        subject,
        detail
    )
}

/// The newest rows.
pub(crate) fn newest(before: i64) -> Statement {
    statement!(
        "-- activity_newest
        SELECT id, at, actor, action, subject, detail FROM activity_logs WHERE id < ?1 ORDER BY id DESC LIMIT 51",
        before
    )
}
