//! The installation's keys: made once, kept in its folder. Cloudflare never shows a secret again, so without these
//! files a Worker that lost its secrets could not be given them back.

use super::chain::Chain;
use super::plan::KEYS;
use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The name of the offline key, which is none of the Worker's.
pub(crate) const RECOVERY: &str = "RECOVERY_KEY";

pub(crate) struct Keys {
    folder: PathBuf,
}

impl Keys {
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Where a key is kept.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name.to_ascii_lowercase().replace('_', "."))
    }

    /// Where the key is kept that is to take its place.
    fn next_file(&self, name: &str) -> PathBuf {
        self.file(name).with_extension("key.next")
    }

    /// Whether all keys are in the folder.
    pub(super) fn present(&self) -> bool {
        KEYS.iter().all(|name| self.file(name).exists())
    }

    /// The keys, made where they are not there yet. They are on disk before anything is encrypted with them.
    pub(super) fn made(&self) -> Result<Vec<(&'static str, String)>> {
        KEYS.iter()
            .map(|name| Ok((*name, made(&self.file(name))?)))
            .collect()
    }

    /// A key that is there, as the Worker gets it.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        read(&self.file(name))
    }

    /// A key, made where it is not there yet.
    pub(crate) fn own(&self, name: &str) -> Result<String> {
        made(&self.file(name))
    }

    /// The key that is to take the place of `name`: the same one until [`Self::promote`].
    pub(crate) fn next(&self, name: &str) -> Result<String> {
        made(&self.next_file(name))
    }

    /// Whether a next key was made that has not taken its place yet.
    pub(crate) fn has_next(&self, name: &str) -> bool {
        self.next_file(name).exists()
    }

    /// What names a data key in its ciphertexts.
    pub(crate) fn id(&self, name: &str) -> Result<String> {
        let key = STANDARD.decode(self.text(name)?)?;
        Ok(hex::encode(&Sha256::digest(key)[..4]))
    }

    /// Keeps the key of now under a name of its own, for the time when another one has taken its place.
    pub(crate) fn keep_old(&self, name: &str) -> Result<PathBuf> {
        let file = self.file(name);
        let kept = file.with_extension(format!("{}.key", self.id(name)?));
        // The same bytes under a second name.
        match fs::hard_link(&file, &kept) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot keep {}", kept.display()))
            }
            _ => Ok(kept),
        }
    }

    /// Makes the next key the one of now. What was there is gone.
    pub(crate) fn promote(&self, name: &str) -> Result<()> {
        let (from, to) = (self.next_file(name), self.file(name));
        fs::rename(&from, &to)
            .and_then(|()| fs::File::open(&self.folder)?.sync_all())
            .with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
    }

    /// Whether there are statements about this installation's keys.
    pub(crate) fn has_chain(&self) -> bool {
        self.statements().exists()
    }

    /// Where they are kept.
    pub(crate) fn statements(&self) -> PathBuf {
        Chain::file(&self.folder)
    }

    /// Where the data key of that id is kept: the one of now, or one that was replaced.
    pub(crate) fn data_key(&self, id: &str) -> Result<Option<PathBuf>> {
        let now = self.file("DATA_KEY");
        if now.exists() && self.id("DATA_KEY")? == id {
            return Ok(Some(now));
        }
        Ok(Some(now.with_extension(format!("{id}.key"))).filter(|file| file.exists()))
    }

    /// The statements about this installation's keys; where there are none yet, the recovery key is made and the job key
    /// signs the first.
    pub(crate) fn chain(&self, edge: &str) -> Result<Chain> {
        let mut chain = Chain::load(&self.folder)?;
        if chain.is_empty() {
            let job_key = signing(&self.text("JOB_KEY")?)?;
            let recovery = signing(&made(&self.file(RECOVERY))?)?;
            chain.begin(edge, &job_key, &recovery.verifying_key())?;
        }
        Ok(chain)
    }
}

/// An Ed25519 key from its seed in base64.
pub(crate) fn signing(text: &str) -> Result<SigningKey> {
    let seed = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let seed: [u8; 32] = seed.context("a key has to be 32 bytes in base64")?;
    Ok(SigningKey::from_bytes(&seed))
}

/// The key in `file`, made where it is not there.
fn made(file: &Path) -> Result<String> {
    if !file.exists() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("the system gives no random bytes")?;
        let mut out = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        out.write_all(STANDARD.encode(key).as_bytes())?;
        out.sync_all()?;
    }
    read(file)
}

/// The key in `file`.
pub(crate) fn read(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let key = text.trim().to_owned();
    let length = STANDARD.decode(&key).map(|bytes| bytes.len());
    ensure!(
        length == Ok(32),
        "{} is not 32 bytes in base64: put the copy of it back that was kept",
        file.display()
    );
    Ok(key)
}

/// A fresh token that opens the set-up page.
pub(super) fn setup_token() -> Result<String> {
    let mut token = [0; 24];
    getrandom::fill(&mut token).context("the system gives no random bytes")?;
    Ok(hex::encode(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_tests::places::Scratch;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_made_once_and_readable_by_nobody_else() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        assert!(!keys.present());
        let made = keys.made().expect("keys");
        assert_eq!(made.iter().map(|(name, _)| *name).collect::<Vec<_>>(), KEYS);
        assert_ne!(made[0].1, made[1].1);
        assert!(keys.present());
        assert_eq!(keys.made().expect("the same keys"), made);
        let permissions = fs::metadata(scratch.path().join("data.key"))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(permissions & 0o777, 0o600);
    }

    #[test]
    fn damaged_key_is_refused_and_left_as_it_is() {
        let scratch = Scratch::new().expect("a folder");
        fs::write(scratch.path().join("job.key"), "c2hvcnQ=").expect("written");
        let error = Keys::of(scratch.path()).made().expect_err("refused").to_string();
        assert!(error.contains("job.key is not 32 bytes"), "{error}");
        assert_eq!(
            fs::read_to_string(scratch.path().join("job.key")).expect("read"),
            "c2hvcnQ="
        );
    }

    #[test]
    fn next_key_stays_the_same_until_it_takes_the_place() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        keys.made().expect("keys");
        let before = keys.text("JOB_KEY").expect("a key");
        let next = keys.next("JOB_KEY").expect("the next");
        assert_ne!(next, before);
        assert_eq!(keys.next("JOB_KEY").expect("the same"), next);
        assert_eq!(keys.text("JOB_KEY").expect("a key"), before);
        keys.promote("JOB_KEY").expect("promoted");
        assert_eq!(keys.text("JOB_KEY").expect("a key"), next);
        assert!(!scratch.path().join("job.key.next").exists());
    }

    #[test]
    fn old_data_key_is_kept_under_the_name_that_ciphertexts_have() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        fs::write(keys.file("DATA_KEY"), STANDARD.encode([1; 32])).expect("written");
        let kept = keys.keep_old("DATA_KEY").expect("kept");
        assert_eq!(kept.file_name(), Some("data.72cd6e84.key".as_ref()));
        keys.next("DATA_KEY").expect("the next");
        keys.promote("DATA_KEY").expect("promoted");
        assert_eq!(read(&kept).expect("read"), STANDARD.encode([1; 32]));
        assert_ne!(keys.id("DATA_KEY").expect("an id"), "72cd6e84");
    }

    #[test]
    fn recovery_key_is_made_with_the_first_statement_and_never_again() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        assert!(
            keys.chain("edge_1").is_err(),
            "without a job key there is nothing to sign with"
        );
        keys.made().expect("keys");
        let pins = keys.chain("edge_1").expect("a chain").pins().expect("pins");
        let recovery = signing(&keys.text(RECOVERY).expect("a key")).expect("a key");
        assert_eq!(pins.recovery_key, Some(recovery.verifying_key()));
        // Put away offline, as it should be.
        fs::remove_file(keys.file(RECOVERY)).expect("removed");
        assert_eq!(keys.chain("edge_1").expect("a chain").pins().expect("pins"), pins);
        assert!(!keys.file(RECOVERY).exists());
    }
}
