//! `deployment_events` in the database of logs: batches of events as runners sent them.

use super::{Statement, statement};
use devflow_protocol::{JobId, UnixMillis};
use serde::Deserialize;

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct BatchRow {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) sha256: String,
    /// JSON list of events.
    pub(crate) body: String,
}

/// Where a batch belongs.
pub(crate) struct NewBatch<'a> {
    pub(crate) job: &'a JobId,
    pub(crate) attempt: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) sha256: &'a str,
    pub(crate) body: &'a str,
    pub(crate) now: UnixMillis,
}

/// Stores a batch; one that is there already stays as it is.
pub(crate) fn insert(batch: &NewBatch<'_>) -> Statement {
    statement!(
        "-- deployment_events_insert
        INSERT INTO deployment_events (job, attempt, first, last, sha256, received_at, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (job, attempt, first) DO NOTHING",
        batch.job,
        batch.attempt,
        i64::try_from(batch.first).unwrap_or(i64::MAX),
        i64::try_from(batch.last).unwrap_or(i64::MAX),
        batch.sha256,
        batch.now,
        batch.body
    )
}

/// Batches of a job's attempt that hold events after number `after`.
pub(crate) fn after(job: &JobId, attempt: u32, after: i64, limit: i64) -> Statement {
    statement!(
        "-- deployment_events_after
        SELECT first, last, sha256, body FROM deployment_events
        WHERE job = ?1 AND attempt = ?2 AND last > ?3 ORDER BY first LIMIT ?4",
        job,
        attempt,
        after,
        limit
    )
}

/// Deletes all batches of a job.
pub(crate) fn delete(job: &str) -> Statement {
    statement!(
        "-- deployment_events_delete\nDELETE FROM deployment_events WHERE job = ?1",
        job
    )
}
