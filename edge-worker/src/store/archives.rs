//! `audit_archives`: what of the audit trail has left the database for the bucket.

use super::{Statement, activity, statement};
use devflow_protocol::UnixMillis;
use serde::Deserialize;

/// Where the trail in the database begins.
#[derive(Debug, Deserialize)]
pub(crate) struct BeginRow {
    /// Last row, number and head of what is in the bucket; None where nothing is.
    pub(crate) last: Option<i64>,
    pub(crate) number: Option<u64>,
    pub(crate) head: Option<String>,
    /// Why nothing more was moved when that was tried last, see [`note_problem`].
    pub(crate) problem: Option<String>,
}

/// The beginning, where all of its oldest segment is from before `before` and the last archive was made before `pause`; else
/// no row. The newest segment never leaves.
pub(crate) fn due(before: UnixMillis, pause: UnixMillis) -> Statement {
    statement!(
        "-- audit_archives_due
        SELECT a.last, a.number, a.head, (SELECT value FROM settings WHERE name = 'audit_problem') AS problem
        FROM activity_logs l
        LEFT JOIN audit_archives a ON a.last = (SELECT max(last) FROM audit_archives)
        WHERE l.id = (SELECT min(last) FROM audit_segments) AND l.id < (SELECT max(last) FROM audit_segments)
          AND l.at < ?1 AND coalesce(a.archived_at, 0) < ?2",
        before,
        pause
    )
}

/// Notes that the trail is not as it was sealed, and records that. Changes rows where this was not known.
pub(crate) fn note_problem(problem: &str, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- audit_problem_note
            INSERT INTO settings (name, value) VALUES ('audit_problem', ?1)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
            problem
        ),
        activity::record_if_changed(now, activity::EDGE, "audit.broken", "", problem),
    ]
}

/// The trail is as it was sealed.
pub(crate) fn forget_problem() -> Statement {
    statement!("-- audit_problem_forget\nDELETE FROM settings WHERE name = 'audit_problem'")
}

/// What is wrong with the trail.
#[derive(Debug, Deserialize)]
pub(crate) struct ProblemRow {
    pub(crate) problem: String,
}

/// What was found to be wrong with the trail, if anything.
pub(crate) fn problem() -> Statement {
    statement!("-- audit_problem\nSELECT value AS problem FROM settings WHERE name = 'audit_problem'")
}

/// An archive.
#[derive(Debug, Deserialize)]
pub(crate) struct ArchiveRow {
    /// Id of its last row.
    pub(crate) last: i64,
    /// Its name in the bucket.
    pub(crate) object: String,
}

/// The archive that row `after` + 1 is in, if it is in one.
pub(crate) fn after(after: i64) -> Statement {
    statement!(
        "-- audit_archives_after
        SELECT last, object FROM audit_archives WHERE last > ?1 ORDER BY last LIMIT 1",
        after
    )
}

/// Something to archive.
pub(crate) struct NewArchive<'a> {
    pub(crate) last: i64,
    pub(crate) number: u64,
    pub(crate) head: &'a str,
    pub(crate) object: &'a str,
    pub(crate) now: UnixMillis,
}

/// Notes what is in the bucket, then deletes it here: one batch. What it said about people has to be gone by then, and
/// goes at the latest now.
pub(crate) fn insert(new: &NewArchive<'_>) -> [Statement; 4] {
    [
        statement!(
            "-- audit_archives_insert
            INSERT INTO audit_archives (last, number, head, object, archived_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            new.last,
            i64::try_from(new.number).unwrap_or(i64::MAX),
            new.head,
            new.object,
            new.now
        ),
        statement!(
            "-- audit_archives_delete_personal\nDELETE FROM activity_personal WHERE activity <= ?1",
            new.last
        ),
        statement!(
            "-- audit_archives_delete_rows\nDELETE FROM activity_logs WHERE id <= ?1",
            new.last
        ),
        statement!(
            "-- audit_archives_delete_segments\nDELETE FROM audit_segments WHERE last <= ?1",
            new.last
        ),
    ]
}
