//! Removes releases that are neither live nor kept to go back to.

use super::layout::Layout;
use super::live::abandon;
use super::record::{self, load_manifest};
use crate::host::{Host, Result};
use devflow_domain::prune::{KeptRelease, removable};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Prunes a project's releases by the rules of the domain. The caller holds the project's only deployment.
///
/// # Errors
/// A folder cannot be read or removed.
pub(crate) async fn prune(host: &Host, layout: &Layout, keep: u8) -> Result<usize> {
    let labelled: BTreeSet<String> = host
        .docker
        .list(Some(layout.slug().as_str()))
        .await?
        .into_iter()
        .map(|found| found.release)
        .collect();
    let open = open_folders();
    let mut releases = Vec::new();
    for id in record::releases(layout)? {
        let release = layout.release(&id);
        releases.push(KeptRelease {
            in_use: labelled.contains(id.as_str()) || open.iter().any(|path| path.starts_with(&release.dir)),
            complete: load_manifest(&release)?.is_some(),
            id,
        });
    }
    let gone = removable(&releases, layout.live()?.as_ref(), keep);
    for id in &gone {
        abandon(host, layout, &layout.release(id)).await?;
    }
    Ok(gone.len())
}

/// Working folders of the processes of this machine. A process that ends meanwhile has none.
fn open_folders() -> Vec<PathBuf> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| fs::read_link(entry.ok()?.path().join("cwd")).ok())
        .collect()
}
