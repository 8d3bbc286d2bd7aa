//! The spool of events: kept until the edge has acknowledged them.

use super::{JobKey, Journal, JournalError};
use devflow_protocol::UnixMillis;
use devflow_protocol::event::{Event, Happening};
use devflow_protocol::limits;

impl Journal {
    /// The number of the last event of a job; 0 before the first.
    pub(crate) fn last_event(&self, key: &JobKey) -> Result<u64, JournalError> {
        let last: i64 = self.spool().query_row(
            "SELECT max(
                coalesce((SELECT events_sent FROM jobs WHERE job = ?1 AND attempt = ?2), 0),
                coalesce((SELECT max(n) FROM events WHERE job = ?1 AND attempt = ?2), 0))",
            (key.job.as_str(), key.attempt),
            |row| row.get(0),
        )?;
        Ok(u64::try_from(last).unwrap_or_default())
    }

    /// Spools event number `n`.
    pub(crate) fn append_event(
        &self,
        key: &JobKey,
        n: u64,
        at: UnixMillis,
        what: Happening,
    ) -> Result<(), JournalError> {
        let body = serde_json::to_string(&Event { n, at, what })?;
        let connection = self.spool();
        let mut insert = connection
            .prepare_cached("INSERT INTO events (job, attempt, n, body) VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute((
            key.job.as_str(),
            key.attempt,
            i64::try_from(n).unwrap_or(i64::MAX),
            body,
        ))?;
        Ok(())
    }

    /// The oldest spooled events of a job, as many as one batch may hold.
    pub(crate) fn next_batch(&self, key: &JobKey) -> Result<Vec<Event>, JournalError> {
        // The envelope of a batch (ids, brackets) takes less than this.
        const ROOM: usize = limits::EVENT_BATCH_BYTES - 512;
        let connection = self.spool();
        let mut select = connection
            .prepare_cached("SELECT body FROM events WHERE job = ?1 AND attempt = ?2 ORDER BY n LIMIT ?3")?;
        let most = i64::try_from(limits::EVENTS_PER_BATCH).unwrap_or(i64::MAX);
        let mut rows = select.query((key.job.as_str(), key.attempt, most))?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            bytes += body.len() + 1;
            if bytes > ROOM && !batch.is_empty() {
                break;
            }
            batch.push(serde_json::from_str(body)?);
        }
        Ok(batch)
    }

    /// Drops the events up to `last`, which the edge has.
    pub(crate) fn events_acknowledged(&self, key: &JobKey, last: u64) -> Result<(), JournalError> {
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let mut connection = self.spool();
        let change = connection.transaction()?;
        change.execute(
            "UPDATE jobs SET events_sent = max(events_sent, ?3) WHERE job = ?1 AND attempt = ?2",
            (key.job.as_str(), key.attempt, last),
        )?;
        change.execute(
            "DELETE FROM events WHERE job = ?1 AND attempt = ?2 AND n <= ?3",
            (key.job.as_str(), key.attempt, last),
        )?;
        change.commit()?;
        Ok(())
    }
}
