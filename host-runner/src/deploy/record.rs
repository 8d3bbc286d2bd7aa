//! What the server itself remembers of projects and releases, as small files that are replaced whole.
//!
//! `project.json` holds what outlives releases; `release.json` what a release was made from, so that it can be started
//! again without the edge; `manifest.json` is there only for releases that were live and well.

use super::layout::{Layout, ReleaseDir};
use crate::files;
use crate::host::{Doing, Host, HostError, Result};
use devflow_protocol::DeploymentId;
use devflow_protocol::outcome::Manifest;
use devflow_protocol::project::{Environment, ProjectSpec};
use devflow_protocol::seal::Sealed;
use devflow_protocol::text::{GitSha, RefName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;
use std::sync::Mutex;

/// What outlives a project's releases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Project {
    /// The project's own system user.
    pub(crate) uid: u32,
    /// True after a stop, until a restart or a deployment.
    pub(crate) stopped: bool,
}

/// What a release was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseRecord {
    pub(crate) spec: ProjectSpec,
    pub(crate) ref_name: RefName,
    pub(crate) commit: GitSha,
    pub(crate) subject: String,
    pub(crate) environment_version: u32,
    pub(crate) image_digest: String,
}

// Two projects that are new at once must not get one uid.
static UIDS: Mutex<()> = Mutex::new(());

impl Project {
    /// Reads a project's record; None for a project that is not on this server.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        load(&layout.dir().join("project.json"))
    }

    pub(crate) fn save(&self, layout: &Layout) -> Result<()> {
        save(&layout.dir().join("project.json"), self, 0o600)
    }

    /// Reads a project's record, or makes its folders and gives it the next free uid.
    ///
    /// # Errors
    /// The folders cannot be made.
    pub(crate) fn ensure(host: &Host, layout: &Layout) -> Result<Self> {
        let _one_at_a_time = UIDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let project = match Self::load(layout)? {
            Some(project) => project,
            None => Self {
                uid: next_uid(host)?,
                stopped: false,
            },
        };
        // Nginx passes through by its group, other users of the server not at all.
        for dir in [layout.dir().to_owned(), layout.releases()] {
            make_dir(&dir, 0o750, Some(0), Some(host.nginx.group()))?;
        }
        make_dir(&layout.shared(), 0o755, Some(project.uid), Some(project.uid))?;
        make_dir(&layout.cache(), 0o700, Some(project.uid), Some(project.uid))?;
        for name in ["composer", "npm", "home", "trees"] {
            make_dir(
                &layout.cache().join(name),
                0o700,
                Some(project.uid),
                Some(project.uid),
            )?;
        }
        project.save(layout)?;
        Ok(project)
    }
}

fn next_uid(host: &Host) -> Result<u32> {
    let projects = &host.config.projects_dir;
    let entries = fs::read_dir(projects).doing(|| format!("read {}", projects.display()))?;
    let mut next = host.config.uid_base;
    for entry in entries {
        let path = entry
            .doing(|| format!("read {}", projects.display()))?
            .path()
            .join("project.json");
        if let Some(project) = load::<Project>(&path)? {
            next = next.max(project.uid + 1);
        }
    }
    Ok(next)
}

impl ReleaseRecord {
    pub(crate) fn load(release: &ReleaseDir) -> Result<Option<Self>> {
        load(&release.dir.join("release.json"))
    }

    pub(crate) fn save(&self, release: &ReleaseDir) -> Result<()> {
        save(&release.dir.join("release.json"), self, 0o600)
    }
}

/// The manifest of a release; None for one that was never live and well.
pub(crate) fn load_manifest(release: &ReleaseDir) -> Result<Option<Manifest>> {
    load(&release.dir.join("manifest.json"))
}

/// Marks a release as one that was live and well.
pub(crate) fn save_manifest(release: &ReleaseDir, manifest: &Manifest) -> Result<()> {
    save(&release.dir.join("manifest.json"), manifest, 0o600)
}

/// Whether a release is marked as one that was live and well; the mark is not read.
pub(crate) fn has_manifest(release: &ReleaseDir) -> bool {
    release.dir.join("manifest.json").exists()
}

/// The releases that can be gone back to, newest first.
///
/// # Errors
/// A folder or a manifest cannot be read.
pub(crate) fn kept_releases(layout: &Layout) -> Result<Vec<DeploymentId>> {
    let mut kept = Vec::new();
    for id in releases(layout)? {
        if load_manifest(&layout.release(&id))?.is_some() {
            kept.push(id);
        }
    }
    Ok(kept)
}

/// The releases that have a folder, newest first.
///
/// # Errors
/// The folder of the releases cannot be read.
pub(crate) fn releases(layout: &Layout) -> Result<Vec<DeploymentId>> {
    let folder = layout.releases();
    let mut releases: Vec<DeploymentId> = match files::names(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.doing(|| format!("read {}", folder.display()))?,
    };
    releases.sort_unstable_by(|a, b| b.cmp(a));
    Ok(releases)
}

/// Notes which release served before this one, for a runner that is restarted in between.
pub(crate) fn save_previous(release: &ReleaseDir, previous: Option<&DeploymentId>) -> Result<()> {
    save(&release.dir.join("previous.json"), &previous, 0o600)
}

/// The release that served before this one, if any.
pub(crate) fn load_previous(release: &ReleaseDir) -> Result<Option<DeploymentId>> {
    Ok(load::<Option<DeploymentId>>(&release.dir.join("previous.json"))?.flatten())
}

/// The environment that a release runs with.
pub(crate) fn load_environment(release: &ReleaseDir) -> Result<Environment> {
    load(&release.dir.join("env"))?.ok_or_else(|| {
        HostError::new(format!(
            "the environment of the release {} is gone; deploy again",
            release.id
        ))
    })
}

/// Keeps a release's environment, readable by root only.
pub(crate) fn save_environment(release: &ReleaseDir, environment: &Environment) -> Result<()> {
    save(&release.dir.join("env"), environment, 0o600)
}

/// Keeps what a project's repository asks for as it came: sealed to this runner, so that the server can look for pushes that
/// nobody told of. None takes away what was kept.
pub(crate) fn save_token(layout: &Layout, sealed: Option<&Sealed>) -> Result<()> {
    let path = layout.repository_token();
    match sealed {
        Some(sealed) => save(&path, sealed, 0o600),
        None => files::remove(&path).doing(|| format!("remove {}", path.display())),
    }
}

/// What [`save_token`] kept.
pub(crate) fn load_token(layout: &Layout) -> Result<Option<Sealed>> {
    load(&layout.repository_token())
}

/// Makes a folder, or corrects the one that is there. Its parent must be root's.
pub(crate) fn make_dir(path: &Path, mode: u32, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let make = || {
        match fs::create_dir(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // In this order: a change of owner clears the set-group-id bit.
        chown(path, uid, gid)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    make().doing(|| format!("make {}", path.display()))
}

/// Reads a JSON file; None where there is none.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(HostError::because(format!("read {}", path.display()), error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .doing(|| format!("read {}", path.display()))
}

/// Replaces a JSON file whole; on disk when this returns.
pub(crate) fn save<T: Serialize>(path: &Path, value: &T, mode: u32) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).doing(|| format!("write {}", path.display()))?;
    let staged = path.with_extension("new");
    let write = || {
        files::remove(&staged)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&staged)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&staged, path)?;
        path.parent()
            .map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
    };
    write().doing(|| format!("write {}", path.display()))
}
