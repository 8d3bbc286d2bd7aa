//! `deployment_events` in the database of logs: what runners tell while they work, packed into chunks.

use super::{Statement, statement};
use devflow_protocol::{JobId, UnixMillis};
use serde::Deserialize;

/// So many characters of JSON a chunk grows to: who follows the output reads the newest chunk again and again.
const CHUNK_CHARS: i64 = 64 * 1024;

/// One chunk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ChunkRow {
    pub(crate) first: u64,
    /// JSON list of events.
    pub(crate) body: String,
}

/// The number of the last event that is kept.
#[derive(Debug, Deserialize)]
pub(crate) struct LastRow {
    pub(crate) last: u64,
}

/// Events to keep.
pub(crate) struct Fresh<'a> {
    pub(crate) job: &'a JobId,
    pub(crate) attempt: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// JSON list of events, not empty.
    pub(crate) body: &'a str,
    pub(crate) now: UnixMillis,
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Keeps events: at the end of the newest chunk where they follow it and it has room, else as a chunk of their own.
/// Where the first of them is there already nothing changes. The last statement gives the [`LastRow`].
pub(crate) fn keep(fresh: &Fresh<'_>) -> [Statement; 3] {
    let (first, last) = (number(fresh.first), number(fresh.last));
    [
        statement!(
            "-- deployment_events_append
            UPDATE deployment_events SET last = ?4, body = substr(body, 1, length(body) - 1) || ',' || substr(?5, 2)
            WHERE job = ?1 AND attempt = ?2
              AND first = (SELECT max(first) FROM deployment_events WHERE job = ?1 AND attempt = ?2)
              AND last = ?3 - 1 AND length(body) + length(?5) <= ?6",
            fresh.job,
            fresh.attempt,
            first,
            last,
            fresh.body,
            CHUNK_CHARS
        ),
        statement!(
            "-- deployment_events_insert
            INSERT INTO deployment_events (job, attempt, first, last, received_at, body)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM deployment_events
              WHERE job = ?1 AND attempt = ?2
              AND first = (SELECT max(first) FROM deployment_events WHERE job = ?1 AND attempt = ?2) AND last >= ?3)",
            fresh.job,
            fresh.attempt,
            first,
            last,
            fresh.now,
            fresh.body
        ),
        statement!(
            "-- deployment_events_last
            SELECT last FROM deployment_events WHERE job = ?1 AND attempt = ?2 ORDER BY first DESC LIMIT 1",
            fresh.job,
            fresh.attempt
        ),
    ]
}

/// Chunks of a job's attempt that hold events after number `after`.
pub(crate) fn after(job: &JobId, attempt: u32, after: i64, limit: i64) -> Statement {
    statement!(
        "-- deployment_events_after
        SELECT first, body FROM deployment_events
        WHERE job = ?1 AND attempt = ?2 AND last > ?3 ORDER BY first LIMIT ?4",
        job,
        attempt,
        after,
        limit
    )
}

/// Deletes all events of a job.
pub(crate) fn delete(job: &str) -> Statement {
    statement!(
        "-- deployment_events_delete\nDELETE FROM deployment_events WHERE job = ?1",
        job
    )
}
