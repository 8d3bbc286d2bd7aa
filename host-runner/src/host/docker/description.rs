//! The one description that containers are made from: what they run, see and may use, and the labels by which they are
//! found again. Nothing in it can ask for privileges.

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, RestartPolicy, RestartPolicyNameEnum,
};
use devflow_domain::compose::Healthcheck;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// Label: the projects folder of the runner that made the container. Several runners may share an engine.
pub(super) const ROOT: &str = "devflow.root";
/// Label: the project's slug.
pub(super) const PROJECT: &str = "devflow.project";
/// Label: the release.
pub(super) const RELEASE: &str = "devflow.release";
/// Label: what the container is for.
pub(super) const ROLE: &str = "devflow.role";
/// Label: what a container that outlives releases was made from.
pub(super) const DEFINITION: &str = "devflow.definition";

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Build steps and artisan commands of one deployment.
    Build,
    /// PHP-FPM of a release, or one of its containers that speak HTTP.
    Web,
    /// What passes requests on to those.
    Relay,
    /// A queue worker or daemon of a release.
    Worker,
    /// One run of the scheduler.
    Scheduler,
    /// A service of a release's compose file, beside those that speak HTTP.
    Service,
    /// A service that goes on from release to release. The label of its release is empty.
    Kept,
}

impl Role {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Web => "web",
            Self::Relay => "relay",
            Self::Worker => "worker",
            Self::Scheduler => "scheduler",
            Self::Service => "service",
            Self::Kept => "kept",
        }
    }

    pub(super) fn from_label(text: &str) -> Option<Self> {
        let all = [
            Self::Build,
            Self::Web,
            Self::Relay,
            Self::Worker,
            Self::Scheduler,
            Self::Service,
            Self::Kept,
        ];
        all.into_iter().find(|role| role.as_str() == text)
    }
}

/// A folder or file of the host inside a container.
#[derive(Clone, Debug)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) read_only: bool,
}

/// A container to be made.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) project: String,
    pub(crate) release: String,
    pub(crate) role: Role,
    /// The command; empty for the image's own.
    pub(crate) argv: Vec<String>,
    /// What the command is given to; None for the image's own, an empty one for nothing.
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) env: Vec<String>,
    pub(crate) uid: u32,
    /// None for the image's own.
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) network: String,
    /// How others of that network reach it, beside its name.
    pub(crate) alias: Option<String>,
    /// A further network, and how others reach it there.
    pub(crate) joined: Option<(String, String)>,
    pub(crate) memory_mib: u32,
    pub(crate) cpu_milli: u32,
    /// Weight against other containers; 1024 is the usual one.
    pub(crate) cpu_shares: i64,
    /// None for the image's own.
    pub(crate) stop_signal: Option<String>,
    pub(crate) stop_wait_s: u32,
    /// True where its first process is Docker's own, so that a program that knows nothing of signals is ended by them.
    pub(crate) init: bool,
    /// True for what has to come back by itself when it ends.
    pub(crate) keeps_running: bool,
    /// Asks whether it is well; None for the image's own check.
    pub(crate) healthcheck: Option<Healthcheck>,
    /// True where it writes to what is mounted only.
    pub(crate) read_only: bool,
    /// Folders in memory, each with its options.
    pub(crate) tmpfs: BTreeMap<String, String>,
}

impl Container {
    /// What the engine is asked for. `root` labels the runner that asks.
    pub(super) fn body(&self, root: &str) -> ContainerCreateBody {
        let container = self;
        let own = !container.argv.is_empty();
        let definition = (container.role == Role::Kept).then(|| container.definition());
        let labels = [
            (ROOT, root),
            (PROJECT, &container.project),
            (RELEASE, &container.release),
            (ROLE, container.role.as_str()),
        ];
        let labels = labels
            .into_iter()
            .chain(definition.as_deref().map(|text| (DEFINITION, text)));
        ContainerCreateBody {
            image: Some(container.image.clone()),
            cmd: own.then(|| container.argv.clone()),
            entrypoint: container.entrypoint.clone(),
            healthcheck: container.healthcheck.as_ref().map(health_config),
            networking_config: container
                .alias
                .as_ref()
                .map(|alias| networking(&container.network, alias)),
            env: Some(container.env.clone()),
            user: Some(format!("{0}:{0}", container.uid)),
            working_dir: container
                .workdir
                .as_ref()
                .map(|folder| folder.to_string_lossy().into_owned()),
            labels: Some(
                labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            ),
            stop_signal: container.stop_signal.clone(),
            stop_timeout: Some(i64::from(container.stop_wait_s)),
            host_config: Some(host_config(container)),
            ..Default::default()
        }
    }

    /// A hash of all that it is made from but for its limits, which a container takes while it runs.
    pub(crate) fn definition(&self) -> String {
        let made = Self {
            role: Role::Service,
            memory_mib: 0,
            cpu_milli: 0,
            tmpfs: BTreeMap::new(),
            ..self.clone()
        };
        let mut body = made.body("");
        // Their maps have no order.
        body.labels = None;
        if let Some(host) = &mut body.host_config {
            host.log_config = None;
        }
        let text = serde_json::to_string(&body).expect("what the engine is asked for is JSON");
        hex::encode(Sha256::digest(format!("{text} {:?}", self.tmpfs)))
    }
}

fn health_config(check: &Healthcheck) -> HealthConfig {
    let nanoseconds = |time: Option<u64>| time.and_then(|time| i64::try_from(time).ok());
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        retries: check.retries.map(i64::from),
        start_period: nanoseconds(check.start_period),
        start_interval: None,
    }
}

fn networking(network: &str, alias: &str) -> NetworkingConfig {
    let endpoint = EndpointSettings {
        aliases: Some(vec![alias.to_owned()]),
        ..Default::default()
    };
    NetworkingConfig {
        endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])),
    }
}

fn host_config(container: &Container) -> HostConfig {
    const MIB: i64 = 1024 * 1024;
    let mount = |bind: &Bind| Mount {
        typ: Some(MountType::BIND),
        source: Some(bind.source.to_string_lossy().into_owned()),
        target: Some(bind.target.to_string_lossy().into_owned()),
        read_only: Some(bind.read_only),
        ..Default::default()
    };
    let restart = if container.keeps_running {
        RestartPolicyNameEnum::UNLESS_STOPPED
    } else {
        RestartPolicyNameEnum::NO
    };
    let log_options =
        [("max-size", "10m"), ("max-file", "3")].map(|(name, value)| (name.into(), value.into()));
    HostConfig {
        mounts: Some(container.binds.iter().map(mount).collect()),
        network_mode: Some(container.network.clone()),
        memory: Some(i64::from(container.memory_mib) * MIB),
        // No swap beyond the memory: a limit that swaps is none.
        memory_swap: Some(i64::from(container.memory_mib) * MIB),
        nano_cpus: Some(i64::from(container.cpu_milli) * 1_000_000),
        cpu_shares: Some(container.cpu_shares),
        pids_limit: Some(1024),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges".into()]),
        privileged: Some(false),
        init: container.init.then_some(true),
        readonly_rootfs: Some(container.read_only),
        tmpfs: (!container.tmpfs.is_empty()).then(|| container.tmpfs.clone().into_iter().collect()),
        restart_policy: Some(RestartPolicy {
            name: Some(restart),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("local".into()),
            config: Some(log_options.into()),
        }),
        ..Default::default()
    }
}
