//! What an update leaves for the next start: a file in the state folder, written before the programs are exchanged and removed
//! when the outcome is known.

use crate::files;
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// An update that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// SHA-256 of the new program, in hex.
    pub(crate) to: String,
    /// How often the new program has begun.
    pub(crate) starts: u32,
    /// The journal's version that the program before can read.
    pub(crate) journal: i64,
    /// Why the program before is put back, where that was decided.
    pub(crate) back: Option<String>,
}

impl Note {
    fn file(state_dir: &Path) -> PathBuf {
        state_dir.join("update.json")
    }

    /// What is there.
    pub(crate) fn load(state_dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(Self::file(state_dir)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// On disk when this returns.
    pub(crate) fn save(&self, state_dir: &Path) -> io::Result<()> {
        files::write_private(&Self::file(state_dir), &serde_json::to_vec(self)?)
    }

    /// The update is over.
    pub(crate) fn remove(state_dir: &Path) -> io::Result<()> {
        files::remove(&Self::file(state_dir))
    }
}
