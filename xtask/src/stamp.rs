//! Content hashes, so that nothing is made twice from the same inputs.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// The hash of files and folders (by relative path and content) and of further words such as tool versions.
pub(crate) fn hash(root: &Path, inputs: &[&str], words: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    for input in inputs {
        collect(&root.join(input), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    for file in files {
        hash.update(
            file.strip_prefix(root)
                .unwrap_or(&file)
                .as_os_str()
                .as_encoded_bytes(),
        );
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    Ok(hex::encode(&hash.finalize()[..16]))
}

/// Removes all but the newest `keep` entries of a folder of builds.
pub(crate) fn forget_old(kept: &Path, keep: usize) -> Result<()> {
    let mut builds: Vec<_> = fs::read_dir(kept)?.filter_map(Result::ok).collect();
    builds.sort_by_key(|build| build.metadata().and_then(|meta| meta.modified()).ok());
    for build in builds.iter().rev().skip(keep) {
        let path = build.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !matches!(
                entry.file_name().to_str(),
                Some("build" | "dist" | "node_modules" | "target")
            ) {
                collect(&entry.path(), files)?;
            }
        }
    } else if path.exists() {
        files.push(path.to_owned());
    }
    Ok(())
}
