//! Where the parts of a project are on this server. Paths only; nothing is read but where `current` points.

use crate::files;
use crate::host::{Doing, Host, HostError, Result};
use devflow_protocol::DeploymentId;
use devflow_protocol::text::Slug;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A project's folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    slug: Slug,
    dir: PathBuf,
    network: String,
}

/// A release's folder.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseDir {
    pub(crate) id: DeploymentId,
    pub(crate) dir: PathBuf,
}

impl Layout {
    /// The folder of a project of this server.
    pub(crate) fn new(host: &Host, slug: &Slug) -> Self {
        Self::at(&host.config.projects_dir, slug)
    }

    /// The folder of a project below `projects`.
    pub(crate) fn at(projects: &Path, slug: &Slug) -> Self {
        // Runners that share an engine must not share a network, whatever their projects are called.
        let digest = Sha256::digest(projects.as_os_str().as_encoded_bytes());
        Self {
            slug: slug.clone(),
            dir: projects.join(slug.as_str()),
            network: format!("devflow-{slug}-{}", hex::encode(&digest[..4])),
        }
    }

    pub(crate) fn slug(&self) -> &Slug {
        &self.slug
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The project's bridge network.
    pub(crate) fn network(&self) -> &str {
        &self.network
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.dir.join("repo.git")
    }

    /// What the repository asks for, sealed.
    pub(crate) fn repository_token(&self) -> PathBuf {
        self.dir.join("repository_token.json")
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.dir.join("releases")
    }

    /// The bridge network of one release, in which its services reach each other.
    pub(crate) fn release_network(&self, release: &ReleaseDir) -> String {
        format!("{}-{}", self.network, release.short())
    }

    /// Named volumes of the project's services, a folder each.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.dir.join("volumes")
    }

    /// Releases that are not needed any more, until their files are removed.
    pub(crate) fn trash(&self) -> PathBuf {
        self.dir.join("trash")
    }

    pub(crate) fn shared(&self) -> PathBuf {
        self.dir.join("shared")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    pub(crate) fn current(&self) -> PathBuf {
        self.dir.join("current")
    }

    /// Where every container of the project sees its release's code, and Nginx too.
    pub(crate) fn app(&self) -> PathBuf {
        self.dir.join("current/app")
    }

    pub(crate) fn release(&self, id: &DeploymentId) -> ReleaseDir {
        ReleaseDir {
            id: id.clone(),
            dir: self.releases().join(id.as_str()),
        }
    }

    /// The release that `current` points to, if any.
    ///
    /// # Errors
    /// `current` is there and is no link to a release of this project.
    pub(crate) fn live(&self) -> Result<Option<DeploymentId>> {
        let current = self.current();
        let target = match std::fs::read_link(&current) {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HostError::because(format!("read {}", current.display()), error)),
        };
        let id = target
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse().ok());
        id.map(Some)
            .ok_or_else(|| HostError::new(format!("{} does not point to a release", current.display())))
    }

    /// Points `current` to a release: the one `rename(2)` that moves code and PHP-FPM together. On disk when this
    /// returns.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn switch(&self, to: &ReleaseDir) -> Result<()> {
        let staged = self.dir.join(".current.new");
        let switch = || {
            files::remove(&staged)?;
            std::os::unix::fs::symlink(&to.dir, &staged)?;
            std::fs::rename(&staged, self.current())?;
            File::open(&self.dir)?.sync_all()
        };
        switch().doing(|| format!("point {} to the release", self.current().display()))
    }

    /// Takes `current` away: the project has no live release any more.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn unswitch(&self) -> Result<()> {
        files::remove(&self.current()).doing(|| format!("remove {}", self.current().display()))
    }
}

impl ReleaseDir {
    pub(crate) fn app(&self) -> PathBuf {
        self.dir.join("app")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Pool and php.ini of the release.
    pub(crate) fn conf(&self) -> PathBuf {
        self.dir.join("conf")
    }

    /// A path to a socket of the release that fits into a socket address (107 bytes), by way of an open folder handle where the
    /// plain path is too long. The handle has to be kept until the connection is made.
    ///
    /// # Errors
    /// The folder is not there.
    pub(crate) fn socket_address(&self, name: &str) -> Result<(PathBuf, Option<File>)> {
        let plain = self.run().join(name);
        if plain.as_os_str().len() <= 107 {
            return Ok((plain, None));
        }
        let folder = File::open(self.run()).doing(|| format!("open {}", self.run().display()))?;
        let path = format!(
            "/proc/self/fd/{}/{name}",
            std::os::fd::AsRawFd::as_raw_fd(&folder)
        );
        Ok((path.into(), Some(folder)))
    }

    /// The last part of the id: it is random, and short enough for names of containers.
    pub(crate) fn short(&self) -> &str {
        let id = self.id.as_str();
        &id[id.len().saturating_sub(12)..]
    }
}
