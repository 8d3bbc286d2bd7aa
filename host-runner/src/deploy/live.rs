//! The moment of the switch and what follows: vhost, `current`, workers, draining the old release, and the way back.

use super::containers::Blueprint;
use super::image::remove_images;
use super::kept;
use super::layout::{Layout, ReleaseDir};
use super::ready::ping;
use super::record::{Project, ReleaseRecord, load_environment};
use super::run::Run;
use super::services::{ensure_volumes, load_compose};
use super::trash::discard;
use crate::host::docker::{Container, Found, Role};
use crate::host::vhost::{Vhost, htpasswd_line};
use crate::host::{Host, HostError, Result};
use devflow_domain::compose::Compose;
use devflow_protocol::DeploymentId;
use devflow_protocol::project::{Environment, Limits, Process, ProcessKind, ProjectSpec};
use devflow_protocol::text::StepName;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::sleep;

/// Between the switch and the drain: requests for which Nginx had opened the old path by then have reached the queue.
const SETTLE: Duration = Duration::from_millis(200);

/// How often, and after which pause, a network is removed again that something is in.
const DETACH_TRIES: u32 = 20;
const DETACH_PAUSE: Duration = Duration::from_millis(100);

/// Renders and applies a project's vhost; `away` where nothing of the project serves.
///
/// # Errors
/// Nginx refuses it; the one before stays.
pub(crate) async fn apply_vhost(host: &Host, layout: &Layout, spec: &ProjectSpec, away: bool) -> Result<()> {
    let line = spec
        .web
        .basic_auth
        .as_ref()
        .map(|auth| htpasswd_line(&auth.user, &auth.password_hash))
        .transpose()?;
    let htpasswd = host.nginx.htpasswd_path(layout.slug());
    let vhost = Vhost {
        spec,
        project_dir: layout.dir(),
        listen: host.nginx.listen(),
        acme_dir: &host.acme_dir(),
        htpasswd: line.is_some().then_some(htpasswd.as_path()),
        away,
    };
    host.nginx
        .apply(layout.slug(), &vhost.render()?, line.as_deref())
        .await
        .map(drop)
}

/// The containers of one release.
pub(crate) async fn containers_of(
    host: &Host,
    layout: &Layout,
    release: &DeploymentId,
) -> Result<Vec<Found>> {
    let mut all = host.docker.list(Some(layout.slug().as_str())).await?;
    all.retain(|found| found.release == release.as_str());
    Ok(all)
}

impl Run<'_> {
    /// Points `current` to the new release.
    pub(crate) fn switch(&self) -> Result<()> {
        self.layout.switch(&self.release)?;
        Project {
            uid: self.uid,
            stopped: false,
        }
        .save(&self.layout)
    }

    /// Starts the release's own workers.
    pub(crate) async fn start_workers(&self) -> Result<()> {
        for process in self
            .spec
            .processes
            .iter()
            .filter(|process| process.kind == ProcessKind::Worker)
        {
            self.blueprint().start_worker(process).await?;
        }
        Ok(())
    }
}

/// A release that was live until now.
#[derive(Debug)]
pub(crate) struct Old<'a> {
    pub(crate) host: &'a Host,
    pub(crate) layout: &'a Layout,
    pub(crate) release: ReleaseDir,
    pub(crate) record: ReleaseRecord,
    /// What its compose file said, where it had one.
    pub(crate) compose: Option<Compose>,
    pub(crate) uid: u32,
}

impl<'a> Old<'a> {
    /// Looks up the release that serves; None before the first one.
    ///
    /// # Errors
    /// Its record is gone.
    pub(crate) fn live(host: &'a Host, layout: &'a Layout, uid: u32) -> Result<Option<Self>> {
        layout
            .live()?
            .map(|id| Self::of(host, layout, &id, uid))
            .transpose()
    }

    /// Looks up a release that is kept.
    ///
    /// # Errors
    /// Its record is gone.
    pub(crate) fn of(host: &'a Host, layout: &'a Layout, id: &DeploymentId, uid: u32) -> Result<Self> {
        let release = layout.release(id);
        let record = ReleaseRecord::load(&release)?.ok_or_else(|| {
            HostError::new(format!(
                "the release {id} is not on this server any more; deploy again"
            ))
        })?;
        let compose = load_compose(&release)?;
        Ok(Self {
            host,
            layout,
            release,
            record,
            compose,
            uid,
        })
    }

    /// Stops the workers with their grace. They stay, to be started again by a switch back.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn stop_workers(&self) -> Result<()> {
        let workers = self.of_role(Role::Worker).await?;
        let stops = workers
            .iter()
            .map(|found| self.host.docker.stop(&found.id, self.grace(found)));
        join_all(stops).await.into_iter().collect()
    }

    /// Starts the processes of one worker anew.
    ///
    /// # Errors
    /// The release has no such worker, or the engine refuses.
    pub(crate) async fn renew_worker(&self, name: &StepName) -> Result<()> {
        let process = self.record.spec.processes.iter();
        let process = process
            .filter(|process| process.kind == ProcessKind::Worker)
            .find(|process| process.name == *name);
        let Some(process) = process else {
            return Err(HostError::new(format!(
                "the live release has no worker `{name}`; it comes with the next deployment"
            )));
        };
        let mut workers = self.of_role(Role::Worker).await?;
        workers.retain(|found| self.process_of(found) == Some(process));
        self.end_workers(&workers).await?;
        self.ensure_running().await
    }

    /// Ends the workers' processes that the release has too many of.
    ///
    /// # Errors
    /// The engine refuses.
    pub(crate) async fn end_surplus(&self) -> Result<()> {
        let wanted = self.wanted(&Environment::default());
        let mut workers = self.of_role(Role::Worker).await?;
        workers.retain(|found| !wanted.iter().any(|container| container.name == found.name));
        self.end_workers(&workers).await
    }

    /// Gives the running containers of the release other limits.
    ///
    /// # Errors
    /// The engine refuses, for example because more is in use than is allowed from now on.
    pub(crate) async fn limit_running(&self, limits: &Limits) -> Result<()> {
        let found = containers_of(self.host, self.layout, &self.release.id).await?;
        for it in found
            .iter()
            .filter(|it| it.running && matches!(it.role, Role::Web | Role::Worker | Role::Service))
        {
            self.host
                .docker
                .limit(&it.id, limits.memory_mib.max(64), limits.cpu_milli.max(50))
                .await?;
        }
        Ok(())
    }

    async fn end_workers(&self, workers: &[Found]) -> Result<()> {
        let stops = workers
            .iter()
            .map(|found| self.host.docker.stop(&found.id, self.grace(found)));
        join_all(stops).await.into_iter().collect::<Result<()>>()?;
        let removals = workers.iter().map(|found| self.host.docker.remove(&found.id));
        join_all(removals).await.into_iter().collect()
    }

    /// Seconds that a worker has to end what it is at.
    fn grace(&self, found: &Found) -> u32 {
        self.process_of(found)
            .map_or(10, |process| u32::from(process.stop_wait_s))
    }

    /// The worker that a container is one of, by its name: see [`Blueprint::worker`].
    fn process_of(&self, found: &Found) -> Option<&Process> {
        let before = format!("devflow-{}-{}-", self.layout.slug(), self.release.short());
        let (name, number) = found.name.strip_prefix(&before)?.rsplit_once('-')?;
        number.parse::<u8>().ok()?;
        let mut processes = self.record.spec.processes.iter();
        processes.find(|process| process.name.as_str().replace(':', ".") == name)
    }

    /// Lets what has been accepted be answered, then removes the release's containers. Its files stay.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn retire(&self) -> Result<()> {
        let wait = u32::from(self.record.spec.release.drain_s.max(1)) + 5;
        // It ends with the last answer, so that what is behind it has nothing more to do.
        let relays = self.of_role(Role::Relay).await?;
        if relays.iter().any(|found| found.running) {
            sleep(SETTLE).await;
        }
        for relay in &relays {
            self.host.docker.stop(&relay.id, wait).await?;
        }
        let web = self.of_role(Role::Web).await?;
        if relays.is_empty() && web.iter().any(|found| found.running) {
            sleep(SETTLE).await;
            // The queue is first in, first out: with this answer all requests before it have been taken up. An error
            // means that the pool is gone already.
            let flushed = ping(&self.release, Duration::from_secs(u64::from(wait))).await;
            tracing::debug!(release = %self.release.id, ?flushed, "the old release has taken up its queue");
        }
        let grace = if relays.is_empty() {
            wait
        } else {
            self.web_grace_s()
        };
        join_all(web.iter().map(|found| self.host.docker.stop(&found.id, grace)))
            .await
            .into_iter()
            .collect::<Result<()>>()?;
        self.stop_workers().await?;
        self.stop_services().await?;
        self.remove_containers(|role| role != Role::Scheduler).await?;
        self.remove_network().await
    }

    /// Removes containers of the release.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn remove_containers(&self, which: impl Fn(Role) -> bool) -> Result<()> {
        let found = containers_of(self.host, self.layout, &self.release.id).await?;
        let removals = found
            .iter()
            .filter(|it| which(it.role))
            .map(|it| self.host.docker.remove(&it.id));
        join_all(removals).await.into_iter().collect()
    }

    fn blueprint<'b>(&'b self, environment: &'b Environment) -> Blueprint<'b> {
        Blueprint {
            host: self.host,
            layout: self.layout,
            release: &self.release,
            spec: &self.record.spec,
            environment,
            compose: self.compose.as_ref(),
            uid: self.uid,
        }
    }

    /// The containers of its services that go on from release to release.
    pub(super) fn kept(&self) -> Vec<Container> {
        self.blueprint(&Environment::default()).kept()
    }

    /// The containers that the release has while it is live.
    fn wanted(&self, environment: &Environment) -> Vec<Container> {
        let blueprint = self.blueprint(environment);
        let mut wanted = blueprint.beside(false);
        wanted.extend(blueprint.serving());
        wanted.extend(blueprint.beside(true));
        for process in self
            .record
            .spec
            .processes
            .iter()
            .filter(|process| process.kind == ProcessKind::Worker)
        {
            wanted.extend((1..=process.count).map(|number| blueprint.worker(process, number)));
        }
        wanted
    }

    /// True where all that the release has while it is live was running in `seen`.
    pub(crate) fn is_up(&self, seen: &[Found]) -> bool {
        let wanted = self.wanted(&Environment::default());
        let up = |container: &Container| {
            let mut of_name = seen.iter().filter(|it| it.running && it.name == container.name);
            of_name
                .any(|it| it.role != Role::Kept || it.definition.as_deref() == Some(&container.definition()))
        };
        wanted.iter().chain(&self.kept()).all(up)
    }

    /// Brings web container and workers of the release up, whether they are there, stopped, or gone.
    ///
    /// # Errors
    /// One of them does not start.
    pub(crate) async fn ensure_running(&self) -> Result<()> {
        let found = containers_of(self.host, self.layout, &self.release.id).await?;
        let wanted = self.wanted(&load_environment(&self.release)?);
        let missing = wanted
            .iter()
            .any(|container| !found.iter().any(|it| it.name == container.name));
        if missing {
            self.host.docker.ensure_network(self.layout.network()).await?;
        }
        if let Some(compose) = self.compose.as_ref().filter(|_| missing) {
            ensure_volumes(self.layout, compose, self.uid)?;
            let network = self.layout.release_network(&self.release);
            self.host.docker.ensure_network(&network).await?;
        }
        Box::pin(kept::settle(self.host, self.layout, Some(self))).await?;
        for container in &wanted {
            match found.iter().find(|it| it.name == container.name) {
                Some(it) if it.running => {}
                Some(it) => self.host.docker.start(&it.id).await?,
                None => self.host.docker.start_new(container).await.map(drop)?,
            }
        }
        Ok(())
    }

    pub(super) async fn of_role(&self, role: Role) -> Result<Vec<Found>> {
        let mut found = containers_of(self.host, self.layout, &self.release.id).await?;
        found.retain(|it| it.role == role);
        Ok(found)
    }

    /// Makes this release the one that serves again: its containers first, then `current`, then its vhost.
    ///
    /// # Errors
    /// It does not come up; the message says what to look at.
    pub(crate) async fn serve_again(&self) -> Result<()> {
        self.ensure_running().await?;
        self.layout.switch(&self.release)?;
        apply_vhost(self.host, self.layout, &self.record.spec, false).await
    }
}

/// Takes away everything of a release that is not live: its containers, its network, its images and its folder.
///
/// # Errors
/// The engine or the file system refuses; calling it again goes on.
pub(crate) async fn abandon(host: &Host, layout: &Layout, release: &ReleaseDir) -> Result<()> {
    remove_containers(host, layout, release).await?;
    remove_images(host, layout.slug(), Some(&release.id)).await?;
    discard(layout, release).await
}

/// Removes all containers of a release, and its network. What the engine was asked for before a crash may still come up
/// meanwhile, so that it is looked again while something is in the network.
///
/// # Errors
/// The engine refuses; calling it again goes on.
pub(crate) async fn remove_containers(host: &Host, layout: &Layout, release: &ReleaseDir) -> Result<()> {
    let network = layout.release_network(release);
    let mut tries_left = DETACH_TRIES;
    loop {
        for found in containers_of(host, layout, &release.id).await? {
            host.docker.remove(&found.id).await?;
        }
        match host.docker.remove_network(&network).await {
            Err(error) if tries_left > 0 => tracing::debug!(%error, "something is in the network still"),
            ended => return ended,
        }
        tries_left -= 1;
        sleep(DETACH_PAUSE).await;
    }
}
