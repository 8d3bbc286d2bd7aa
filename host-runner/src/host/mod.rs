//! What a job works with on this server: configuration and the tools it names.
//!
//! Each tool is one file and knows nothing of deployments; `deploy` puts them together.

pub(crate) mod databases;
pub(crate) mod docker;
pub(crate) mod error;
pub(crate) mod fastcgi;
pub(crate) mod git;
pub(crate) mod http;
pub(crate) mod nginx;
pub(crate) mod process;
mod redis;
pub(crate) mod tree;
pub(crate) mod vhost;

pub(crate) use error::{Doing, HostError, Result};

use crate::config::Config;
use docker::Docker;
use git::Git;
use nginx::Nginx;
use std::path::PathBuf;
use tokio::sync::Semaphore;

/// The server, as the jobs see it. Built once from the configuration.
#[derive(Debug)]
pub(crate) struct Host {
    /// The runner's configuration.
    pub(crate) config: Config,
    /// The container engine.
    pub(crate) docker: Docker,
    /// The web server.
    pub(crate) nginx: Nginx,
    /// Repositories.
    pub(crate) git: Git,
    /// One deployment at a time between its start and the retirement of the old release: two releases of one
    /// project are in memory then.
    pub(crate) release_slot: Semaphore,
    /// The runner's own program, which also passes requests on in containers.
    pub(crate) program: PathBuf,
}

impl Host {
    /// Looks up what the configuration names and makes the runner's own folders.
    ///
    /// # Errors
    /// A folder cannot be made or the web server's group is unknown.
    pub(crate) fn new(config: Config) -> Result<Self> {
        std::fs::create_dir_all(&config.projects_dir)
            .doing(|| format!("make {}", config.projects_dir.display()))?;
        let host = Self {
            docker: Docker::new(&config.docker.socket, &config.projects_dir),
            nginx: Nginx::new(config.nginx.clone(), &config.state_dir)?,
            git: Git::new(&config.state_dir, config.repository_mib)?,
            release_slot: Semaphore::new(1),
            // Asked now: after an update the link would lead to a file that is gone.
            program: std::env::current_exe().doing(|| "find the runner's own program")?,
            config,
        };
        let acme = host.acme_dir();
        std::fs::create_dir_all(&acme).doing(|| format!("make {}", acme.display()))?;
        Ok(host)
    }

    /// Where ACME challenges are answered from.
    pub(crate) fn acme_dir(&self) -> PathBuf {
        self.config.state_dir.join("acme")
    }
}
