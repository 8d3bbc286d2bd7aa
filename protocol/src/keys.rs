//! The keys of an installation as its servers pin them, and the statements by which they change.
//!
//! A statement names the keys that hold from then on. It is signed by the job key that was pinned before or by the recovery
//! key, and by the new job key too, which proves that its maker has it and lets a server that enrolled later read it. The
//! recovery key is offline: who has the job key can hand on to another job key, but never take the recovery key away, and
//! a recovery ends all that was done with a leaked job key.

use crate::UnixMillis;
use crate::dsse::{Envelope, EnvelopeError, KeyId};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// DSSE payload type of a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.devflow.keys.v1+json";

/// An Ed25519 public key from base64.
pub fn read_key(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = STANDARD.decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// An Ed25519 public key as base64.
pub fn write_key(key: &VerifyingKey) -> String {
    STANDARD.encode(key.as_bytes())
}

/// What is signed: the keys that hold from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStatement {
    /// [`crate::VERSION`].
    pub version: u16,
    /// The edge's id: a recovery key may be that of several installations.
    pub edge: String,
    /// Ed25519 public key of jobs, base64.
    pub job_key: String,
    /// Ed25519 public key that is kept offline, base64.
    pub recovery_key: String,
    /// When the recovery key signed last, 0 before it ever did. Only its signature raises this.
    pub recovered_at: UnixMillis,
}

impl KeyStatement {
    /// Signs with the new `job_key`, and with `by`, the job key before or the recovery key, where that is another one.
    pub fn sign(&self, by: &SigningKey, job_key: &SigningKey) -> Envelope {
        let payload = serde_json::to_vec(self).expect("texts and numbers are JSON");
        let mut envelope = Envelope::sign(PAYLOAD_TYPE, &payload, by);
        if by.verifying_key() != job_key.verifying_key() {
            let own = Envelope::sign(PAYLOAD_TYPE, &payload, job_key);
            envelope.signatures.extend(own.signatures);
        }
        envelope
    }

    /// Reads a statement that its own new job key signed. Nothing says yet that this key is one to trust.
    pub fn read(envelope: &Envelope) -> Result<Self, KeyError> {
        let payload = STANDARD
            .decode(&envelope.payload)
            .map_err(|_| EnvelopeError::Encoding)?;
        let statement = parse(&payload)?;
        let key = read_key(&statement.job_key).ok_or(KeyError::NoKey)?;
        envelope.verify(PAYLOAD_TYPE, [&key])?;
        Ok(statement)
    }
}

/// Why a statement changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Signed by neither of the pinned keys, or damaged.
    #[error("the statement is signed neither by the pinned job key nor by the pinned recovery key: {0}")]
    Untrusted(#[from] EnvelopeError),
    /// What was signed is no statement of this version.
    #[error("the statement cannot be read: {0}")]
    Parse(#[from] serde_json::Error),
    /// Another version.
    #[error(
        "the statement has version {0}, this side speaks {version}; update the older side",
        version = crate::VERSION
    )]
    Version(u16),
    /// Of another installation.
    #[error("the statement is of another installation")]
    OtherEdge,
    /// A key in it is no key.
    #[error("the statement names what is no Ed25519 key")]
    NoKey,
    /// Signed by the recovery key, but not after it signed last.
    #[error("the statement is older than the recovery that this side knows")]
    Stale,
    /// The job key may hand on to another job key and nothing else.
    #[error("the job key cannot replace the recovery key or claim a recovery")]
    NotJobKeys,
}

fn parse(payload: &[u8]) -> Result<KeyStatement, KeyError> {
    let statement: KeyStatement = serde_json::from_slice(payload)?;
    if statement.version != crate::VERSION {
        return Err(KeyError::Version(statement.version));
    }
    Ok(statement)
}

/// What one side trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The edge's id.
    pub edge: String,
    /// Signs jobs.
    pub job_key: VerifyingKey,
    /// Signs statements; None until the first statement of the pinned job key told it.
    pub recovery_key: Option<VerifyingKey>,
    /// When the recovery key signed last, as far as this side knows.
    pub recovered_at: UnixMillis,
}

impl Pins {
    /// The pins after `statement`.
    ///
    /// # Errors
    /// Neither pinned key signed it, or it says what its signer may not say.
    pub fn follow(&self, statement: &Envelope) -> Result<Self, KeyError> {
        if let Some(recovery_key) = &self.recovery_key
            && let Ok(payload) = statement.verify(PAYLOAD_TYPE, [recovery_key])
        {
            let next = self.read(&payload)?;
            if next.recovered_at > self.recovered_at {
                return Ok(next);
            }
            // One that is known already may be signed by the job key besides.
            return self.follow_job_key(statement).map_err(|_| KeyError::Stale);
        }
        self.follow_job_key(statement)
    }

    fn follow_job_key(&self, statement: &Envelope) -> Result<Self, KeyError> {
        let next = self.read(&statement.verify(PAYLOAD_TYPE, [&self.job_key])?)?;
        let same = next.recovery_key == self.recovery_key && next.recovered_at == self.recovered_at;
        if self.recovery_key.is_some() && !same {
            return Err(KeyError::NotJobKeys);
        }
        Ok(next)
    }

    fn read(&self, payload: &[u8]) -> Result<Self, KeyError> {
        let statement = parse(payload)?;
        if statement.edge != self.edge {
            return Err(KeyError::OtherEdge);
        }
        Ok(Self {
            edge: statement.edge,
            job_key: read_key(&statement.job_key).ok_or(KeyError::NoKey)?,
            recovery_key: Some(read_key(&statement.recovery_key).ok_or(KeyError::NoKey)?),
            recovered_at: statement.recovered_at,
        })
    }

    /// The pins after all of `statements`, oldest first. What cannot be followed is passed over: it is from before, or a
    /// later one of the recovery key leads on. The last reason is given where there is one.
    pub fn follow_all(&self, statements: &[Envelope]) -> (Self, Option<KeyError>) {
        let (mut pins, mut reason) = (self.clone(), None);
        for statement in statements {
            match pins.follow(statement) {
                Ok(next) => (pins, reason) = (next, None),
                Err(error) => reason = Some(error),
            }
        }
        (pins, reason)
    }

    /// As a poll tells it.
    pub fn known(&self) -> KnownKeys {
        KnownKeys {
            job_key: KeyId::of(&self.job_key),
            recovery_key: self.recovery_key.as_ref().map(KeyId::of),
        }
    }
}

/// Which keys a runner trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownKeys {
    /// For jobs.
    pub job_key: KeyId,
    /// For statements.
    pub recovery_key: Option<KeyId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: &str = "edge-1";
    const FIRST: u8 = 1;
    const SECOND: u8 = 2;
    const THIRD: u8 = 3;
    const THIEF: u8 = 6;
    const RECOVERY: u8 = 8;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn pins(job_key: u8, recovery_key: Option<u8>, recovered_at: i64) -> Pins {
        Pins {
            edge: EDGE.into(),
            job_key: key(job_key).verifying_key(),
            recovery_key: recovery_key.map(|seed| key(seed).verifying_key()),
            recovered_at: UnixMillis(recovered_at),
        }
    }

    fn statement(job_key: u8, recovery_key: u8, recovered_at: i64) -> KeyStatement {
        KeyStatement {
            version: crate::VERSION,
            edge: EDGE.into(),
            job_key: write_key(&key(job_key).verifying_key()),
            recovery_key: write_key(&key(recovery_key).verifying_key()),
            recovered_at: UnixMillis(recovered_at),
        }
    }

    /// The statement that `by` signs: from now on `job_key`.
    fn signed(by: u8, job_key: u8, recovered_at: i64) -> Envelope {
        statement(job_key, RECOVERY, recovered_at).sign(&key(by), &key(job_key))
    }

    fn refused(pins: &Pins, statement: &Envelope) -> String {
        pins.follow(statement).expect_err("must be refused").to_string()
    }

    #[test]
    fn first_statement_of_the_pinned_job_key_tells_the_recovery_key() {
        let enrolled = pins(FIRST, None, 0);
        assert_eq!(
            enrolled.follow(&signed(FIRST, FIRST, 7)).expect("followed"),
            pins(FIRST, Some(RECOVERY), 7)
        );
        let of_a_thief = signed(THIEF, THIEF, 0);
        assert!(refused(&enrolled, &of_a_thief).contains("neither by the pinned job key"));
    }

    #[test]
    fn job_key_hands_on_to_another_and_cannot_touch_the_recovery_key() {
        let before = pins(FIRST, Some(RECOVERY), 5);
        assert_eq!(
            before.follow(&signed(FIRST, SECOND, 5)).expect("followed"),
            pins(SECOND, Some(RECOVERY), 5)
        );
        let claims = signed(FIRST, SECOND, 6);
        let replaces = statement(SECOND, THIEF, 5).sign(&key(FIRST), &key(SECOND));
        for statement in [&claims, &replaces] {
            assert_eq!(
                refused(&before, statement),
                "the job key cannot replace the recovery key or claim a recovery"
            );
        }
    }

    #[test]
    fn recovery_key_ends_what_a_thief_of_the_job_key_did_and_works_once() {
        let before = pins(FIRST, Some(RECOVERY), 0);
        let stolen = before.follow(&signed(FIRST, THIEF, 0)).expect("followed");
        let recovery = signed(RECOVERY, SECOND, 50);
        for pins_then in [&before, &stolen] {
            assert_eq!(
                pins_then.follow(&recovery).expect("followed"),
                pins(SECOND, Some(RECOVERY), 50)
            );
        }
        // The same statement again does not lead back from what came after it.
        let after = pins(SECOND, Some(RECOVERY), 50)
            .follow(&signed(SECOND, THIRD, 50))
            .expect("followed");
        assert_eq!(
            refused(&after, &recovery),
            "the statement is older than the recovery that this side knows"
        );
        assert!(after.follow(&signed(THIEF, THIEF, 0)).is_err());
        assert!(after.follow(&signed(FIRST, FIRST, 0)).is_err());
    }

    #[test]
    fn recovery_key_may_be_replaced_by_itself() {
        let before = pins(FIRST, Some(RECOVERY), 0);
        let replaced = statement(FIRST, THIRD, 9).sign(&key(RECOVERY), &key(FIRST));
        assert_eq!(
            before.follow(&replaced).expect("followed"),
            pins(FIRST, Some(THIRD), 9)
        );
    }

    #[test]
    fn statements_of_others_or_changed_ones_are_refused() {
        let before = pins(FIRST, Some(RECOVERY), 0);
        assert!(refused(&before, &signed(THIEF, THIEF, 0)).contains("neither by"));
        let mut elsewhere = statement(SECOND, RECOVERY, 1);
        elsewhere.edge = "edge-2".into();
        assert_eq!(
            refused(&before, &elsewhere.sign(&key(RECOVERY), &key(SECOND))),
            "the statement is of another installation"
        );
        let mut newer = statement(SECOND, RECOVERY, 1);
        newer.version = 2;
        assert!(
            refused(&before, &newer.sign(&key(RECOVERY), &key(SECOND))).contains("update the older side")
        );
        let mut changed = signed(FIRST, SECOND, 0);
        changed.payload = signed(FIRST, THIEF, 0).payload;
        assert!(refused(&before, &changed).contains("does not match the payload"));
        let mut no_key = statement(SECOND, RECOVERY, 0);
        no_key.job_key = "AA==".into();
        assert_eq!(
            refused(&before, &no_key.sign(&key(FIRST), &key(SECOND))),
            "the statement names what is no Ed25519 key"
        );
    }

    #[test]
    fn follow_all_leads_every_server_to_the_newest_key_from_wherever_it_was() {
        let chain = [
            signed(FIRST, FIRST, 0),
            signed(FIRST, SECOND, 0),
            signed(RECOVERY, THIRD, 50),
            signed(THIRD, 4, 50),
        ];
        let newest = pins(4, Some(RECOVERY), 50);
        let from = [
            pins(FIRST, None, 0),
            pins(FIRST, Some(RECOVERY), 0),
            pins(SECOND, Some(RECOVERY), 0),
            pins(THIEF, Some(RECOVERY), 0),
            pins(THIRD, Some(RECOVERY), 50),
            // Enrolled after the last one: its own new key signed that too.
            pins(4, None, 0),
            newest.clone(),
        ];
        for pins_then in from {
            let (pins_now, reason) = pins_then.follow_all(&chain);
            assert_eq!(pins_now, newest);
            assert!(reason.is_none(), "{reason:?}");
        }
        let lost = pins(THIEF, None, 0);
        let (pins_now, reason) = lost.follow_all(&chain);
        assert_eq!(pins_now, lost);
        assert!(reason.is_some());
    }

    #[test]
    fn read_gives_a_statement_that_its_own_key_signed() {
        let envelope = signed(FIRST, SECOND, 0);
        assert_eq!(
            KeyStatement::read(&envelope).expect("read"),
            statement(SECOND, RECOVERY, 0)
        );
        let mut unproven = envelope;
        unproven.signatures.truncate(1);
        assert!(KeyStatement::read(&unproven).is_err());
    }
}
