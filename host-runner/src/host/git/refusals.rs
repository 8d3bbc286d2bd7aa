//! What git's own words mean for a person, and what of a repository is not supported. Pure.

use super::listing::entries;
use super::{Login, Source};
use crate::host::error::{HostError, Result};
use crate::host::process::Finished;
use std::path::Path;

/// What git says when the part of it that writes what is fetched is ended by the signal XFSZ.
const TOO_LARGE: &str = "died of signal 25";

/// Refuses a commit with submodules. `listed` is the answer of `git ls-tree -r -l -z`.
pub(super) fn refuse_submodules(listed: &[u8]) -> Result<()> {
    match entries(listed).find(|entry| entry.mode == b"160000") {
        None => Ok(()),
        Some(entry) => Err(HostError::new(format!(
            "the repository has the submodule `{}`, which this version does not fetch; add its files or use Composer",
            String::from_utf8_lossy(entry.path)
        ))),
    }
}

/// Refuses a commit whose files take more than `most` bytes. `listed` is the answer of `git ls-tree -r -l -z`.
pub(super) fn refuse_large(listed: &[u8], most: u64) -> Result<()> {
    let bytes: u64 = entries(listed).filter_map(|entry| entry.size).sum();
    if bytes > most {
        return Err(HostError::new(format!(
            "the commit's files take {} MiB, and this server takes {}; see `repository_mib` in its runner.toml",
            bytes >> 20,
            most >> 20
        )));
    }
    Ok(())
}

pub(super) fn fetch_error(source: Source<'_>, what: &str, words: &str) -> HostError {
    let hint = if words.contains("couldn't find remote ref") || words.contains("not our ref") {
        format!("`{what}` is not there; push it first, or set another branch")
    } else if words.contains("Host key verification failed") {
        "its host key is not known here; add it to known_hosts in the runner's state folder".to_owned()
    } else if words.contains("Permission denied (publickey") {
        "it refused the runner's deploy key; add the key to the repository".to_owned()
    } else if let Some(login) = source.login
        && let Some(hint) = login_refused(login, words)
    {
        hint
    } else if words.contains("could not read Username") || words.contains("Authentication failed") {
        "it is not there, or private; give the project an access token for it, or set its SSH address and add the runner's \
         deploy key to it"
            .to_owned()
    } else if words.contains("certificate verification failed") || words.contains("certificate problem") {
        "its certificate cannot be believed; add its authority to the system's (update-ca-certificates), or name the \
         authority's file in `GIT_SSL_CAINFO` of the runner's service"
            .to_owned()
    } else if words.contains(TOO_LARGE) {
        "it sends more at once than this server takes; see `repository_mib` in its runner.toml".to_owned()
    } else {
        words.to_owned()
    };
    HostError::because(format!("fetch {}", source.url), hint)
}

/// What became of a token, if that is why nothing was fetched.
fn login_refused(login: Login<'_>, words: &str) -> Option<String> {
    let user = login.user();
    if words.contains("Authentication failed") {
        return Some(format!(
            "the repository refused the token of the user {user}: it is wrong, has expired or was taken back; make a new one \
             that may read the repository, and give it to the project"
        ));
    }
    if words.contains("could not read Username") {
        return Some(
            "it leads to another host, which the token is not for; set the address that it leads to, and give the token again"
                .to_owned(),
        );
    }
    let denied = ["error: 403", "error: 404", "not found"];
    denied.iter().any(|sign| words.contains(sign)).then(|| {
        format!(
            "it is not there, or the token of the user {user} may not read it; make a token that may read the repository, and \
             give it to the project"
        )
    })
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
        .find(|line| {
            ["Permission denied", "Host key verification", TOO_LARGE]
                .iter()
                .any(|cause| line.contains(cause))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_refused_by_name_and_sizes_are_those_of_files_and_links() {
        let id = "a".repeat(40);
        let plain = format!("100644 blob {id} 3145728\tpublic/a b.bin\x00120000 blob {id}       1\tlink\x00");
        assert!(refuse_submodules(plain.as_bytes()).is_ok());
        assert!(refuse_large(plain.as_bytes(), 3_145_729).is_ok());
        assert!(refuse_large(plain.as_bytes(), 3_145_728).is_err());
        let listed = format!("{plain}160000 commit {id}       -\tvendor/own\x00");
        let error = refuse_submodules(listed.as_bytes()).expect_err("a submodule");
        assert!(
            error
                .to_string()
                .starts_with("the repository has the submodule `vendor/own`, which"),
            "{error}"
        );
    }
}
