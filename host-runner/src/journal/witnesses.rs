//! Segments of the edge's audit trail that this server saw: witnesses against a trail that is made again.

use super::{Journal, JournalError};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::witness::Head;
use rusqlite::OptionalExtension as _;

/// Kept in full; of older ones the last of each day stays, for good.
const NEWEST_KEPT: i64 = 500;
const DAY_MS: i64 = 24 * 3_600_000;

/// What this server saw of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The segment's number.
    pub(crate) number: u64,
    /// Its head.
    pub(crate) head: String,
    /// The signed segment.
    pub(crate) envelope: Envelope,
    /// When it was seen.
    pub(crate) at: UnixMillis,
    /// That it cannot be of the same trail as the one that was seen before it.
    pub(crate) contradicts: bool,
}

type Row = (i64, String, String, i64, bool);
const COLUMNS: &str = "number, head, envelope, seen_at, contradicts";

fn seen((number, head, envelope, at, contradicts): Row) -> Result<Seen, JournalError> {
    Ok(Seen {
        number: u64::try_from(number).unwrap_or(0),
        head,
        envelope: serde_json::from_str(&envelope)?,
        at: UnixMillis(at),
        contradicts,
    })
}

fn columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

impl Journal {
    /// The segment that was seen last.
    pub(crate) fn last_seen(&self) -> Result<Option<Seen>, JournalError> {
        let sql = format!("SELECT {COLUMNS} FROM witnesses ORDER BY id DESC LIMIT 1");
        let found = self.spool().query_row(&sql, [], columns).optional()?;
        found.map(seen).transpose()
    }

    /// Keeps a segment that was seen; one that was kept already is not kept twice.
    pub(crate) fn witness(
        &self,
        head: &Head,
        envelope: &Envelope,
        contradicts: bool,
        now: UnixMillis,
    ) -> Result<(), JournalError> {
        let number = i64::try_from(head.segment.number).unwrap_or(i64::MAX);
        let connection = self.spool();
        connection.execute(
            "INSERT INTO witnesses (number, head, envelope, seen_at, contradicts) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            (
                number,
                &head.head,
                serde_json::to_string(envelope)?,
                now.0,
                contradicts,
            ),
        )?;
        connection.execute(
            "DELETE FROM witnesses WHERE contradicts = 0 AND id <= (SELECT max(id) FROM witnesses) - ?1
               AND id NOT IN (SELECT max(id) FROM witnesses GROUP BY seen_at / ?2)",
            (NEWEST_KEPT, DAY_MS),
        )?;
        Ok(())
    }

    /// Those with that number, the one before it or the one after it.
    pub(crate) fn seen_near(&self, number: u64) -> Result<Vec<Seen>, JournalError> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let connection = self.spool();
        let mut statement = connection.prepare(&format!(
            "SELECT {COLUMNS} FROM witnesses WHERE number BETWEEN ?1 - 1 AND ?1 + 1 ORDER BY id"
        ))?;
        let rows = statement
            .query_map([number], columns)?
            .collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(seen).collect()
    }

    /// All that is kept, oldest first.
    pub(crate) fn witnesses(&self) -> Result<Vec<Seen>, JournalError> {
        let connection = self.spool();
        let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM witnesses ORDER BY id"))?;
        let rows = statement.query_map([], columns)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(seen).collect()
    }
}
