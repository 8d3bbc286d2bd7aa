//! `cargo xtask backup-edge` and `restore-edge`: a copy of an installation's databases, and an installation from it.

mod backup;
mod restore;
mod sql;

pub(crate) use backup::{Options as BackupOptions, backup};
pub(crate) use restore::{Copy, Options as RestoreOptions, restore};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The dump of a database in a copy.
fn dump(folder: &Path, database: &str) -> PathBuf {
    folder.join(format!("{database}.sql"))
}

/// What a copy is of, and which keys it needs; `copy.json` in its folder.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Description {
    version: u32,
    /// When, as people read it.
    made_at: String,
    /// The edge's id, which servers know.
    edge: String,
    /// Ids of the data keys that it is encrypted with.
    data_keys: Vec<String>,
}

impl Description {
    fn file(folder: &Path) -> PathBuf {
        folder.join("copy.json")
    }

    fn load(folder: &Path) -> Result<Self> {
        let file = Self::file(folder);
        let text =
            fs::read(&file).with_context(|| format!("cannot read {}: is it a copy?", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", file.display()))
    }
}
