//! `activity_logs`: who did what. Rows are added in the batch of what they tell about.

use super::{Statement, statement};
use devflow_protocol::UnixMillis;

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
