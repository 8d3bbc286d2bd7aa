//! Where a ref of a repository is, asked without fetching, and what its commit says.

use super::{Git, LOCAL_LIMIT, Source};
use crate::host::error::{HostError, Result};
use crate::host::process::{run, run_ok};
use devflow_protocol::limits::COMMIT_MESSAGE_BYTES;
use devflow_protocol::text::{GitSha, RefName};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest question for a ref.
const ASK_LIMIT: Duration = Duration::from_mins(1);

impl Git {
    /// The commit that a ref of a repository points to now; None where the ref is not there. Fetches nothing.
    ///
    /// # Errors
    /// The repository cannot be reached.
    pub(crate) async fn head(
        &self,
        source: Source<'_>,
        ref_name: &RefName,
        cancel: &CancellationToken,
    ) -> Result<Option<GitSha>> {
        // No repository of this server is asked, so none is named.
        let mut command = self.command(Path::new("/nonexistent"));
        source.admit(&mut command);
        command.args(["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20"]);
        // An annotated tag has a second line with the commit that it is of.
        let peeled = format!("{ref_name}^{{}}");
        command.args([
            "ls-remote",
            "--quiet",
            "--",
            source.url.as_str(),
            ref_name.as_str(),
            &peeled,
        ]);
        let done = run(command, &[], ASK_LIMIT, cancel).await?;
        if !done.status.success() {
            let words = source.masked(&done.complaint());
            return Err(HostError::because(
                format!("ask {} for {ref_name}", source.url),
                words,
            ));
        }
        Ok(head_of(&String::from_utf8_lossy(&done.stdout), ref_name))
    }

    /// Message and author of a commit in the mirror, cut to what is reported of it.
    pub(crate) async fn message(
        &self,
        mirror: &Path,
        sha: &GitSha,
        cancel: &CancellationToken,
    ) -> Result<(String, String)> {
        let mut command = self.command(mirror);
        command.args([
            "log",
            "-1",
            "--no-show-signature",
            "--format=%an%x00%B",
            sha.as_str(),
        ]);
        let out = run_ok(command, "read the commit", LOCAL_LIMIT, cancel).await?;
        let text = String::from_utf8_lossy(&out);
        let (author, message) = text.trim_end().split_once('\0').unwrap_or_default();
        let end = message.floor_char_boundary(COMMIT_MESSAGE_BYTES);
        Ok((message[..end].to_owned(), author.chars().take(200).collect()))
    }
}

/// The commit of a ref in the answer of `git ls-remote`.
fn head_of(answer: &str, ref_name: &RefName) -> Option<GitSha> {
    let of = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once('\t'));
        let (sha, _) = lines.find(|(_, found)| *found == name)?;
        sha.parse().ok()
    };
    of(&format!("{ref_name}^{{}}")).or_else(|| of(ref_name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_of_takes_the_commit_of_an_annotated_tag_and_the_ref_by_its_whole_name() {
        let tag: RefName = "refs/tags/v1".parse().expect("a ref");
        let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(40));
        let answer = format!("{a}\trefs/remotes/x/refs/tags/v1\n{b}\trefs/tags/v1\n{c}\trefs/tags/v1^{{}}\n");
        assert_eq!(head_of(&answer, &tag).map(|sha| sha.to_string()), Some(c));
        let light = format!("{b}\trefs/tags/v1\n");
        assert_eq!(head_of(&light, &tag).map(|sha| sha.to_string()), Some(b));
        assert_eq!(head_of("", &tag), None);
    }
}
