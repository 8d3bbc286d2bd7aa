//! A project's bare mirror: fetching a ref, reading a commit, and checking it out without a work tree.
//!
//! Git runs by argument vector, without the system's and the user's configuration, without prompts, and with the
//! protocols https, http, ssh and file only.

mod glance;
mod head;
mod listing;
mod locks;
mod login;
mod refusals;
#[cfg(test)]
mod tests;

use super::error::{Doing, HostError, Result};
use super::process::{Bounds, run, run_ok};
use devflow_protocol::text::{GitSha, RefName};
use locks::remove_stale_locks;
pub(crate) use login::{Login, Source};
use refusals::{fetch_error, first_words, refuse_large, refuse_submodules, shell_quoted};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Host keys of the big providers, from their documentation.
const KNOWN_HOSTS: &str = include_str!("known_hosts");
/// Longest fetch.
const FETCH_LIMIT: Duration = Duration::from_mins(10);
/// The most memory that git may fill with what a repository sends, in bytes.
const MEMORY_LIMIT: u64 = 2 << 30;
/// How much is fetched, and how long that may take.
#[derive(Clone, Copy)]
struct Extent {
    depth: Option<&'static str>,
    limit: Duration,
}

/// All of a ref's history.
const WHOLE: Extent = Extent {
    depth: None,
    limit: FETCH_LIMIT,
};
/// Longest local operation.
const LOCAL_LIMIT: Duration = Duration::from_mins(2);

/// How git reaches repositories from this server.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    /// The runner's private deploy key (OpenSSH format).
    deploy_key: PathBuf,
    /// Host keys of the big providers, written at start.
    known_hosts: PathBuf,
    /// Host keys that the server's administrator added.
    own_known_hosts: PathBuf,
    /// The most that is fetched at once, and that the files of a commit may take, in bytes.
    repository_bytes: u64,
}

/// A commit as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) sha: GitSha,
    /// Cut to 200 characters.
    pub(crate) subject: String,
    pub(crate) author: String,
}

impl Git {
    /// Writes the pinned host keys into the state folder. `repository_mib` bounds a fetch, and the files of a commit.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn new(state_dir: &Path, repository_mib: u32) -> Result<Self> {
        let known_hosts = state_dir.join("known_hosts.pinned");
        std::fs::create_dir_all(state_dir).doing(|| format!("make {}", state_dir.display()))?;
        std::fs::write(&known_hosts, KNOWN_HOSTS).doing(|| format!("write {}", known_hosts.display()))?;
        Ok(Self {
            deploy_key: state_dir.join("deploy_key"),
            known_hosts,
            own_known_hosts: state_dir.join("known_hosts"),
            repository_bytes: u64::from(repository_mib) << 20,
        })
    }

    fn command(&self, repository: &Path) -> Command {
        let mut command = Command::new("git");
        command
            .arg("--git-dir")
            .arg(repository)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:file")
            .env("GIT_SSH_VARIANT", "ssh")
            .env("GIT_SSH_COMMAND", self.ssh_command())
            .env("GIT_ATTR_NOSYSTEM", "1")
            .current_dir("/");
        // The way to repositories that the administrator set: a proxy, an authority beside the system's.
        for name in [
            "http_proxy",
            "https_proxy",
            "HTTPS_PROXY",
            "no_proxy",
            "NO_PROXY",
            "GIT_SSL_CAINFO",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    // Git hands this text to a shell, so each path is quoted for one. Of an option that is given twice ssh takes the
    // first alone, so the two files of host keys need an option each.
    fn ssh_command(&self) -> String {
        format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
             -o GlobalKnownHostsFile={} -o UserKnownHostsFile={} -o ConnectTimeout=15",
            shell_quoted(&self.deploy_key),
            shell_quoted(&self.known_hosts),
            shell_quoted(&self.own_known_hosts),
        )
    }

    /// Fetches a ref into the mirror, which is made when it is not there, and resolves the commit to deploy.
    ///
    /// # Errors
    /// The repository cannot be reached, the ref is not in it, or the commit is not to be had.
    pub(crate) async fn fetch(
        &self,
        mirror: &Path,
        source: Source<'_>,
        ref_name: &RefName,
        commit: Option<&GitSha>,
        cancel: &CancellationToken,
    ) -> Result<(GitSha, GitSha)> {
        if !mirror.join("HEAD").exists() {
            self.init(mirror, cancel).await?;
        }
        remove_stale_locks(mirror);
        let refspec = format!("+{ref_name}:{ref_name}");
        self.fetch_one(mirror, source, &refspec, WHOLE, cancel)
            .await
            .map_err(|done| fetch_error(source, ref_name.short(), &done))?;
        let tip = self
            .resolve(mirror, &format!("{ref_name}^{{commit}}"), cancel)
            .await?;
        let Some(wanted) = commit else {
            return Ok((tip.clone(), tip));
        };
        if !self.has(mirror, wanted, cancel).await? {
            // The ref was moved by force since; most servers still hand out the commit by its id.
            self.fetch_one(mirror, source, wanted.as_str(), WHOLE, cancel)
                .await
                .map_err(|done| fetch_error(source, wanted.short(), &done))?;
        }
        Ok((wanted.clone(), tip))
    }

    async fn init(&self, mirror: &Path, cancel: &CancellationToken) -> Result<()> {
        let mut command = self.command(mirror);
        command.args([
            "init",
            "--quiet",
            "--bare",
            "--template=",
            "--initial-branch=main",
        ]);
        run_ok(command, "make the mirror of the repository", LOCAL_LIMIT, cancel)
            .await
            .map(drop)
    }

    async fn fetch_one(
        &self,
        mirror: &Path,
        source: Source<'_>,
        what: &str,
        extent: Extent,
        cancel: &CancellationToken,
    ) -> std::result::Result<(), String> {
        let mut command = self.command(mirror);
        source.admit(&mut command);
        command.args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
            "-c",
            "maintenance.auto=false",
        ]);
        command.args(["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"]);
        command.args([
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        ]);
        command.args(extent.depth).args(["--", source.url.as_str(), what]);
        let bounds = Bounds {
            time: extent.limit,
            file_and_memory: Some((self.repository_bytes, MEMORY_LIMIT)),
        };
        let done = run(command, &[], bounds, cancel)
            .await
            .map_err(|error| error.to_string())?;
        if done.status.success() {
            Ok(())
        } else {
            Err(source.masked(&first_words(&done)))
        }
    }

    async fn resolve(&self, mirror: &Path, name: &str, cancel: &CancellationToken) -> Result<GitSha> {
        let mut command = self.command(mirror);
        command.args(["rev-parse", "--verify", "--quiet", "--end-of-options", name]);
        let out = run_ok(command, &format!("resolve `{name}`"), LOCAL_LIMIT, cancel).await?;
        String::from_utf8_lossy(&out)
            .trim()
            .parse()
            .doing(|| format!("read what `{name}` resolves to"))
    }

    async fn has(&self, mirror: &Path, sha: &GitSha, cancel: &CancellationToken) -> Result<bool> {
        let mut command = self.command(mirror);
        command.args(["cat-file", "-e", &format!("{sha}^{{commit}}")]);
        Ok(run(command, &[], LOCAL_LIMIT, cancel).await?.status.success())
    }

    /// True where `old` is an ancestor of `new` (or the same commit). False where either is unknown here.
    pub(crate) async fn is_ancestor(
        &self,
        mirror: &Path,
        old: &GitSha,
        new: &GitSha,
        cancel: &CancellationToken,
    ) -> Result<bool> {
        let mut command = self.command(mirror);
        command.args(["merge-base", "--is-ancestor", old.as_str(), new.as_str()]);
        Ok(run(command, &[], LOCAL_LIMIT, cancel).await?.status.success())
    }

    /// Subject and author of a commit.
    pub(crate) async fn commit(
        &self,
        mirror: &Path,
        sha: &GitSha,
        cancel: &CancellationToken,
    ) -> Result<Commit> {
        let mut command = self.command(mirror);
        command.args([
            "log",
            "-1",
            "--no-show-signature",
            "--format=%an%x00%s",
            sha.as_str(),
        ]);
        let out = run_ok(command, "read the commit", LOCAL_LIMIT, cancel).await?;
        let text = String::from_utf8_lossy(&out);
        let (author, subject) = text.trim_end_matches('\n').split_once('\0').unwrap_or_default();
        let cut = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
        Ok(Commit {
            sha: sha.clone(),
            subject: cut(subject),
            author: cut(author),
        })
    }

    /// Writes a commit's files into an empty folder, with a temporary index, so that files which the repository
    /// marks `export-ignore` are there too.
    ///
    /// # Errors
    /// The commit has submodules, files in Git LFS or too many of them, or the files cannot be written.
    pub(crate) async fn checkout(
        &self,
        mirror: &Path,
        sha: &GitSha,
        into: &Path,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let index = into.with_extension("index");
        let result = self.checkout_by(&index, mirror, sha, into, cancel).await;
        match std::fs::remove_file(&index) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                result.and(Err(HostError::because("remove the checkout's index", error)))
            }
            _ => result,
        }
    }

    async fn checkout_by(
        &self,
        index: &Path,
        mirror: &Path,
        sha: &GitSha,
        into: &Path,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let command = |args: &[&str]| {
            let mut command = self.command(mirror);
            command.env("GIT_INDEX_FILE", index).args(args);
            command
        };
        // Before anything of it is written or kept in memory: a few objects can name billions of files.
        let list = command(&["ls-tree", "-r", "-l", "-z", "--full-tree", sha.as_str()]);
        let listed = run_ok(list, "list the commit's files", LOCAL_LIMIT, cancel).await?;
        refuse_submodules(&listed)?;
        refuse_large(&listed, self.repository_bytes)?;
        self.refuse_lfs(mirror, sha, cancel).await?;
        let read = command(&["read-tree", sha.as_str()]);
        run_ok(read, "read the commit's files", LOCAL_LIMIT, cancel).await?;
        let mut write = command(&["-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true"]);
        let mut prefix = into.as_os_str().to_owned();
        prefix.push("/");
        // The work tree is only named because checkout-index asks for one.
        write.env("GIT_WORK_TREE", into).current_dir(into);
        write.args(["checkout-index", "--all", "--force", "--quiet"]);
        let mut argument = std::ffi::OsString::from("--prefix=");
        argument.push(&prefix);
        write.arg(argument);
        run_ok(write, "write the commit's files", FETCH_LIMIT, cancel)
            .await
            .map(drop)
    }

    async fn refuse_lfs(&self, mirror: &Path, sha: &GitSha, cancel: &CancellationToken) -> Result<()> {
        let mut command = self.command(mirror);
        command.args([
            "grep",
            "-q",
            "-E",
            "^[^#].*filter=lfs",
            sha.as_str(),
            "--",
            "*.gitattributes",
            ".gitattributes",
        ]);
        if run(command, &[], LOCAL_LIMIT, cancel).await?.status.success() {
            return Err(HostError::new(
                "the repository keeps files in Git LFS, which this version does not fetch; commit them as files",
            ));
        }
        Ok(())
    }
}
