//! The keys that runners pin, and the statements by which they follow when those change.

use devflow_protocol::dsse::{Envelope, KeyId, fingerprint};
use devflow_protocol::keys::{KeyStatement, KnownKeys, read_key, write_key};
use ed25519_dalek::VerifyingKey;

/// Public halves of this installation's keys.
pub(crate) struct Keychain {
    /// Of jobs.
    pub(crate) job_key: VerifyingKey,
    /// Of statements; None in an installation that has none yet.
    pub(crate) recovery_key: Option<VerifyingKey>,
    /// Oldest first. The last names these keys.
    statements: Vec<Envelope>,
    known: KnownKeys,
}

impl Keychain {
    /// The keys of a Worker whose job key this is. `statements` is a JSON list, oldest first.
    ///
    /// # Errors
    /// One sentence: what cannot be read, or does not end with this job key, would lead no runner here.
    pub(crate) fn read(job_key: VerifyingKey, statements: Option<&str>) -> Result<Self, String> {
        let statements: Vec<Envelope> = match statements {
            None => vec![],
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("KEY_STATEMENTS is no list of statements ({error})"))?,
        };
        let recovery_key = match statements.last().map(KeyStatement::read) {
            None => None,
            Some(Ok(last)) if last.job_key == write_key(&job_key) => read_key(&last.recovery_key),
            Some(Ok(_)) => {
                return Err(
                    "KEY_STATEMENTS ends with another job key than JOB_KEY: hand both over again with `cargo xtask \
                     rotate job-key`"
                        .to_owned(),
                );
            }
            Some(Err(error)) => return Err(format!("KEY_STATEMENTS cannot be used ({error})")),
        };
        Ok(Self {
            known: KnownKeys {
                job_key: KeyId::of(&job_key),
                recovery_key: recovery_key.as_ref().map(KeyId::of),
            },
            job_key,
            recovery_key,
            statements,
        })
    }

    /// What a runner has to follow that trusts these keys; nothing where they are the ones of now, or where it cannot follow.
    pub(crate) fn statements_for(&self, known: Option<&KnownKeys>) -> Vec<Envelope> {
        match known {
            Some(known) if *known != self.known => self.statements.clone(),
            _ => vec![],
        }
    }

    /// Whether the job key of that id is the one of now.
    pub(crate) fn is_job_key(&self, id: &str) -> bool {
        self.known.job_key.0 == id
    }

    /// For people to compare.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.job_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;
    use devflow_protocol::keys::Pins;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// From key 1 to key 2.
    fn chain() -> String {
        let statement = |by: u8, job_key: u8| {
            KeyStatement {
                version: devflow_protocol::VERSION,
                edge: "edge-1".to_owned(),
                job_key: write_key(&key(job_key).verifying_key()),
                recovery_key: write_key(&key(8).verifying_key()),
                recovered_at: UnixMillis(0),
            }
            .sign(&key(by), &key(job_key))
        };
        serde_json::to_string(&[statement(1, 1), statement(1, 2)]).unwrap()
    }

    #[test]
    fn statements_go_to_whoever_trusts_other_keys_and_can_follow() {
        let keychain = Keychain::read(key(2).verifying_key(), Some(&chain())).unwrap();
        assert_eq!(keychain.recovery_key, Some(key(8).verifying_key()));
        let pins = Pins {
            edge: "edge-1".to_owned(),
            job_key: key(1).verifying_key(),
            recovery_key: None,
            recovered_at: UnixMillis(0),
        };
        let statements = keychain.statements_for(Some(&pins.known()));
        let (pins, reason) = pins.follow_all(&statements);
        assert!(reason.is_none());
        assert!(keychain.statements_for(Some(&pins.known())).is_empty());
        assert!(keychain.is_job_key(&pins.known().job_key.0));
        assert!(keychain.statements_for(None).is_empty());
        let without = Keychain::read(key(1).verifying_key(), None).unwrap();
        assert!(without.statements_for(Some(&pins.known())).is_empty());
    }

    #[test]
    fn read_refuses_statements_that_lead_to_another_key() {
        let refused = |seed: u8, text: &str| {
            Keychain::read(key(seed).verifying_key(), Some(text))
                .err()
                .unwrap()
        };
        assert!(refused(1, &chain()).contains("ends with another job key"));
        assert!(refused(2, "no list").contains("is no list"));
        let mut statements: Vec<Envelope> = serde_json::from_str(&chain()).unwrap();
        statements[1].signatures.truncate(1);
        let unproven = serde_json::to_string(&statements).unwrap();
        assert!(refused(2, &unproven).contains("cannot be used"));
    }
}
