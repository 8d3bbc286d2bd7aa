//! Folders that are not needed any more: moved aside at once, removed when the machine has nothing better to do.
//!
//! Removing a release takes seconds, its ten thousand files one by one. A rename takes none, and leaves nothing half
//! removed behind: what a runner did not get to, the next look at the project goes on with.

use super::layout::{Layout, ReleaseDir};
use super::record::make_dir;
use super::run::blocking;
use crate::host::{Doing, HostError, Result};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Folders that are being emptied: one thread each is enough.
static EMPTYING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// One removal at a time, however many projects have something to remove.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Takes a release's folder away; one that is not there is fine. Its files go behind the caller's back.
///
/// # Errors
/// The folder cannot be moved.
pub(crate) async fn discard(layout: &Layout, release: &ReleaseDir) -> Result<()> {
    let (dir, trash) = (release.dir.clone(), layout.trash());
    let aside = trash.join(release.id.as_str());
    blocking(move || {
        make_dir(&trash, 0o700, Some(0), Some(0))?;
        match fs::rename(&dir, &aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(HostError::because(format!("move {} aside", dir.display()), error))
            }
            _ => Ok(()),
        }
    })
    .await?;
    empty(&layout.trash())
}

/// Begins to remove what was moved aside, unless that is under way.
///
/// # Errors
/// The system has no room for a thread.
pub(crate) fn empty(trash: &Path) -> Result<()> {
    if fs::read_dir(trash).is_ok_and(|mut entries| entries.next().is_none()) || !trash.exists() {
        return Ok(());
    }
    let fresh = lock(&EMPTYING).insert(trash.to_owned());
    if !fresh {
        return Ok(());
    }
    let folder = trash.to_owned();
    let work = move || {
        {
            let _turn = lock(&ONE_AT_A_TIME);
            // Sites come first. It counts for this thread alone, which ends below.
            if let Err(error) = rustix::process::nice(19) {
                tracing::debug!(%error, "removing at the usual priority");
            }
            if let Err(error) = remove_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "what was moved aside is not removed yet");
            }
        }
        lock(&EMPTYING).remove(&folder);
    };
    let spawned = std::thread::Builder::new().name("trash".into()).spawn(work);
    if let Err(error) = spawned {
        lock(&EMPTYING).remove(trash);
        return Err(HostError::because("start a thread", error));
    }
    Ok(())
}

/// Until the folder is empty: more may be moved in meanwhile.
fn remove_all(folder: &Path) -> Result<()> {
    loop {
        let mut any = false;
        for entry in fs::read_dir(folder).doing(|| format!("read {}", folder.display()))? {
            let path = entry.doing(|| format!("read {}", folder.display()))?.path();
            any = true;
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(HostError::because(format!("remove {}", path.display()), error));
                }
                _ => {}
            }
        }
        if !any {
            return Ok(());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_removes_what_was_moved_aside_and_what_comes_meanwhile() {
        let trash = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            fs::create_dir_all(trash.path().join(name).join("deep")).expect("a folder");
        }
        empty(trash.path()).expect("begins");
        fs::create_dir(trash.path().join("c")).expect("a folder");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while fs::read_dir(trash.path()).expect("a list").next().is_some() {
            // What came after the last look is the next call's.
            empty(trash.path()).expect("begins again");
            assert!(std::time::Instant::now() < deadline, "it is not removed");
            std::thread::yield_now();
        }
    }
}
