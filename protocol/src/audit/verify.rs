//! Whether an export is whole and as it was sealed.

use super::{Line, Personal, Proven, Row, prove};
use crate::dsse::{Envelope, EnvelopeError};
use crate::id::ServerId;
use crate::witness::{Head, HeadError};
use ed25519_dalek::VerifyingKey;
use serde::Serialize;

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
    /// The last segment is signed with a key that was replaced.
    #[error(
        "the last segment is signed with an earlier job key: the end was cut off or made again with that key; where the \
         key was replaced a moment ago, export again in two minutes"
    )]
    EarlierKey,
    /// The head that is known from earlier is not in it.
    #[error("the head known from earlier is missing: the end was cut off, or the trail was made again")]
    KnownHead,
    /// A server saw another segment of that number, or this export ends before it.
    #[error(
        "the server {0} saw another segment {1} when it was sealed: the trail was made again, or its end was cut off"
    )]
    Witness(ServerId, u64),
    /// What a server saw is of another installation.
    #[error("what the server {0} saw is of another installation")]
    OtherWitness(ServerId),
}

impl From<HeadError> for Problem {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Signature(error) => Self::Signature(error),
            HeadError::Parse(error) => Self::Unreadable(error.to_string()),
        }
    }
}

struct Verifier<'a> {
    /// Oldest first; those of keys that were replaced by then are taken out.
    keys: &'a [VerifyingKey],
    known_head: Option<&'a str>,
    witnesses: &'a [Witnessed],
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
        let rows = std::mem::take(&mut self.pending);
        self.leave_earlier_keys(envelope);
        let before = self.report.head.as_deref().map(|head| (self.number, head));
        let Proven { segment, head } = prove(envelope, &rows, self.keys, before)?;
        if segment.edge != self.report.edge {
            return Err(Problem::OtherEdge);
        }
        let seen = self
            .witnesses
            .iter()
            .find(|witness| witness.head.segment.number == segment.number && witness.head.head != head);
        if let Some(other) = seen {
            return Err(Problem::Witness(other.server.clone(), segment.number));
        }
        self.number = segment.number;
        self.report.segments += 1;
        self.report.sealed_rows += segment.rows;
        self.known_head = self.known_head.filter(|known| *known != head);
        self.report.head = Some(head);
        Ok(())
    }

    /// From the first segment of a key on, those before it count no more: they may be in other hands by now.
    fn leave_earlier_keys(&mut self, envelope: &Envelope) {
        let signed = |key: &VerifyingKey| Head::open(envelope, [key]).is_ok();
        if let Some(place) = self.keys.iter().position(signed) {
            self.keys = &self.keys[place..];
        }
    }

    /// What has to be there by the end.
    fn end(&self) -> Result<(), Problem> {
        // Nothing of the newest key vouches for what those before it signed.
        if self.number > 0 && self.keys.len() > 1 {
            return Err(Problem::EarlierKey);
        }
        if self.known_head.is_some() {
            return Err(Problem::KnownHead);
        }
        let of_here = |witness: &&Witnessed| witness.head.segment.edge == self.report.edge;
        if let Some(other) = self.witnesses.iter().find(|witness| !of_here(witness)) {
            return Err(Problem::OtherWitness(other.server.clone()));
        }
        let beyond = self
            .witnesses
            .iter()
            .find(|witness| witness.head.segment.number > self.number);
        match beyond {
            Some(witness) => Err(Problem::Witness(
                witness.server.clone(),
                witness.head.segment.number,
            )),
            None => Ok(()),
        }
    }
}

/// A segment that a server saw when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Which server.
    pub server: ServerId,
    /// What it saw.
    pub head: Head,
}

/// Verifies the lines of an export with the edge's job `keys`, oldest first. With `known_head`, the head of an earlier
/// report, that segment has to be in it, and so have the segments that servers witnessed.
pub fn verify<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    keys: &[VerifyingKey],
    known_head: Option<&str>,
    witnesses: &[Witnessed],
) -> Result<Report, Tampered> {
    let mut verifier = Verifier {
        keys,
        known_head,
        witnesses,
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
    verifier.end().map_err(at_end)?;
    verifier.report.unsealed_rows = verifier.pending.len() as u64;
    Ok(verifier.report)
}
