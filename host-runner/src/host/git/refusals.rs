//! What git's own words mean for a person, and what of a repository is not supported. Pure.

use crate::host::error::{HostError, Result};
use crate::host::process::Finished;
use devflow_protocol::text::RepositoryUrl;
use std::path::Path;

pub(super) fn refuse_submodules(listed: &[u8]) -> Result<()> {
    let submodule = listed
        .split(|byte| *byte == 0)
        .find(|entry| entry.starts_with(b"160000 "));
    match submodule {
        None => Ok(()),
        Some(entry) => {
            let path = entry.split(|byte| *byte == b'\t').nth(1).unwrap_or_default();
            Err(HostError::new(format!(
                "the repository has the submodule `{}`, which this version does not fetch; add its files or use Composer",
                String::from_utf8_lossy(path)
            )))
        }
    }
}

pub(super) fn fetch_error(url: &RepositoryUrl, what: &str, words: &str) -> HostError {
    let hint = if words.contains("couldn't find remote ref") || words.contains("not our ref") {
        format!("`{what}` is not there; push it first, or set another branch")
    } else if words.contains("Host key verification failed") {
        "its host key is not known here; add it to known_hosts in the runner's state folder".to_owned()
    } else if words.contains("Permission denied (publickey") {
        "it refused the runner's deploy key; add the key to the repository".to_owned()
    } else if words.contains("could not read Username") || words.contains("Authentication failed") {
        "it is not there, or private; a private repository is fetched over SSH: set its SSH address, and add the \
         runner's deploy key to it"
            .to_owned()
    } else {
        words.to_owned()
    };
    HostError::because(format!("fetch {url}"), hint)
}

// Git prints the cause first and advice after it.
pub(super) fn first_words(done: &Finished) -> String {
    let lines: Vec<&str> = done
        .stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines
        .iter()
        .find(|line| line.contains("Permission denied") || line.contains("Host key verification"))
        .or_else(|| {
            lines
                .iter()
                .find(|line| line.starts_with("fatal:") || line.starts_with("ssh:"))
        })
        .map_or_else(|| done.complaint(), |line| (*line).to_owned())
}

pub(super) fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
