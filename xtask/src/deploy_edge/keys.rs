//! The installation's keys: made once, kept in its folder. Cloudflare never shows a secret again, so without these
//! files a Worker that lost its secrets could not be given them back.

use super::plan::KEYS;
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

pub(super) struct Keys {
    folder: PathBuf,
}

impl Keys {
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name.to_ascii_lowercase().replace('_', "."))
    }

    /// Whether all keys are in the folder.
    pub(super) fn present(&self) -> bool {
        KEYS.iter().all(|name| self.file(name).exists())
    }

    /// The keys, made where they are not there yet. They are on disk before anything is encrypted with them.
    pub(super) fn made(&self) -> Result<Vec<(&'static str, String)>> {
        KEYS.iter().map(|name| Ok((*name, self.one(name)?))).collect()
    }

    fn one(&self, name: &str) -> Result<String> {
        let file = self.file(name);
        if !file.exists() {
            let mut key = [0; 32];
            getrandom::fill(&mut key).context("the system gives no random bytes")?;
            let mut out = fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&file)
                .with_context(|| format!("cannot write {}", file.display()))?;
            out.write_all(STANDARD.encode(key).as_bytes())?;
            out.sync_all()?;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let key = text.trim().to_owned();
        let length = STANDARD.decode(&key).map(|bytes| bytes.len());
        anyhow::ensure!(
            length == Ok(32),
            "{} is not 32 bytes in base64: put the copy of it back that was kept",
            file.display()
        );
        Ok(key)
    }
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
}
