//! Containers, as the runner needs them: made from one closed description, found again by label, never privileged.
//!
//! In scope: create, start, exec, signal, stop, list, remove; networks; images: their ids, builds, removal. Not in scope:
//! what runs in them and when, which is `deploy`'s.

mod build;
mod description;
mod exec;
mod images;
mod networks;
mod progress;

pub(crate) use build::Build;
pub(crate) use description::{Bind, Container, Role};
pub(crate) use exec::{Armed, Ended};

use super::error::{Doing, HostError, Result};
use bollard::models::{ContainerUpdateBody, HealthStatusEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use description::{DEFINITION, PROJECT, RELEASE, ROLE, ROOT};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// Longest answer of the engine, in seconds: a stop waits for a whole drain.
const TIMEOUT_S: u64 = 900;

/// A container that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) release: String,
    pub(crate) role: Role,
    pub(crate) running: bool,
    /// What a container that outlives releases was made from: see [`Container::definition`].
    pub(crate) definition: Option<String>,
}

/// How a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) running: bool,
    pub(crate) restarts: i64,
    pub(crate) exit_code: i64,
    pub(crate) out_of_memory: bool,
    /// None where nothing asks for it.
    pub(crate) health: Option<Health>,
}

/// What a container's own check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// The engine. The connection is made at the first call, so that the runner starts without it too.
#[derive(Debug)]
pub(crate) struct Docker {
    socket: PathBuf,
    root: String,
    client: OnceCell<bollard::Docker>,
}

impl Docker {
    /// An engine at a Unix socket, for the containers of one projects folder.
    pub(crate) fn new(socket: &Path, projects_dir: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            root: projects_dir.to_string_lossy().into_owned(),
            client: OnceCell::new(),
        }
    }

    pub(super) async fn client(&self) -> Result<&bollard::Docker> {
        let connect = || async {
            let socket = self.socket.to_string_lossy();
            bollard::Docker::connect_with_unix(&socket, TIMEOUT_S, bollard::API_DEFAULT_VERSION)
                .doing(|| format!("connect to Docker at {socket}; is it running?"))?
                .negotiate_version()
                .await
                .doing(|| format!("talk to Docker at {socket}; is it running?"))
        };
        self.client.get_or_try_init(connect).await
    }

    /// Makes and starts a container. One of the same name, left by an earlier attempt, is removed first.
    ///
    /// # Errors
    /// The engine refuses it; what was made is removed.
    pub(crate) async fn start_new(&self, container: &Container) -> Result<String> {
        // Boxed: every step of a deployment would otherwise carry the room for the engine's whole description.
        Box::pin(self.make_and_start(container)).await
    }

    async fn make_and_start(&self, container: &Container) -> Result<String> {
        let client = self.client().await?;
        let name = &container.name;
        let body = container.body(&self.root);
        let options = || CreateContainerOptionsBuilder::new().name(name).build();
        let made = match client.create_container(Some(options()), body.clone()).await {
            Err(error) if status(&error) == Some(409) => {
                self.remove(name).await?;
                client.create_container(Some(options()), body).await
            }
            other => other,
        };
        let id = made
            .map_err(|error| HostError::because(format!("create the container `{name}`"), words(&error)))?
            .id;
        let joined = match &container.joined {
            Some((network, alias)) => self.join(&id, network, alias).await,
            None => Ok(()),
        };
        let started = match joined {
            Ok(()) => self.start(&id).await,
            failed => failed,
        };
        if let Err(cause) = started {
            return Err(match self.remove(&id).await {
                Ok(()) => cause,
                Err(second) => HostError::new(format!("{cause}; and {second}")),
            });
        }
        Ok(id)
    }

    /// Starts a container that is there and stopped.
    ///
    /// # Errors
    /// The engine refuses.
    pub(crate) async fn start(&self, id: &str) -> Result<()> {
        self.client()
            .await?
            .start_container(id, None)
            .await
            .map_err(|error| HostError::because(format!("start the container `{id}`"), words(&error)))
    }

    /// Sends a signal. A container that is not running is fine: it has got what it needs.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn signal(&self, id: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        match self.client().await?.kill_container(id, Some(options)).await {
            Err(error) if !matches!(status(&error), Some(404 | 409)) => Err(HostError::because(
                format!("signal the container `{id}`"),
                words(&error),
            )),
            _ => Ok(()),
        }
    }

    /// Gives a running container another share of memory and CPU, at once.
    ///
    /// # Errors
    /// The engine refuses, for example because the container uses more memory than it may have from now on.
    pub(crate) async fn limit(&self, id: &str, memory_mib: u32, cpu_milli: u32) -> Result<()> {
        let memory = i64::from(memory_mib) * 1024 * 1024;
        let body = ContainerUpdateBody {
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: Some(i64::from(cpu_milli) * 1_000_000),
            ..Default::default()
        };
        let updated = self.client().await?.update_container(id, body).await;
        updated.map_err(|error| {
            HostError::because(
                format!("change the limits of the container `{id}`"),
                words(&error),
            )
        })
    }

    /// Stops a container by its own signal and kills it after `wait_s` seconds.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn stop(&self, id: &str, wait_s: u32) -> Result<()> {
        let wait = i32::try_from(wait_s).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(wait).build();
        match self.client().await?.stop_container(id, Some(options)).await {
            Err(error) if !matches!(status(&error), Some(304 | 404)) => Err(HostError::because(
                format!("stop the container `{id}`"),
                words(&error),
            )),
            _ => Ok(()),
        }
    }

    /// Kills and removes a container; one that is not there is fine.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn remove(&self, id: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.client().await?.remove_container(id, Some(options)).await {
            // 409: it is being removed already.
            Err(error) if !matches!(status(&error), Some(404 | 409)) => Err(HostError::because(
                format!("remove the container `{id}`"),
                words(&error),
            )),
            _ => Ok(()),
        }
    }

    /// The containers of this runner, running or not; of one project where `project` is given.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn list(&self, project: Option<&str>) -> Result<Vec<Found>> {
        let mut labels = vec![format!("{ROOT}={}", self.root)];
        labels.extend(project.map(|slug| format!("{PROJECT}={slug}")));
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self
            .client()
            .await?
            .list_containers(Some(options))
            .await
            .map_err(|error| HostError::because("list the containers", words(&error)))?;
        Ok(listed.into_iter().filter_map(found).collect())
    }

    /// How a container stands; None where it is gone.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn condition(&self, id: &str) -> Result<Option<Condition>> {
        match self.client().await?.inspect_container(id, None).await {
            Ok(seen) => {
                let state = seen.state.unwrap_or_default();
                Ok(Some(Condition {
                    running: state.running == Some(true) && state.restarting != Some(true),
                    restarts: seen.restart_count.unwrap_or(0),
                    exit_code: state.exit_code.unwrap_or(0),
                    out_of_memory: state.oom_killed == Some(true),
                    health: match state.health.and_then(|health| health.status) {
                        Some(HealthStatusEnum::STARTING) => Some(Health::Starting),
                        Some(HealthStatusEnum::HEALTHY) => Some(Health::Healthy),
                        Some(HealthStatusEnum::UNHEALTHY) => Some(Health::Unhealthy),
                        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => None,
                    },
                }))
            }
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(HostError::because(
                format!("look at the container `{id}`"),
                words(&error),
            )),
        }
    }

    /// The last lines that a container printed.
    pub(crate) async fn last_lines(&self, id: &str, lines: usize) -> Result<Vec<String>> {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let mut stream = self.client().await?.logs(id, Some(options));
        let mut text = Vec::new();
        while let Some(Ok(chunk)) = stream.next().await {
            text.extend_from_slice(chunk.as_ref());
        }
        Ok(String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

fn found(summary: bollard::models::ContainerSummary) -> Option<Found> {
    let labels = summary.labels?;
    Some(Found {
        id: summary.id?,
        name: summary.names?.first()?.trim_start_matches('/').to_owned(),
        project: labels.get(PROJECT)?.clone(),
        release: labels.get(RELEASE)?.clone(),
        role: Role::from_label(labels.get(ROLE)?)?,
        definition: labels.get(DEFINITION).cloned(),
        running: summary.state == Some(bollard::models::ContainerSummaryStateEnum::RUNNING),
    })
}

fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The engine's own words, without the client's frame around them.
pub(super) fn words(error: &bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        other => other.to_string(),
    }
}
