//! `activity_logs`: who did what. Rows are added in the batch of what they tell about.

use super::{Statement, statement};
use devflow_protocol::audit::Personal;
use devflow_protocol::{UnixMillis, UserId};

/// The actor of what somebody did who is not known.
pub(crate) const STRANGER: &str = "stranger";

/// The actor of what the installation itself noticed.
pub(crate) const EDGE: &str = "edge";

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

/// Adds a row where the statement right before it in the batch changed something: what was refused, or came too late, was
/// not done.
pub(crate) fn record_if_changed(
    at: UnixMillis,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
) -> Statement {
    statement!(
        "-- activity_record_if_changed
        INSERT INTO activity_logs (at, actor, action, subject, detail) SELECT ?1, ?2, ?3, ?4, ?5 WHERE changes() > 0",
        at,
        actor,
        action,
        subject,
        detail
    )
}

/// Adds a row of a person that says something about them beside their id, erasable: the row itself has its hash only.
pub(crate) fn record_of_person(
    at: UnixMillis,
    person: &UserId,
    action: &str,
    subject: &str,
    personal: &Personal,
) -> [Statement; 2] {
    [
        statement!(
            "-- activity_record_of_person
            INSERT INTO activity_logs (at, actor, action, subject, personal) VALUES (?1, ?2, ?3, ?4, ?5)",
            at,
            person,
            action,
            subject,
            personal.hash()
        ),
        statement!(
            "-- activity_personal_insert
            INSERT INTO activity_personal (activity, person, at, salt, value)
            SELECT max(id), ?1, ?2, ?3, ?4 FROM activity_logs",
            person,
            at,
            personal.salt.as_str(),
            personal.value.as_str()
        ),
    ]
}
