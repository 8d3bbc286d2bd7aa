//! The files of a ref's tip, for a look: one commit without its history, into a folder that is removed afterwards.

use super::listing::{Entry, entries};
use super::{Extent, Git, LOCAL_LIMIT, Source, fetch_error};
use crate::host::error::Result;
use crate::host::process::{run, run_ok};
use devflow_protocol::text::{GitSha, RefName};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// One commit, and not for long: somebody waits at the page.
const TIP: Extent = Extent {
    depth: Some("--depth=1"),
    limit: Duration::from_mins(2),
};

impl Git {
    /// Fetches the tip of a ref into a new repository at `folder`.
    ///
    /// # Errors
    /// As [`Git::fetch`].
    pub(crate) async fn fetch_tip(
        &self,
        folder: &Path,
        source: Source<'_>,
        ref_name: &RefName,
        cancel: &CancellationToken,
    ) -> Result<GitSha> {
        self.init(folder, cancel).await?;
        let refspec = format!("+{ref_name}:{ref_name}");
        self.fetch_one(folder, source, &refspec, TIP, cancel)
            .await
            .map_err(|done| fetch_error(source, ref_name.short(), &done))?;
        self.resolve(folder, &format!("{ref_name}^{{commit}}"), cancel)
            .await
    }

    /// Those of `paths` that are plain files of a commit (no folder, link or submodule), with their sizes in bytes.
    pub(crate) async fn plain_files(
        &self,
        folder: &Path,
        commit: &GitSha,
        paths: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Vec<(String, u64)>> {
        let mut command = self.command(folder);
        command.args(["ls-tree", "-z", "-l", "--full-tree", commit.as_str(), "--"]);
        command.args(paths);
        let out = run_ok(command, "list the commit's files", LOCAL_LIMIT, cancel).await?;
        Ok(entries(&out).filter_map(plain_file).collect())
    }

    /// The bytes of a file of a commit; None where it cannot be read.
    pub(crate) async fn file(
        &self,
        folder: &Path,
        commit: &GitSha,
        path: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Vec<u8>>> {
        let mut command = self.command(folder);
        command.args(["cat-file", "blob", &format!("{commit}:{path}")]);
        let done = run(command, &[], LOCAL_LIMIT, cancel).await?;
        Ok(done.status.success().then_some(done.stdout))
    }
}

/// Path and size of what is a plain file.
fn plain_file(entry: Entry<'_>) -> Option<(String, u64)> {
    let plain = matches!(entry.mode, b"100644" | b"100755");
    let path = String::from_utf8_lossy(entry.path).into_owned();
    Some((path, entry.size?)).filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_file_is_no_folder_link_or_submodule() {
        let id = "a".repeat(40);
        let line = |mode: &str, kind: &str, size: &str| format!("{mode} {kind} {id} {size:>7}\ta b.php");
        let plain_file = |line: &str| entries(line.as_bytes()).find_map(plain_file);
        assert_eq!(
            plain_file(&line("100755", "blob", "12")),
            Some(("a b.php".to_owned(), 12))
        );
        for other in [
            line("120000", "blob", "12"),
            line("040000", "tree", "-"),
            line("160000", "commit", "-"),
            String::new(),
        ] {
            assert_eq!(plain_file(&other), None, "{other}");
        }
    }
}
