//! Describes a project's containers. All of them see the same paths; they differ in command, limits and grace.

use super::bytecode::CLI_CONF;
use super::environment::{build_only, for_containers, runtime};
use super::layout::{Layout, ReleaseDir};
use super::render::fpm_argv;
use super::replicas::SHARED;
use crate::host::docker::{Bind, Container, Role};
use crate::host::{Host, Result};
use devflow_domain::compose::Compose;
use devflow_protocol::project::{Environment, Process, ProjectSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Memory that build steps get at least, in MiB: front-end bundlers need it whatever the project serves with.
const BUILD_MEMORY_MIB: u32 = 2048;
/// Seconds that PHP-FPM has beyond its own drain before it is killed.
const STOP_MARGIN_S: u32 = 5;

/// What the containers of one release are described from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blueprint<'a> {
    pub(crate) host: &'a Host,
    pub(crate) layout: &'a Layout,
    pub(crate) release: &'a ReleaseDir,
    pub(crate) spec: &'a ProjectSpec,
    pub(crate) environment: &'a Environment,
    /// What its compose file says, where it has one.
    pub(crate) compose: Option<&'a Compose>,
    pub(crate) uid: u32,
}

impl Blueprint<'_> {
    /// Sleeps, so that the commands of a deployment run in it one after the other.
    pub(crate) fn build(&self) -> Container {
        let cache = self.layout.cache();
        let at = |name: &str| cache.join(name).to_string_lossy().into_owned();
        let mut container = self.base(Role::Build, "build", vec!["sleep".into(), "infinity".into()]);
        container.memory_mib = self.spec.limits.memory_mib.max(BUILD_MEMORY_MIB);
        // A build must not starve what serves.
        container.cpu_shares = 256;
        container.stop_signal = Some("SIGKILL".to_owned());
        container.stop_wait_s = 0;
        container.keeps_running = false;
        if self.spec.container.is_some() {
            return container;
        }
        container.env.retain(|set| {
            !["HOME=", "PHP_INI_SCAN_DIR="]
                .iter()
                .any(|name| set.starts_with(name))
        });
        container.env.extend([
            format!("PHP_INI_SCAN_DIR=:/etc/devflow/php.d:/etc/devflow/{CLI_CONF}"),
            format!("HOME={}", at("home")),
            format!("COMPOSER_HOME={}", at("composer")),
            format!("COMPOSER_CACHE_DIR={}/cache", at("composer")),
            format!("npm_config_cache={}", at("npm")),
            "npm_config_update_notifier=false".to_owned(),
            "COMPOSER_NO_INTERACTION=1".to_owned(),
            "COMPOSER_MEMORY_LIMIT=-1".to_owned(),
            "NO_COLOR=1".to_owned(),
            "CI=1".to_owned(),
        ]);
        container.env.extend(build_only(self.environment));
        container.binds.push(bind(&cache, &cache, false));
        container
    }

    /// PHP-FPM.
    pub(crate) fn web(&self) -> Container {
        let mut container = self.base(Role::Web, "web", fpm_argv(self.spec));
        container
            .binds
            .push(bind(&self.release.run(), Path::new("/run/devflow"), false));
        container.stop_signal = Some("SIGQUIT".to_owned());
        container.stop_wait_s = self.drain_s();
        container
    }

    /// One of a worker's processes.
    pub(crate) fn worker(&self, process: &Process, number: u8) -> Container {
        let name = format!("{}-{number}", process.name.as_str().replace(':', "."));
        let mut container = self.base(Role::Worker, &name, process.argv.clone());
        container.stop_wait_s = u32::from(process.stop_wait_s);
        container
    }

    /// One run of the scheduler. The name has no release in it: a second one at once is refused by the engine.
    pub(crate) fn scheduler(&self, process: &Process) -> Container {
        let mut container = self.base(Role::Scheduler, "scheduler", process.argv.clone());
        container.name = format!(
            "{}-{}",
            self.layout.network(),
            process.name.as_str().replace(':', ".")
        );
        container.stop_wait_s = u32::from(process.stop_wait_s);
        container.keeps_running = false;
        container
    }

    /// Seconds until PHP-FPM is killed after it was asked to stop.
    pub(crate) fn drain_s(&self) -> u32 {
        u32::from(self.spec.release.drain_s.max(1)) + STOP_MARGIN_S
    }

    /// Starts a worker's processes and gives their containers.
    ///
    /// # Errors
    /// One of them does not start.
    pub(crate) async fn start_worker(&self, process: &Process) -> Result<()> {
        for number in 1..=process.count {
            self.host.docker.start_new(&self.worker(process, number)).await?;
        }
        Ok(())
    }

    /// A container of the project's image, with all that its code needs.
    pub(super) fn base(&self, role: Role, name: &str, argv: Vec<String>) -> Container {
        let shared = self.layout.shared();
        let mut container = self.bare(role, name, argv);
        if let Some(web) = self.compose.and_then(Compose::web) {
            // Its command is that of the containers that visitors reach alone.
            self.dress(&mut container, web);
            return container;
        }
        // An image that was built from the repository has its files in it.
        let own_files = self.spec.container.is_some();
        container.binds = if own_files {
            vec![bind(&shared, Path::new(SHARED), false)]
        } else {
            vec![
                bind(&self.release.app(), &self.layout.app(), false),
                bind(&shared, &shared, false),
                bind(&self.release.conf(), Path::new("/etc/devflow"), true),
            ]
        };
        container.binds.extend(self.service_binds());
        container.image = self.image();
        container.env = for_containers(self.spec, self.release, &runtime(self.environment));
        container.workdir = (!own_files).then(|| self.layout.app());
        container.init = own_files;
        container
    }

    /// A container of the runtime image in the project's network, which sees nothing of the project.
    pub(super) fn bare(&self, role: Role, name: &str, argv: Vec<String>) -> Container {
        let slug = self.layout.slug().to_string();
        Container {
            name: format!("devflow-{slug}-{}-{name}", self.release.short()),
            image: self.spec.image.to_string(),
            project: slug,
            release: self.release.id.to_string(),
            role,
            entrypoint: (!argv.is_empty()).then(Vec::new),
            argv,
            env: Vec::new(),
            uid: self.uid,
            workdir: None,
            binds: Vec::new(),
            network: self.layout.network().to_owned(),
            alias: None,
            joined: None,
            memory_mib: self.spec.limits.memory_mib.max(64),
            cpu_milli: self.spec.limits.cpu_milli.max(50),
            cpu_shares: 1024,
            stop_signal: Some("SIGTERM".to_owned()),
            stop_wait_s: 10,
            init: false,
            keeps_running: true,
            healthcheck: None,
            read_only: false,
            tmpfs: BTreeMap::new(),
        }
    }

    /// The sockets of the server's databases that the project has.
    pub(super) fn service_binds(&self) -> impl Iterator<Item = Bind> {
        let folders = self.service_folders().into_iter();
        folders.map(|folder| bind(&folder, &folder, true))
    }

    // Folders, not the sockets in them: a database that restarts makes a new socket.
    fn service_folders(&self) -> Vec<PathBuf> {
        let config = &self.host.config;
        let mut folders = Vec::new();
        if self.spec.services.mariadb {
            folders.extend(
                config
                    .mariadb
                    .iter()
                    .filter_map(|it| it.socket.parent())
                    .map(Path::to_owned),
            );
        }
        if self.spec.services.redis {
            folders.extend(
                config
                    .redis
                    .iter()
                    .filter_map(|it| it.socket.parent())
                    .map(Path::to_owned),
            );
        }
        folders.dedup();
        folders
    }
}

pub(super) fn bind(source: &Path, target: &Path, read_only: bool) -> Bind {
    Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    }
}
