//! What a server keeps of the audit trail that it does not write: signed segments, as they were when it saw them. A trail
//! that was made again, even with the edge's own key, is another one than its witnesses saw.

use crate::UnixMillis;
use crate::audit::{NOTHING, SEGMENT_TYPE, Segment};
use crate::dsse::{Envelope, EnvelopeError, hex};
use crate::id::ServerId;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A segment that was signed, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What was signed.
    pub segment: Segment,
    /// SHA-256 of its payload in hex: what the next segment names as the one before.
    pub head: String,
}

/// Why a segment is not taken for one.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It is not signed by the key.
    #[error("the segment's signature is not the edge's: {0}")]
    Signature(#[from] EnvelopeError),
    /// What was signed is no segment of this version.
    #[error("the segment cannot be read: {0}")]
    Parse(#[from] serde_json::Error),
}

impl Head {
    /// Reads a segment that one of `keys` signed.
    pub fn open<'k>(
        envelope: &Envelope,
        keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, HeadError> {
        Self::of(&envelope.verify(SEGMENT_TYPE, keys)?)
    }

    /// Reads a segment whose signature was verified when it was kept: its key may be an earlier one by now.
    pub fn kept(envelope: &Envelope) -> Result<Self, HeadError> {
        let payload = STANDARD.decode(&envelope.payload);
        Self::of(&payload.map_err(|_| EnvelopeError::Encoding)?)
    }

    fn of(payload: &[u8]) -> Result<Self, HeadError> {
        Ok(Self {
            segment: serde_json::from_slice(payload)?,
            head: hex(&Sha256::digest(payload)),
        })
    }

    /// True where this one cannot be of the same trail as `before`, seen earlier: another one with its number, one with a
    /// lower number, or the next one that does not name it.
    pub fn contradicts(&self, before: &Self) -> bool {
        let (number, earlier) = (self.segment.number, before.segment.number);
        let follows = self.segment.previous == before.head;
        self.segment.edge != before.segment.edge
            || number < earlier
            || (number == earlier && self.head != before.head)
            || (number == earlier + 1 && !follows)
            || (number == 1 && self.segment.previous != NOTHING)
    }

    /// True where this one and `other` cannot be of one trail, whichever of them was seen first.
    pub fn cannot_be_beside(&self, other: &Self) -> bool {
        if self.segment.number < other.segment.number {
            other.contradicts(self)
        } else {
            self.contradicts(other)
        }
    }
}

/// A line of what a server kept, as `host-runner status --audit` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// The server that saw it.
    pub server: ServerId,
    /// When, by the edge's clock as the server knows it.
    pub seen_at: UnixMillis,
    /// The signed segment.
    pub envelope: Envelope,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn head(number: u64, head: &str, previous: &str) -> Head {
        let segment = Segment {
            edge: "edge-1".into(),
            number,
            previous: previous.into(),
            first: 1,
            last: 1,
            rows: 1,
            digest: String::new(),
            sealed_at: UnixMillis(1),
        };
        Head {
            segment,
            head: head.into(),
        }
    }

    #[test]
    fn cannot_be_beside_tells_another_trail_in_whichever_order_it_was_seen() {
        let second = head(2, "b", "a");
        let cases = [
            (head(1, "a", NOTHING), false),
            (head(1, "x", NOTHING), true),
            (head(2, "b", "a"), false),
            (head(2, "x", "a"), true),
            (head(3, "c", "b"), false),
            (head(3, "c", "x"), true),
            (head(4, "d", "x"), false),
        ];
        for (other, expected) in cases {
            assert_eq!(second.cannot_be_beside(&other), expected, "{other:?}");
            assert_eq!(other.cannot_be_beside(&second), expected, "{other:?}");
        }
    }
}
