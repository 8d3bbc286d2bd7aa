//! `audit_segments`: the seals over `activity_logs`. What is sealed, and how, is in [`devflow_protocol::audit`].

use super::{Statement, StoreError, activity, statement};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Line, Personal, Row, Sealed};
use devflow_protocol::dsse::{Envelope, fingerprint};
use devflow_protocol::keys::{read_key, write_key};
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;

/// Where the trail stands.
#[derive(Debug, Deserialize)]
pub(crate) struct EndRow {
    /// Whose trail it is.
    pub(crate) edge_id: String,
    /// Of the last segment; None before the first.
    pub(crate) number: Option<u64>,
    pub(crate) last: Option<i64>,
    pub(crate) head: Option<String>,
}

/// The end of the trail: one row in any case.
pub(crate) fn end() -> Statement {
    statement!(
        "-- audit_end
        SELECT s.value AS edge_id, a.number, a.last, a.head FROM settings s
        LEFT JOIN audit_segments a ON a.last = (SELECT max(last) FROM audit_segments) WHERE s.name = 'edge_id'"
    )
}

/// A row of the trail.
#[derive(Debug, Deserialize)]
pub(crate) struct TrailRow {
    pub(crate) id: i64,
    at: UnixMillis,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    personal: Option<String>,
    salt: Option<String>,
    value: Option<String>,
}

impl TrailRow {
    /// As it is sealed and exported.
    pub(crate) fn split(self) -> (Row, Option<Personal>) {
        let personal = self
            .salt
            .zip(self.value)
            .map(|(salt, value)| Personal { salt, value });
        let row = Row {
            id: self.id,
            at: self.at,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            detail: self.detail,
            personal: self.personal,
        };
        (row, personal)
    }
}

/// The rows after number `after`, oldest first.
pub(crate) fn rows_after(after: i64, most: usize) -> Statement {
    statement!(
        "-- audit_rows_after
        SELECT a.id, a.at, a.actor, a.action, a.subject, a.detail, a.personal, p.salt, p.value
        FROM activity_logs a LEFT JOIN activity_personal p ON p.activity = a.id
        WHERE a.id > ?1 ORDER BY a.id LIMIT ?2",
        after,
        most
    )
}

/// Adds a segment behind the one that ends with row `behind`; changes nothing where another sealer was quicker.
pub(crate) fn seal(sealed: &Sealed, behind: i64) -> Statement {
    let envelope = serde_json::to_string(&sealed.envelope).expect("an envelope is plain texts");
    statement!(
        "-- audit_seal
        INSERT INTO audit_segments (last, number, head, envelope)
        SELECT ?1, ?2, ?3, ?4 WHERE coalesce((SELECT max(last) FROM audit_segments), 0) = ?5",
        sealed.segment.last,
        i64::try_from(sealed.segment.number).unwrap_or(i64::MAX),
        sealed.head.as_str(),
        envelope,
        behind
    )
}

fn read_envelope(text: &str) -> Result<Envelope, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::unreadable("audit_segments.envelope", &error))
}

/// The newest segment.
#[derive(Debug, Deserialize)]
pub(crate) struct NewestRow {
    envelope: String,
}

impl NewestRow {
    /// As it was signed.
    pub(crate) fn envelope(self) -> Result<Envelope, StoreError> {
        read_envelope(&self.envelope)
    }
}

/// The newest segment, unless its number is the one that a runner saw last. A lower one is shown it too: the trail was cut
/// then, and that is to be seen.
pub(crate) fn unlike(number: u64) -> Statement {
    statement!(
        "-- audit_unlike
        SELECT envelope FROM audit_segments
        WHERE last = (SELECT max(last) FROM audit_segments) AND number <> ?1",
        i64::try_from(number.min(1 << 52)).unwrap_or(0)
    )
}

/// A segment.
#[derive(Debug, Deserialize)]
pub(crate) struct SegmentRow {
    last: i64,
    envelope: String,
}

/// The segments that end after row `after`, oldest first.
pub(crate) fn segments_after(after: i64, most: usize) -> Statement {
    statement!(
        "-- audit_segments_after
        SELECT last, envelope FROM audit_segments WHERE last > ?1 ORDER BY last LIMIT ?2",
        after,
        most
    )
}

/// The lines of an export: each segment behind its last row; segments of later rows are left out.
pub(crate) fn lines(rows: Vec<TrailRow>, segments: Vec<SegmentRow>) -> Result<Vec<Line>, StoreError> {
    let mut lines = Vec::with_capacity(rows.len() + segments.len());
    let mut segments = segments.into_iter().peekable();
    for row in rows {
        let id = row.id;
        let (row, personal) = row.split();
        lines.push(Line::Row { row, personal });
        while let Some(segment) = segments.next_if(|segment| segment.last <= id) {
            let envelope = read_envelope(&segment.envelope)?;
            lines.push(Line::Segment { envelope });
        }
    }
    Ok(lines)
}

/// Notes the job key that signs from now on. One after another one is recorded, and so sealed with the new one at once: that
/// vouches for all that the key before signed.
pub(crate) fn note_job_key(key: &VerifyingKey, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- job_keys_note
            INSERT INTO job_keys (key, since) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
            write_key(key),
            now
        ),
        statement!(
            "-- job_keys_record
            INSERT INTO activity_logs (at, actor, action, subject, detail)
            SELECT ?1, ?2, 'keys.job_key', '', ?3
            WHERE changes() > 0 AND (SELECT count(*) FROM job_keys) > 1",
            now,
            activity::EDGE,
            fingerprint(key)
        ),
    ]
}

/// A job key of this installation.
#[derive(Debug, Deserialize)]
pub(crate) struct JobKeyRow {
    key: String,
}

impl JobKeyRow {
    /// The public key.
    pub(crate) fn key(&self) -> Option<VerifyingKey> {
        read_key(&self.key)
    }
}

/// All job keys, oldest first.
pub(crate) fn job_keys() -> Statement {
    statement!("-- job_keys_list\nSELECT key FROM job_keys ORDER BY id")
}

/// The keys that signed before `newest`, oldest first.
pub(crate) fn earlier(rows: Vec<JobKeyRow>, newest: &VerifyingKey) -> Vec<String> {
    let newest = write_key(newest);
    rows.into_iter()
        .map(|row| row.key)
        .filter(|key| *key != newest)
        .collect()
}
