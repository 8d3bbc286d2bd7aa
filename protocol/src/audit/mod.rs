//! The audit trail: how rows of what was done are chained and signed, and how an export of it is verified offline.
//!
//! Rows are sealed in segments. A segment names its rows by count, first and last id and a digest over all of them,
//! and the segment before by the SHA-256 of its payload; the edge signs it with its job key, which every runner has
//! pinned. When that key changes, the first segment of the new one names the last of the old one, and so vouches for it. So a row that was changed, added, taken out or moved is found, and so is a segment. What cannot be found by
//! the export alone is an end that was cut off: keep the head of an earlier one, and ask for it.
//!
//! What says something about a person beside their id is not in a row, only its salted hash: erasing salt and value
//! leaves the chain whole.

mod verify;

pub use verify::{Problem, Report, Tampered, Witnessed, verify};

use crate::UnixMillis;
use crate::dsse::{Envelope, hex};
use crate::witness::Head;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The payload type of a segment.
pub const SEGMENT_TYPE: &str = "application/vnd.devflow.audit.v1+json";
/// What the first segment names as the one before.
pub(crate) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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

/// A segment that was proven, with its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// What was sealed.
    pub segment: Segment,
    /// What the next segment names as the one before.
    pub head: String,
}

/// Proves a segment over `rows` behind `before` (number and head of the one before it) with one of the edge's job `keys`.
pub fn prove(
    envelope: &Envelope,
    rows: &[Row],
    keys: &[VerifyingKey],
    before: Option<(u64, &str)>,
) -> Result<Proven, Problem> {
    let head = Head::open(envelope, keys)?;
    let (segment, head) = (head.segment, head.head);
    let (number, previous) = before.unwrap_or((0, NOTHING));
    if segment.number != number + 1 || segment.previous != previous {
        return Err(Problem::Chain);
    }
    let ends = rows
        .first()
        .zip(rows.last())
        .map(|(first, last)| (first.id, last.id));
    let fits = ends == Some((segment.first, segment.last))
        && rows.len() as u64 == segment.rows
        && digest_of(rows) == segment.digest;
    if !fits {
        return Err(Problem::Rows(segment.number));
    }
    Ok(Proven { segment, head })
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
        /// The job keys before it, oldest first. They need no proof: a segment of the newest key names all before it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earlier: Vec<String>,
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
