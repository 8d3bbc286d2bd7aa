//! Containers that speak HTTP: described from the image of a release, reached through the relay's sockets, restarted one
//! after the other.

use super::containers::{Blueprint, bind};
use super::image::image_name;
use super::layout::ReleaseDir;
use super::live::{Old, containers_of};
use super::ready::{START_LIMIT, asked_host};
use super::run::Run;
use super::services::run_as;
use crate::files;
use crate::host::docker::{Container, Found, Role};
use crate::host::{Doing, HostError, Result, http};
use crate::relay;
use devflow_domain::compose::Compose;
use devflow_protocol::project::{ContainerSpec, ProjectSpec};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

/// Where what all releases share is in a container that has folders of its own.
pub(crate) const SHARED: &str = "/shared";
/// Where the runner's program is in the container that passes requests on.
const PROGRAM: &str = "/usr/local/bin/host-runner";
/// Where its sockets are.
const SOCKETS: &str = "/run/devflow";
/// Memory of that container, in MiB: a connection takes some 20 kB.
const RELAY_MEMORY_MIB: u32 = 128;
/// Seconds that a replica has to end by itself once its visitors are answered.
pub(super) const GRACE_S: u32 = 10;
/// Seconds that the only replica has to answer what it was given before a restart: those that come meanwhile wait.
const ALONE: u32 = 5;
/// Longest single answer to the question whether a replica listens.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

impl Blueprint<'_> {
    /// One of the containers that speak HTTP.
    fn replica(&self, number: u8) -> Container {
        let mut container = self.base(Role::Web, &format!("web-{number}"), Vec::new());
        if let Some(web) = self.compose.and_then(Compose::web) {
            run_as(&mut container, web);
        } else {
            container.stop_signal = None;
            container.stop_wait_s = GRACE_S;
        }
        container
    }

    /// What passes requests on to `replicas`. It is none of the project's own image, and sees nothing of it.
    fn relay(&self, replicas: &[Container], port: u16) -> Container {
        let mut argv: Vec<String> = [PROGRAM, "relay", "--folder", SOCKETS].map(str::to_owned).into();
        for replica in replicas {
            argv.extend(["--to".to_owned(), format!("{}:{port}", replica.name)]);
        }
        let mut container = self.bare(Role::Relay, "relay", argv);
        container.binds = vec![
            bind(&self.release.run(), Path::new(SOCKETS), false),
            bind(&self.host.program, Path::new(PROGRAM), true),
        ];
        container.memory_mib = RELAY_MEMORY_MIB;
        container.stop_wait_s = self.drain_s();
        container
    }

    /// What answers visitors while the release is live, in the order in which it is started.
    pub(crate) fn serving(&self) -> Vec<Container> {
        let Some(spec) = &self.spec.container else {
            return vec![self.web()];
        };
        let mut all: Vec<Container> = spec.numbers().map(|number| self.replica(number)).collect();
        all.push(self.relay(&all, spec.port));
        all
    }

    /// The image of the project's own containers.
    pub(super) fn image(&self) -> String {
        match (self.compose, &self.spec.container) {
            (Some(compose), _) => compose.web().map(|web| self.image_of(web)).unwrap_or_default(),
            (None, Some(_)) => image_name(self.layout, &self.release.id, None),
            (None, None) => self.spec.image.to_string(),
        }
    }
}

impl Run<'_> {
    /// Waits until every replica answers, whatever it says.
    ///
    /// # Errors
    /// One of them ended, with its last words, or never listened.
    pub(crate) async fn await_replicas(&self, container: &ContainerSpec, ids: &[String]) -> Result<()> {
        let begun = Instant::now();
        for (number, id) in container.numbers().zip(ids) {
            while let Err(failure) = ask_replica(&self.release, self.spec, number, ANSWER_LIMIT).await {
                let condition = self.host().docker.condition(id).await?;
                let ended = condition.as_ref().is_none_or(|it| !it.running || it.restarts > 0);
                if ended || begun.elapsed() > START_LIMIT || self.cancel().is_cancelled() {
                    let words = self.host().docker.last_lines(id, 5).await?.join(" ");
                    let how = if ended { "ended at once" } else { "does not answer" };
                    let said = if words.is_empty() {
                        failure.to_string()
                    } else {
                        words
                    };
                    return Err(HostError::new(format!(
                        "container {number} {how} on port {}: {said}",
                        container.port
                    )));
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Asks the health path of every replica.
    ///
    /// # Errors
    /// One of them does not answer well.
    pub(crate) async fn ask_replicas(&self, container: &ContainerSpec, limit: Duration) -> Result<()> {
        let path = &self.spec.web.health_path;
        for number in container.numbers() {
            let status = ask_replica(&self.release, self.spec, number, limit).await?;
            if !(200..400).contains(&status) {
                return Err(HostError::new(format!(
                    "`{path}` answers {status} in container {number}; see the application's log"
                )));
            }
        }
        Ok(())
    }
}

/// Asks one replica for the health path and gives the status.
async fn ask_replica(release: &ReleaseDir, spec: &ProjectSpec, number: u8, limit: Duration) -> Result<u16> {
    let host = asked_host(&spec.web);
    let (socket, _folder) = release.socket_address(&relay::socket_of(number))?;
    let asked = async {
        let stream = UnixStream::connect(&socket).await?;
        http::status(stream, host, spec.web.health_path.as_str()).await
    };
    timeout(limit, asked)
        .await
        .map_err(|_| {
            HostError::new(format!(
                "container {number} gave no answer within {} s",
                limit.as_secs()
            ))
        })?
        .doing(|| format!("ask container {number}"))
}

/// Restarts the replicas of a live release, one after the other, each when it has answered what it was given; requests
/// meanwhile go to the others, or wait.
///
/// # Errors
/// One of them does not come up again; those after it go on as they are.
pub(super) async fn restart(live: &Old<'_>) -> Result<()> {
    let docker = &live.host.docker;
    let spec = &live.record.spec;
    let found = containers_of(live.host, live.layout, &live.release.id).await?;
    let wait = u32::from(spec.release.drain_s.max(1));
    let relays: Vec<Found> = found
        .iter()
        .filter(|it| it.role == Role::Relay)
        .cloned()
        .collect();
    let Some(container) = &spec.container else {
        return Ok(());
    };
    let alone = container.numbers().len() == 1;
    for number in container.numbers() {
        let ending = format!("-web-{number}");
        let Some(web) = found
            .iter()
            .find(|it| it.role == Role::Web && it.running && it.name.ends_with(&ending))
        else {
            continue;
        };
        leave_alone(live, number, &relays, if alone { ALONE } else { wait }).await?;
        docker.stop(&web.id, live.web_grace_s()).await?;
        docker.start(&web.id).await?;
        let listens = listens(live, number).await;
        let away = live.release.run().join(relay::away_of(number));
        files::remove(&away).doing(|| format!("remove {}", away.display()))?;
        look(live, &relays).await?;
        listens?;
    }
    Ok(())
}

/// Waits until a replica is given no more visitors and has answered those that it has, for at most `limit` seconds.
async fn leave_alone(live: &Old<'_>, number: u8, relays: &[Found], limit: u32) -> Result<()> {
    let run = live.release.run();
    let (away, idle) = (run.join(relay::away_of(number)), run.join(relay::idle_of(number)));
    files::remove(&away).doing(|| format!("remove {}", away.display()))?;
    // Never through a link: the folder is the project's.
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&away)
        .doing(|| format!("write {}", away.display()))?;
    look(live, relays).await?;
    let begun = Instant::now();
    while !idle.exists() && begun.elapsed() < Duration::from_secs(u64::from(limit)) {
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn look(live: &Old<'_>, relays: &[Found]) -> Result<()> {
    for relay in relays {
        live.host.docker.signal(&relay.id, relay::LOOK).await?;
    }
    Ok(())
}

async fn listens(live: &Old<'_>, number: u8) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = ask_replica(&live.release, &live.record.spec, number, ANSWER_LIMIT).await {
        if begun.elapsed() > START_LIMIT {
            return Err(error);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
