//! The statements about an installation's keys, in its folder: each is signed by a key before it or the recovery key, so that
//! servers follow from whichever they know.

use anyhow::{Context, Result, ensure};
use devflow_protocol::dsse::Envelope;
use devflow_protocol::keys::{KeyStatement, Pins, read_key, write_key};
use devflow_protocol::{UnixMillis, VERSION};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Cloudflare takes 5 kB of one variable or secret.
const SECRET_BYTES: usize = 5_000;

/// Oldest first.
pub(crate) struct Chain {
    file: PathBuf,
    statements: Vec<Envelope>,
}

impl Chain {
    pub(super) fn file(folder: &Path) -> PathBuf {
        folder.join("statements.json")
    }

    pub(super) fn load(folder: &Path) -> Result<Self> {
        let file = Self::file(folder);
        let statements = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is no list of statements", file.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { file, statements })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// What a server trusts that followed all of it.
    pub(crate) fn pins(&self) -> Result<Pins> {
        let last = self.statements.last().context("there is no statement yet")?;
        let last = KeyStatement::read(last)
            .with_context(|| format!("the last statement in {} cannot be used", self.file.display()))?;
        let key = |text: &str| read_key(text).context("a statement names what is no key");
        Ok(Pins {
            job_key: key(&last.job_key)?,
            recovery_key: Some(key(&last.recovery_key)?),
            edge: last.edge,
            recovered_at: last.recovered_at,
        })
    }

    /// Adds the first statement, which tells the recovery key.
    pub(super) fn begin(
        &mut self,
        edge: &str,
        job_key: &SigningKey,
        recovery_key: &VerifyingKey,
    ) -> Result<()> {
        let pins = Pins {
            edge: edge.to_owned(),
            job_key: job_key.verifying_key(),
            recovery_key: Some(*recovery_key),
            recovered_at: UnixMillis(0),
        };
        self.add(statement(&pins, recovery_key).sign(job_key, job_key))
    }

    /// Adds the statement that `by`, the job key before or the recovery key, signs: from now on `job_key` and `recovery_key`.
    pub(crate) fn hand_on(
        &mut self,
        by: &SigningKey,
        job_key: &SigningKey,
        recovery_key: &VerifyingKey,
        now: UnixMillis,
    ) -> Result<()> {
        let before = self.pins()?;
        let mut after = Pins {
            job_key: job_key.verifying_key(),
            ..before.clone()
        };
        if before.recovery_key == Some(by.verifying_key()) {
            after.recovered_at = now.max(before.recovered_at.plus(1));
        }
        let signed = statement(&after, recovery_key).sign(by, job_key);
        before.follow(&signed).context(
            "no server would follow: the key that signs is neither its job key nor its recovery key",
        )?;
        self.add(signed)
    }

    fn add(&mut self, statement: Envelope) -> Result<()> {
        self.statements.push(statement);
        let staged = self.file.with_extension("new");
        let write = || {
            let mut out = fs::File::create(&staged)?;
            out.write_all(&serde_json::to_vec_pretty(&self.statements)?)?;
            out.sync_all()?;
            fs::rename(&staged, &self.file)
        };
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }

    /// What the Worker gets: the newest ones. A server that knows none of their signers has to be enrolled again.
    pub(crate) fn secret(&self) -> Result<String> {
        for from in 0..self.statements.len() {
            let text = serde_json::to_string(&self.statements[from..])?;
            if text.len() <= SECRET_BYTES {
                return Ok(text);
            }
        }
        ensure!(!self.is_empty(), "there is no statement yet");
        anyhow::bail!("a statement is larger than a secret may be")
    }
}

fn statement(pins: &Pins, recovery_key: &VerifyingKey) -> KeyStatement {
    KeyStatement {
        version: VERSION,
        edge: pins.edge.clone(),
        job_key: write_key(&pins.job_key),
        recovery_key: write_key(recovery_key),
        recovered_at: pins.recovered_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_tests::places::Scratch;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn begun(scratch: &Scratch) -> Chain {
        let mut chain = Chain::load(scratch.path()).expect("none yet");
        chain
            .begin("edge_1", &key(1), &key(8).verifying_key())
            .expect("begun");
        chain
    }

    #[test]
    fn server_that_was_away_follows_what_the_worker_gets() {
        let scratch = Scratch::new().expect("a folder");
        let mut chain = begun(&scratch);
        let mut enrolled = chain.pins().expect("pins");
        enrolled.recovery_key = None;
        let (old, recovery) = (key(1), key(8));
        let now = UnixMillis(5);
        chain
            .hand_on(&old, &key(2), &recovery.verifying_key(), now)
            .expect("handed on");
        chain
            .hand_on(&recovery, &key(3), &recovery.verifying_key(), now)
            .expect("recovered");
        let kept = Chain::load(scratch.path()).expect("loaded");
        let secret: Vec<Envelope> = serde_json::from_str(&kept.secret().expect("a secret")).expect("JSON");
        let (pins, reason) = enrolled.follow_all(&secret);
        assert!(reason.is_none(), "{reason:?}");
        assert_eq!(
            (pins.job_key, pins.recovered_at),
            (key(3).verifying_key(), UnixMillis(5))
        );
        // A second recovery in the same millisecond, and by a clock that went back.
        chain
            .hand_on(&recovery, &key(4), &recovery.verifying_key(), UnixMillis(1))
            .expect("recovered again");
        assert_eq!(chain.pins().expect("pins").recovered_at, UnixMillis(6));
    }

    #[test]
    fn key_that_no_server_trusts_hands_on_nothing() {
        let scratch = Scratch::new().expect("a folder");
        let mut chain = begun(&scratch);
        let recovery = key(8).verifying_key();
        let refused = chain.hand_on(&key(6), &key(2), &recovery, UnixMillis(5));
        assert!(refused.is_err());
        let refused = chain.hand_on(&key(1), &key(1), &key(6).verifying_key(), UnixMillis(5));
        assert!(refused.is_err(), "the job key does not replace the recovery key");
        assert_eq!(Chain::load(scratch.path()).expect("loaded").statements.len(), 1);
    }

    #[test]
    fn secret_holds_the_newest_that_fit() {
        let scratch = Scratch::new().expect("a folder");
        let mut chain = begun(&scratch);
        let recovery = key(8).verifying_key();
        let job_keys: Vec<SigningKey> = [1].into_iter().chain(20..32).map(key).collect();
        for pair in job_keys.windows(2) {
            chain
                .hand_on(&pair[0], &pair[1], &recovery, UnixMillis(5))
                .expect("handed on");
        }
        let secret = chain.secret().expect("a secret");
        assert!(secret.len() <= SECRET_BYTES);
        let newest: Vec<Envelope> = serde_json::from_str(&secret).expect("JSON");
        assert_eq!(newest, chain.statements[chain.statements.len() - newest.len()..]);
        assert!(newest.len() >= 7, "{}", newest.len());
    }
}
