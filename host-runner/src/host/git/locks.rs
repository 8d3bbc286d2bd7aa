//! Lock files that a fetch left when it was cut off.

use std::path::Path;
use std::time::Duration;

// A machine that loses power in a fetch leaves lock files behind, which git never removes by itself. Only one job at a
// time uses a mirror, so an old lock is nobody's.
pub(super) fn remove_stale_locks(mirror: &Path) {
    let mut folders = vec![mirror.to_owned(), mirror.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && path.starts_with(mirror.join("refs")) {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "lock") && is_old(&path) {
                let removed = std::fs::remove_file(&path);
                tracing::warn!(path = %path.display(), ?removed, "a lock left by a fetch that was cut off");
            }
        }
    }
}

fn is_old(path: &Path) -> bool {
    let age = path
        .metadata()
        .and_then(|it| it.modified())
        .ok()
        .and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_secs(30))
}
