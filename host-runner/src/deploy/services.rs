//! Services of a compose file: how their containers are described, and how those of a release are started, each when what it
//! waits for is there.

use super::containers::{Blueprint, bind};
use super::image::image_name;
use super::layout::{Layout, ReleaseDir};
use super::live::Old;
use super::record::{load, make_dir, save};
use super::replicas::GRACE_S;
use super::run::{Failure, Run, step_name};
use crate::host::docker::{Container, Found, Health, Role};
use crate::host::{Doing, HostError, Result};
use devflow_domain::compose::{Compose, Condition, Service, Source};
use devflow_protocol::event::Stream;
use devflow_protocol::outcome::{ServiceKind, ServiceTold};
use devflow_protocol::text::ComposeName;
use futures_util::future::join_all;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at a container.
const INTERVAL: Duration = Duration::from_millis(100);
/// Until a health check succeeds.
const HEALTHY_LIMIT: Duration = Duration::from_mins(5);
/// Longest run of a task.
const TASK_LIMIT: Duration = Duration::from_mins(30);
/// Lines of a task's output that are shown.
const TASK_LINES: usize = 500;

/// What a release's compose file said, its variables filled in; None for a release without one.
///
/// # Errors
/// The file is damaged.
pub(crate) fn load_compose(release: &ReleaseDir) -> Result<Option<Compose>> {
    load(&release.dir.join("compose.json"))
}

/// Keeps it beside the release's environment, which is in it: readable by root only.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn save_compose(release: &ReleaseDir, compose: &Compose) -> Result<()> {
    save(&release.dir.join("compose.json"), compose, 0o600)
}

/// What is told of its services.
pub(crate) fn told(compose: &Compose) -> Vec<ServiceTold> {
    let told = |service: &Service| ServiceTold {
        name: service.name.clone(),
        kind: service.kind,
        image: match &service.source {
            Source::Image(image) => Some(image.clone()),
            Source::Build(_) => None,
        },
    };
    compose.services.iter().map(told).collect()
}

/// Makes the folders of all volumes that are missing.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn ensure_volumes(layout: &Layout, compose: &Compose, uid: u32) -> Result<()> {
    let volumes = compose.services.iter().flat_map(|service| &service.volumes);
    for volume in volumes {
        make_dir(&layout.volumes(), 0o711, Some(0), Some(0))?;
        let folder = layout.volumes().join(volume.name.as_str());
        // One that is there has the mode that its service gave it.
        if !folder.exists() {
            make_dir(&folder, 0o750, Some(uid), Some(uid))?;
        }
    }
    Ok(())
}

/// Gives a container the command of a service, and its end.
pub(super) fn run_as(container: &mut Container, service: &Service) {
    container.argv = service.command.clone().unwrap_or_default();
    container.entrypoint.clone_from(&service.entrypoint);
    container.stop_signal.clone_from(&service.stop_signal);
    container.stop_wait_s = service.stop_grace_s;
    container.healthcheck.clone_from(&service.healthcheck);
}

impl Blueprint<'_> {
    /// The image of a service.
    pub(super) fn image_of(&self, service: &Service) -> String {
        match &service.source {
            Source::Image(image) => image.to_string(),
            Source::Build(wanted) => {
                let builds = self.compose.map(Compose::builds).unwrap_or_default();
                let same = builds.into_iter().find(|(_, build)| *build == wanted);
                let name = same.map_or(&service.name, |(name, _)| name);
                image_name(self.layout, &self.release.id, Some(name))
            }
        }
    }

    /// Gives a container what a service's code needs: image, variables, volumes, networks.
    pub(super) fn dress(&self, container: &mut Container, service: &Service) {
        let volumes = self.layout.volumes();
        let mounts = service.volumes.iter().map(|volume| {
            bind(
                &volumes.join(volume.name.as_str()),
                Path::new(&volume.target),
                volume.read_only,
            )
        });
        container.binds = mounts.collect();
        container.image = self.image_of(service);
        let own = service.environment.iter();
        container.env = own.map(|(name, value)| format!("{name}={value}")).collect();
        if !service.environment.keys().any(|name| name.as_str() == "HOME") {
            container.env.push("HOME=/tmp".to_owned());
        }
        container.workdir = service.working_dir.as_ref().map(Into::into);
        container.init = service.init;
        container.read_only = service.read_only;
        container.tmpfs.clone_from(&service.tmpfs);
        if service.kind == ServiceKind::Kept {
            container.alias = Some(service.name.to_string());
            return;
        }
        container.binds.extend(self.service_binds());
        container.env.push(format!("DEVFLOW_RELEASE={}", self.release.id));
        container.joined = Some((
            self.layout.release_network(self.release),
            service.name.to_string(),
        ));
    }

    /// The container of a service that is none of those that visitors reach.
    pub(super) fn service(&self, service: &Service) -> Container {
        let role = match service.kind {
            ServiceKind::Kept => Role::Kept,
            ServiceKind::Task => Role::Build,
            ServiceKind::Release | ServiceKind::Web => Role::Service,
        };
        let mut container = self.bare(role, &format!("service-{}", service.name), Vec::new());
        self.dress(&mut container, service);
        run_as(&mut container, service);
        container.keeps_running = role != Role::Build;
        if role == Role::Kept {
            container.name = format!("{}.{}", self.layout.network(), service.name);
            container.release = String::new();
        }
        container
    }

    /// The containers of the services that each release has; `late` ones wait for the web service.
    pub(super) fn beside(&self, late: bool) -> Vec<Container> {
        let services = self
            .compose
            .iter()
            .flat_map(|it| it.of_kind(ServiceKind::Release));
        let wanted = services.filter(|service| service.late == late);
        wanted.map(|service| self.service(service)).collect()
    }

    /// The containers of the services that go on from release to release, in the order in which they are started.
    pub(super) fn kept(&self) -> Vec<Container> {
        let services = self.compose.iter().flat_map(|it| it.of_kind(ServiceKind::Kept));
        services.map(|service| self.service(service)).collect()
    }

    /// The container by which others see how a service is.
    fn container_of(&self, service: &Service) -> String {
        match service.kind {
            ServiceKind::Web => self.serving().swap_remove(0).name,
            _ => self.service(service).name,
        }
    }
}

impl Old<'_> {
    /// Removes the release's own network; a run of the scheduler that is in it keeps it until the release is removed.
    pub(super) async fn remove_network(&self) -> Result<()> {
        let scheduler = !self.of_role(Role::Scheduler).await?.is_empty();
        if self.compose.is_none() || scheduler {
            return Ok(());
        }
        let network = self.layout.release_network(&self.release);
        self.host.docker.remove_network(&network).await
    }

    /// Seconds that one of the containers that visitors reach has to end, once they are answered.
    pub(super) fn web_grace_s(&self) -> u32 {
        let web = self.compose.as_ref().and_then(Compose::web);
        web.map_or(GRACE_S, |web| web.stop_grace_s)
    }

    /// Stops the release's services beside the web service, each with its grace.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(super) async fn stop_services(&self) -> Result<()> {
        let services = self.of_role(Role::Service).await?;
        let stops = services
            .iter()
            .map(|found| self.host.docker.stop(&found.id, self.service_grace_s(found)));
        join_all(stops).await.into_iter().collect()
    }

    fn service_grace_s(&self, found: &Found) -> u32 {
        let services = self.compose.iter().flat_map(|compose| &compose.services);
        let ending = |name: &str| format!("-{}-service-{name}", self.release.short());
        let mut mine = services.filter(|service| found.name.ends_with(&ending(service.name.as_str())));
        mine.next().map_or(GRACE_S, |service| service.stop_grace_s)
    }
}

impl Run<'_> {
    /// The step that starts what the web service of a compose file waits for.
    pub(crate) async fn services(&self, tasks: bool) -> Result<(), Failure> {
        if self.compose().is_none() {
            return Ok(());
        }
        self.step("services", Box::pin(self.start_services(tasks))).await
    }

    /// Starts all that the web service may need, in order: services that are kept, tasks where `tasks`, and the release's own.
    ///
    /// # Errors
    /// One of them does not start, does not become healthy, or a task fails.
    pub(crate) async fn start_services(&self, tasks: bool) -> Result<()> {
        let Some(compose) = self.compose() else {
            return Ok(());
        };
        ensure_volumes(&self.layout, compose, self.uid)?;
        let network = self.layout.release_network(&self.release);
        self.host().docker.ensure_network(&network).await?;
        self.start_each(compose, false, tasks).await
    }

    /// Starts what waits for the web service, which is there.
    ///
    /// # Errors
    /// One of them does not start, or a task fails.
    pub(crate) async fn start_late_services(&self, tasks: bool) -> Result<()> {
        match self.compose() {
            Some(compose) => self.start_each(compose, true, tasks).await,
            None => Ok(()),
        }
    }

    async fn start_each(&self, compose: &Compose, late: bool, tasks: bool) -> Result<()> {
        for service in compose.services.iter().filter(|service| service.late == late) {
            self.await_conditions(compose, service).await?;
            let container = self.blueprint().service(service);
            match service.kind {
                ServiceKind::Kept => self.start_kept(&container).await?,
                ServiceKind::Release => drop(self.host().docker.start_new(&container).await?),
                ServiceKind::Task if tasks => self.run_task(service, &container).await?,
                ServiceKind::Task | ServiceKind::Web => {}
            }
        }
        Ok(())
    }

    async fn start_kept(&self, container: &Container) -> Result<()> {
        let done = super::kept::ensure(self.host(), container).await?;
        if let Some(done) = done {
            let what = format!("{done}: {}", container.name);
            self.note(&step_name("services"), &what);
        }
        Ok(())
    }

    async fn await_conditions(&self, compose: &Compose, service: &Service) -> Result<()> {
        for (name, condition) in &service.depends_on {
            // The others are there by the order: one that runs was started, a task was waited for.
            if *condition == Condition::Healthy
                && let Some(other) = compose.service(name)
            {
                self.await_healthy(name, &self.blueprint().container_of(other))
                    .await?;
            }
        }
        Ok(())
    }

    async fn await_healthy(&self, name: &ComposeName, container: &str) -> Result<()> {
        let docker = &self.host().docker;
        let begun = Instant::now();
        loop {
            let condition = docker.condition(container).await?;
            let health = condition.as_ref().and_then(|it| it.health);
            let running = condition.as_ref().is_some_and(|it| it.running);
            let wrong = match health {
                Some(Health::Healthy) => return Ok(()),
                Some(Health::Unhealthy) => "is not healthy",
                None if running => "has no health check, and others wait until it is healthy; give it one",
                _ if begun.elapsed() > HEALTHY_LIMIT => "is not healthy after 5 min",
                _ if condition.is_none_or(|it| it.restarts > 2) => "ended",
                _ if self.cancel().is_cancelled() => "is not waited for any more: the job was cancelled",
                _ => {
                    sleep(INTERVAL).await;
                    continue;
                }
            };
            let words = docker.last_lines(container, 5).await?.join(" ");
            return Err(HostError::new(format!("service `{name}` {wrong}: {words}")));
        }
    }

    /// Runs a task to its end. Its output is shown then.
    async fn run_task(&self, service: &Service, container: &Container) -> Result<()> {
        let docker = &self.host().docker;
        let (step, name) = (step_name("services"), &service.name);
        self.note(&step, &format!("runs the task `{name}`"));
        let id = docker.start_new(container).await?;
        let begun = Instant::now();
        let code = loop {
            match docker.condition(&id).await? {
                Some(condition) if condition.running => {}
                Some(condition) => break condition.exit_code,
                None => {
                    return Err(HostError::new(format!(
                        "the container of the task `{name}` is gone"
                    )));
                }
            }
            if self.cancel().is_cancelled() {
                return Err(HostError::new("the job was cancelled"));
            }
            if begun.elapsed() > TASK_LIMIT {
                return Err(HostError::new(format!(
                    "the task `{name}` took longer than 30 min"
                )));
            }
            sleep(INTERVAL).await;
        };
        let lines = docker.last_lines(&id, TASK_LINES).await?;
        for line in &lines {
            self.job
                .events
                .output(&step, Stream::Out, &super::complaint::plain(line));
        }
        docker
            .remove(&id)
            .await
            .doing(|| format!("end the task `{name}`"))?;
        if code == 0 {
            return Ok(());
        }
        let said = lines.last().map_or_else(String::new, |line| format!(": {line}"));
        Err(HostError::new(format!(
            "the task `{name}` ended with status {code}{said}"
        )))
    }
}
