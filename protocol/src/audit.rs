//! The audit trail: how rows of what was done are chained and signed, and how an export of it is verified offline.
//!
//! Rows are sealed in segments. A segment names its rows by count, first and last id and a digest over all of them,
//! and the segment before by the SHA-256 of its payload; the edge signs it with its job key, which every runner has
//! pinned. So a row that was changed, added, taken out or moved is found, and so is a segment. What cannot be found by
//! the export alone is an end that was cut off: keep the head of an earlier one, and ask for it.
//!
//! What says something about a person beside their id is not in a row, only its salted hash: erasing salt and value
//! leaves the chain whole.

use crate::UnixMillis;
use crate::dsse::{Envelope, EnvelopeError, hex};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The payload type of a segment.
pub const SEGMENT_TYPE: &str = "application/vnd.devflow.audit.v1+json";
/// What the first segment names as the one before.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "AuditRow")
)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Ascending, never used twice.
    pub id: i64,
    /// When.
    pub at: UnixMillis,
    /// The id of the person, key or server that did it.
    pub actor: String,
    /// What, such as `project.create`.
    pub action: String,
    /// The id of what it was done to.
    pub subject: String,
    /// What else there is to say; nothing about a person.
    pub detail: String,
    /// The salted hash of what it says about a person, in hex.
    pub personal: Option<String>,
}

impl Row {
    /// SHA-256 over the fields, each after its length, so that no two rows share one text.
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.id.to_be_bytes());
        hash.update(self.at.0.to_be_bytes());
        let personal = self.personal.as_deref().unwrap_or_default();
        for field in [&self.actor, &self.action, &self.subject, &self.detail, personal] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        hash.finalize().into()
    }
}

/// What a row says about a person, erasable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "AuditPersonal")
)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// Random, so that the hash cannot be guessed back once this is gone.
    pub salt: String,
    /// Such as an address.
    pub value: String,
}

impl Personal {
    /// What [`Row::personal`] holds.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.salt.len() as u64).to_be_bytes());
        hash.update(self.salt.as_bytes());
        hash.update(self.value.as_bytes());
        hex(&hash.finalize())
    }
}

/// Some rows, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Whose trail it is: the edge's id.
    pub edge: String,
    /// 1 for the first, then one more each time.
    pub number: u64,
    /// SHA-256 of the payload of the segment before, in hex; zeros for the first.
    pub previous: String,
    /// Id of the first row.
    pub first: i64,
    /// Id of the last row.
    pub last: i64,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over the rows' digests in order, in hex.
    pub digest: String,
    /// When it was sealed.
    pub sealed_at: UnixMillis,
}

fn digest_of(rows: &[Row]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(row.digest());
    }
    hex(&hash.finalize())
}

/// A signed segment with its head, the SHA-256 of its payload in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What was sealed.
    pub segment: Segment,
    /// Its signature.
    pub envelope: Envelope,
    /// What the next segment names as the one before.
    pub head: String,
}

/// Seals `rows` behind `before` (number and head of the last segment). None where there are no rows.
pub fn seal(
    edge: &str,
    before: Option<(u64, &str)>,
    rows: &[Row],
    key: &SigningKey,
    now: UnixMillis,
) -> Option<Sealed> {
    let (first, last) = (rows.first()?.id, rows.last()?.id);
    let segment = Segment {
        edge: edge.to_owned(),
        number: before.map_or(1, |(number, _)| number + 1),
        previous: before.map_or(NOTHING, |(_, head)| head).to_owned(),
        first,
        last,
        rows: rows.len() as u64,
        digest: digest_of(rows),
        sealed_at: now,
    };
    let payload = serde_json::to_vec(&segment).expect("a segment is plain texts and numbers");
    Some(Sealed {
        envelope: Envelope::sign(SEGMENT_TYPE, &payload, key),
        head: hex(&Sha256::digest(&payload)),
        segment,
    })
}

/// One line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "AuditLine")
)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first line.
    Head {
        /// 1.
        version: u32,
        /// The edge's id.
        edge: String,
        /// The edge's job key in base64. Compare it with what a runner pinned: who forges a trail signs with their own.
        key: String,
    },
    /// A row, before the segment that seals it.
    Row {
        /// What was done.
        row: Row,
        /// What it says about a person, unless that was erased.
        personal: Option<Personal>,
    },
    /// A segment over the rows since the one before.
    Segment {
        /// Its signature.
        envelope: Envelope,
    },
}

/// What a whole export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The edge's id.
    pub edge: String,
    /// Rows that are sealed.
    pub sealed_rows: u64,
    /// Rows after the last segment: real, but not proven yet.
    pub unsealed_rows: u64,
    /// How many segments.
    pub segments: u64,
    /// Rows whose personal part was erased.
    pub erased: u64,
    /// The head of the last segment: keep it, and ask for it the next time.
    pub head: Option<String>,
}

/// Why an export proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Tampered {
    /// Counted from 1; the line after the last for what is missing at the end.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("it is not a line of an audit export: {0}")]
    Unreadable(String),
    /// The first line says something else than the head.
    #[error("an export begins with its head, of version 1")]
    NoHead,
    /// A segment is not signed by the key.
    #[error("the segment's signature is not the edge's: {0}")]
    Signature(EnvelopeError),
    /// A segment of another installation.
    #[error("the segment is of another installation")]
    OtherEdge,
    /// A segment does not follow the one before.
    #[error("the segment does not follow the one before: a segment is missing, twice, or was made again")]
    Chain,
    /// A segment does not fit its rows.
    #[error("the rows are not those that segment {0} sealed: one was changed, added or taken out")]
    Rows(u64),
    /// A row's id is not above the one before.
    #[error("the row is out of order")]
    Order,
    /// The personal part is not the one whose hash was sealed.
    #[error("what the row says about a person was changed")]
    Personal,
    /// The head that is known from earlier is not in it.
    #[error("the head known from earlier is missing: the end was cut off, or the trail was made again")]
    KnownHead,
}

struct Verifier<'a> {
    key: &'a VerifyingKey,
    known_head: Option<&'a str>,
    pending: Vec<Row>,
    last_id: i64,
    number: u64,
    report: Report,
}

impl Verifier<'_> {
    fn row(&mut self, row: Row, personal: Option<&Personal>) -> Result<(), Problem> {
        if row.id <= self.last_id {
            return Err(Problem::Order);
        }
        match (&row.personal, personal) {
            (Some(hash), Some(personal)) if *hash != personal.hash() => return Err(Problem::Personal),
            (None, Some(_)) => return Err(Problem::Personal),
            (Some(_), None) => self.report.erased += 1,
            _ => {}
        }
        self.last_id = row.id;
        self.pending.push(row);
        Ok(())
    }

    fn segment(&mut self, envelope: &Envelope) -> Result<(), Problem> {
        let payload = envelope
            .verify(SEGMENT_TYPE, [self.key])
            .map_err(Problem::Signature)?;
        let segment: Segment =
            serde_json::from_slice(&payload).map_err(|error| Problem::Unreadable(error.to_string()))?;
        if segment.edge != self.report.edge {
            return Err(Problem::OtherEdge);
        }
        let previous = self.report.head.as_deref().unwrap_or(NOTHING);
        if segment.number != self.number + 1 || segment.previous != previous {
            return Err(Problem::Chain);
        }
        let rows = std::mem::take(&mut self.pending);
        let ends = rows
            .first()
            .zip(rows.last())
            .map(|(first, last)| (first.id, last.id));
        let fits = ends == Some((segment.first, segment.last))
            && rows.len() as u64 == segment.rows
            && digest_of(&rows) == segment.digest;
        if !fits {
            return Err(Problem::Rows(segment.number));
        }
        self.number = segment.number;
        self.report.segments += 1;
        self.report.sealed_rows += segment.rows;
        let head = hex(&Sha256::digest(&payload));
        self.known_head = self.known_head.filter(|known| *known != head);
        self.report.head = Some(head);
        Ok(())
    }
}

/// Verifies the lines of an export with the edge's job `key`. With `known_head`, the head of an earlier report, that
/// segment has to be in it.
pub fn verify<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    key: &VerifyingKey,
    known_head: Option<&str>,
) -> Result<Report, Tampered> {
    let mut verifier = Verifier {
        key,
        known_head,
        pending: vec![],
        last_id: i64::MIN,
        number: 0,
        report: Report {
            edge: String::new(),
            sealed_rows: 0,
            unsealed_rows: 0,
            segments: 0,
            erased: 0,
            head: None,
        },
    };
    let mut count = 0;
    for (index, text) in lines.into_iter().enumerate() {
        let line = index + 1;
        let at = |problem| Tampered { line, problem };
        let read: Line =
            serde_json::from_str(text).map_err(|error| at(Problem::Unreadable(error.to_string())))?;
        match read {
            Line::Head { version: 1, edge, .. } if line == 1 => verifier.report.edge = edge,
            Line::Head { .. } => return Err(at(Problem::NoHead)),
            _ if line == 1 => return Err(at(Problem::NoHead)),
            Line::Row { row, personal } => verifier.row(row, personal.as_ref()).map_err(at)?,
            Line::Segment { envelope } => verifier.segment(&envelope).map_err(at)?,
        }
        count = line;
    }
    let at_end = |problem| Tampered {
        line: count + 1,
        problem,
    };
    if count == 0 {
        return Err(at_end(Problem::NoHead));
    }
    if verifier.known_head.is_some() {
        return Err(at_end(Problem::KnownHead));
    }
    verifier.report.unsealed_rows = verifier.pending.len() as u64;
    Ok(verifier.report)
}
