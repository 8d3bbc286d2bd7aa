//! From a job to a release on disk: checks of the server, fetch, checkout, shared paths, environment, configuration.

use super::environment::{SQLITE_FILE, runtime, uses_shared_sqlite};
use super::layout::{Layout, ReleaseDir};
use super::record::{ReleaseRecord, make_dir, save_environment, save_token};
use super::render;
use super::run::{Failure, Run, blocking};
use crate::host::git::Source;
use crate::host::tree::Tree;
use crate::host::{Doing, Host, HostError, Result};
use devflow_domain::env_file::render_dotenv;
use devflow_protocol::job::{Deploy, Trigger};
use devflow_protocol::project::{Framework, ProjectSpec, SharedKind};
use devflow_protocol::text::{GitSha, RelPath};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// Free disk that a deployment or a look at a repository asks for, in MiB, and free inodes.
const DISK_MIB: u64 = 1024;
const INODES: u64 = 20_000;
/// Free memory that a deployment asks for, in MiB.
const MEMORY_MIB: u64 = 256;

/// A commit that is fetched.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) commit: GitSha,
    pub(crate) subject: String,
}

/// Refuses to begin what the server has no room for.
///
/// # Errors
/// Too little disk, inodes or memory is free.
pub(crate) fn check_room(host: &Host) -> Result<()> {
    check_disk(&host.config.projects_dir, "a deployment")?;
    let memory = fs::read_to_string("/proc/meminfo").doing(|| "read /proc/meminfo")?;
    check_memory(&memory)
}

/// Refuses to begin where `/proc/meminfo`, whose text this is, tells of too little memory.
fn check_memory(meminfo: &str) -> Result<()> {
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    match kib {
        Some(kib) if kib / 1024 < MEMORY_MIB => Err(HostError::new(format!(
            "{} MiB of memory are available, a deployment needs {MEMORY_MIB}; stop something or take a larger server",
            kib / 1024
        ))),
        _ => Ok(()),
    }
}

/// Refuses to begin what the disk of `folder` has no room for. `what` is what needs it.
///
/// # Errors
/// Too little disk or inodes are free.
pub(crate) fn check_disk(folder: &Path, what: &str) -> Result<()> {
    let disk = rustix::fs::statvfs(folder).doing(|| format!("look at the disk of {}", folder.display()))?;
    let free_mib = disk.f_bavail.saturating_mul(disk.f_frsize) / (1024 * 1024);
    if free_mib < DISK_MIB {
        return Err(HostError::new(format!(
            "{free_mib} MiB are free on the disk of {}, {what} needs {DISK_MIB}; keep fewer releases or free some",
            folder.display()
        )));
    }
    if disk.f_files > 0 && disk.f_favail < INODES {
        return Err(HostError::new(format!(
            "{} inodes are free on the disk of {}, {what} needs {INODES}; keep fewer releases or remove files",
            disk.f_favail,
            folder.display()
        )));
    }
    Ok(())
}

impl Run<'_> {
    /// Makes the release's own folders, empty.
    pub(crate) fn make_folders(&self) -> Result<()> {
        let group = self.host().nginx.group();
        make_dir(&self.release.dir, 0o750, Some(0), Some(group))?;
        make_dir(&self.release.app(), 0o755, Some(0), Some(0))?;
        // The set-group-id bit gives FPM's socket to the web server's group.
        make_dir(&self.release.run(), 0o2770, Some(self.uid), Some(group))?;
        make_dir(&self.release.conf(), 0o550, Some(self.uid), Some(self.uid))?;
        make_dir(
            &self.release.conf().join("php.d"),
            0o550,
            Some(self.uid),
            Some(self.uid),
        )?;
        write_limits(&self.release, self.uid, self.spec)
    }

    /// Writes a file that the release's containers only read.
    pub(crate) fn write_conf(&self, name: &str, text: &str) -> Result<()> {
        write_conf(&self.release, self.uid, name, text)
    }

    /// Fetches the ref and says which commit is deployed.
    ///
    /// # Errors
    /// The repository cannot be reached, or a push is overtaken by what is live.
    pub(crate) async fn fetch(&self, job: &Deploy) -> Result<Fetched, Failure> {
        let (git, mirror) = (&self.host().git, self.layout.mirror());
        let commit = job.commit.as_ref();
        save_token(&self.layout, job.repository_token.as_ref())?;
        let source = Source::new(&self.spec.repository, self.token.as_ref());
        let (sha, tip) = git
            .fetch(&mirror, source, &job.ref_name, commit, self.cancel())
            .await?;
        let commit = git.commit(&mirror, &sha, self.cancel()).await?;
        self.job
            .events
            .commit(&commit.sha, &commit.subject, &commit.author);
        if matches!(job.trigger, Trigger::Push | Trigger::Found)
            && let Some(live) = self.live_commit_of(job)?
            && live != sha
            && git.is_ancestor(&mirror, &sha, &live, self.cancel()).await?
            // After a forced push back to an older commit what is live is not in the ref any more.
            && git.is_ancestor(&mirror, &live, &tip, self.cancel()).await?
        {
            return Err(Failure::Superseded(format!(
                "{} is older than {}, which is live already",
                sha.short(),
                live.short()
            )));
        }
        Ok(Fetched {
            commit: sha,
            subject: commit.subject,
        })
    }

    fn live_commit_of(&self, job: &Deploy) -> Result<Option<GitSha>> {
        let Some(live) = self.layout.live()? else {
            return Ok(None);
        };
        let record = ReleaseRecord::load(&self.layout.release(&live))?;
        Ok(record
            .filter(|record| record.ref_name == job.ref_name)
            .map(|record| record.commit))
    }

    /// Writes the commit's files and gives them to the project's user.
    pub(crate) async fn checkout(&self, commit: &GitSha) -> Result<()> {
        let app = self.release.app();
        self.host()
            .git
            .checkout(&self.layout.mirror(), commit, &app, self.cancel())
            .await?;
        let (uid, framework) = (self.uid, self.spec.framework);
        blocking(move || {
            let tree = Tree::open(&app, uid)?;
            tree.give_all()?;
            if framework.is_laravel() {
                for path in ["bootstrap/cache", "storage/framework/views"] {
                    tree.ensure_dir(&rel(path))?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Puts shared paths, environment and configuration in place.
    pub(crate) async fn link(&self) -> Result<()> {
        let environment = runtime(&self.environment);
        save_environment(&self.release, &environment)?;
        let dotenv = match self.spec.framework {
            Framework::Laravel | Framework::MultiTenant => {
                Some(render_dotenv(&environment).map_err(|error| HostError::new(error.to_string()))?)
            }
            Framework::Php | Framework::Shopware | Framework::Dockerfile | Framework::Compose => None,
        };
        let sqlite = uses_shared_sqlite(&self.layout, &self.environment);
        let (layout, app, uid, shared) = (
            self.layout.clone(),
            self.release.app(),
            self.uid,
            self.spec.shared.clone(),
        );
        blocking(move || {
            let tree = Tree::open(&app, uid)?;
            for path in &shared {
                share(&layout, &app, &tree, &path.path, path.kind, uid)?;
            }
            if sqlite {
                ensure_sqlite(&layout, uid)?;
            }
            if let Some(text) = dotenv {
                tree.put_file(&rel(".env"), text.as_bytes(), 0o600)?;
            }
            Ok(())
        })
        .await
    }

    /// Refuses a document root that leads somewhere else: Nginx checks links only below the release.
    pub(crate) fn check_public_dir(&self) -> Result<()> {
        let Some(public) = &self.spec.web.public_dir else {
            return Ok(());
        };
        if Tree::open(&self.release.app(), self.uid)?.has_dir(public) {
            return Ok(());
        }
        Err(HostError::new(format!(
            "the release has no folder `{public}`, which the settings name as the document root; correct the setting"
        )))
    }
}

/// Writes what PHP reads of the project's limits; an image of the project's own reads nothing of ours.
///
/// # Errors
/// A file cannot be written, or a setting cannot be in one.
pub(crate) fn write_limits(release: &ReleaseDir, uid: u32, spec: &ProjectSpec) -> Result<()> {
    if spec.container.is_some() {
        return Ok(());
    }
    let ini = render::php_ini(spec)?;
    write_conf(release, uid, "fpm.conf", &render::pool(spec))?;
    write_conf(release, uid, "php.d/devflow.ini", &ini)
}

fn write_conf(release: &ReleaseDir, uid: u32, name: &str, text: &str) -> Result<()> {
    let path = release.conf().join(name);
    fs::write(&path, text)
        .and_then(|()| chown(&path, Some(uid), Some(uid)))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o440)))
        .doing(|| format!("write {}", path.display()))
}

/// Links a path of the release to the shared folder. What the repository has there is taken as the first content.
fn share(layout: &Layout, app: &Path, tree: &Tree, path: &RelPath, kind: SharedKind, uid: u32) -> Result<()> {
    let shared = Tree::open(&layout.shared(), uid)?;
    let target = layout.shared().join(path.as_str());
    if !shared.has(path) {
        match kind {
            SharedKind::Dir if tree.has_dir(path) => {
                tree.move_to(path, &shared, path)
                    .doing(|| format!("share `{path}` of {}", app.display()))?;
            }
            SharedKind::Dir => shared.ensure_dir(path)?,
            SharedKind::File => {
                let content = tree.read(path)?.unwrap_or_default();
                shared.put_file(path, content.as_bytes(), 0o640)?;
            }
        }
    }
    tree.put_link(path, &target)
}

fn ensure_sqlite(layout: &Layout, uid: u32) -> Result<()> {
    let shared = Tree::open(&layout.shared(), uid)?;
    let file = rel(SQLITE_FILE);
    if shared.has(&file) {
        Ok(())
    } else {
        shared.put_file(&file, b"", 0o640)
    }
}

/// A relative path that this crate's own code writes.
pub(crate) fn rel(text: &'static str) -> RelPath {
    text.parse().expect("paths in the code are relative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_memory_refuses_a_full_server_and_reads_what_linux_writes() {
        let meminfo = |kib| {
            format!("MemTotal:       24670000 kB\nMemFree:          100000 kB\nMemAvailable:   {kib:8} kB\n")
        };
        assert_eq!(
            check_memory(&meminfo(255 * 1024))
                .expect_err("it is full")
                .to_string(),
            "255 MiB of memory are available, a deployment needs 256; stop something or take a larger server"
        );
        assert!(check_memory(&meminfo(256 * 1024)).is_ok());
        let here = fs::read_to_string("/proc/meminfo").expect("Linux");
        assert!(here.contains("\nMemAvailable: ") && check_memory(&here).is_ok());
    }
}
