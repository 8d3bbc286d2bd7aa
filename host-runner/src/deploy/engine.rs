//! The deployment itself: the order of its steps, and what happens when one of them fails.

use super::environment;
use super::layout::Layout;
use super::live::{Old, apply_vhost};
use super::migrations::known_destructive;
use super::prepare::{Fetched, check_room};
use super::prune::prune;
use super::record::{Project, ReleaseRecord, save_manifest, save_previous};
use super::run::{Failure, Run};
use super::services::told;
use crate::host::{Host, Result, databases};
use crate::job::{self, JobContext, Secrets};
use crate::mask;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Deploy;
use devflow_protocol::outcome::{LockedPackages, Manifest, Outcome};
use devflow_protocol::project::Phase;
use devflow_protocol::text::GitSha;
use tokio::sync::SemaphorePermit;

/// All phases of a pipeline.
const ALL: [Phase; 7] = [
    Phase::Dependencies,
    Phase::Build,
    Phase::Prepare,
    Phase::Boot,
    Phase::Migrate,
    Phase::BeforeSwitch,
    Phase::AfterSwitch,
];

/// What a release that is ready was made of.
#[derive(Debug)]
pub(crate) struct Made {
    /// The container that commands run in. An image of the project's own has it only where there are commands.
    pub(crate) build: String,
    pub(crate) image: String,
}

/// Makes a release of a commit and switches to it.
pub(crate) async fn deploy(job: &JobContext, work: &Deploy, own: Secrets) -> Outcome {
    let layout = Layout::new(&job.host, &work.spec.slug);
    let run = match begin(job, work, &layout, own).await {
        Ok(run) => run,
        Err(error) => return Failure::from(error).outcome("nothing was changed"),
    };
    match run.to_live(work).await {
        Ok(manifest) => Outcome::Succeeded {
            manifest: Some(manifest),
        },
        Err(ended) => ended,
    }
}

async fn begin<'a>(job: &'a JobContext, work: &'a Deploy, layout: &Layout, own: Secrets) -> Result<Run<'a>> {
    let host = &job.host;
    check_room(host)?;
    let project = Project::ensure(host, layout)?;
    let services = databases::ensure(host, layout.dir(), &work.spec).await?;
    job.events.mask(mask::secrets(&services));
    let release = layout.release(&work.deployment);
    let environment = environment::compose(&work.spec, layout, &release, &own.environment, &services)?;
    let run = Run::new(job, layout.clone(), release, &work.spec, environment, project.uid).with(own.token);
    run.make_folders()?;
    Ok(run)
}

impl Run<'_> {
    async fn to_live(&self, work: &Deploy) -> Result<Manifest, Outcome> {
        // Boxed, like the other half: a job that waits for its turn need not have the room for all of it.
        let ready = Box::pin(self.to_ready(work)).await;
        let (made, fetched, _slot) = match ready {
            Ok(ready) => ready,
            Err(failure) => return Err(self.unwind(failure).await),
        };
        let packages = self.locked_packages().await;
        let manifest = self.manifest(fetched.commit, made.image, work.environment.version, packages);
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => return Err(self.unwind(error.into()).await),
        };
        Box::pin(self.go_live(&made.build, manifest)).await
    }

    fn manifest(
        &self,
        commit: GitSha,
        image_digest: String,
        environment_version: u32,
        packages: LockedPackages,
    ) -> Result<Manifest> {
        let migrations = self.migrations();
        Ok(Manifest {
            release: self.release.id.clone(),
            commit,
            image_digest,
            environment_version,
            destructive: known_destructive(&self.layout, &migrations)?,
            migrations,
            steps: self.times(),
            framework: Some(self.spec.framework),
            php: Some(self.spec.php.clone()),
            answer_ms: self.answer_ms(),
            packages,
            services: self.compose().map(told).unwrap_or_default(),
        })
    }

    /// The manifest of a release that was switched to before the runner was restarted.
    pub(crate) async fn restored_manifest(&self, mine: &Old<'_>) -> Result<Manifest, Failure> {
        let record = &mine.record;
        let manifest = self.manifest(
            record.commit.clone(),
            record.image_digest.clone(),
            record.environment_version,
            self.locked_packages().await,
        )?;
        save_manifest(&self.release, &manifest)?;
        Ok(manifest)
    }

    /// Everything before the switch. What it leaves behind on failure, [`Self::unwind`] takes away.
    async fn to_ready(&self, work: &Deploy) -> Result<(Made, Fetched, SemaphorePermit<'_>), Failure> {
        self.state(DeploymentState::Preparing);
        let (fetched, made) = self.begun(work).await?;
        let record = ReleaseRecord {
            spec: self.spec.clone(),
            ref_name: work.ref_name.clone(),
            commit: fetched.commit.clone(),
            subject: fetched.subject.clone(),
            environment_version: work.environment.version,
            image_digest: made.image.clone(),
        };
        record.save(&self.release)?;
        if self.spec.container.is_none() {
            self.state(DeploymentState::Building);
        }
        self.share_bytecode(&made.image).await?;
        self.phase(Phase::Dependencies, &made.build, &made.image).await?;
        self.phase(Phase::Build, &made.build, &made.image).await?;
        self.step("link", self.link()).await?;
        let slot = self.slot().await?;
        self.services(true).await?;
        // It starts beside the preparation: PHP-FPM reads no code before the first request.
        let (prepared, web) = tokio::join!(
            self.phase(Phase::Prepare, &made.build, &made.image),
            self.start_web()
        );
        prepared?;
        self.state(DeploymentState::Starting);
        self.step("start", async {
            Box::pin(self.await_web(&web?)).await?;
            Box::pin(self.start_late_services(true)).await
        })
        .await?;
        let (booted, foreseen) = tokio::join!(
            self.phase(Phase::Boot, &made.build, &made.image),
            self.foresee(&made.build)
        );
        booted?;
        foreseen?;
        self.state(DeploymentState::Migrating);
        self.phase(Phase::Migrate, &made.build, &made.image).await?;
        self.ready(&made).await?;
        Ok((made, fetched, slot))
    }

    /// The commit's files, the image, and the container that the commands run in.
    async fn begun(&self, work: &Deploy) -> Result<(Fetched, Made), Failure> {
        if let Some(container) = &self.spec.container {
            let fetched = self.source(work).await?;
            self.state(DeploymentState::Building);
            self.step("image", Box::pin(self.make_images(container))).await?;
            return Ok((fetched, self.start_build(&ALL).await?));
        }
        let (source, container) = tokio::join!(self.source(work), self.start_build(&ALL));
        // The fetch first: a push that is overtaken is no failure, whatever else went wrong.
        Ok((source?, container?))
    }

    async fn source(&self, work: &Deploy) -> Result<Fetched, Failure> {
        let fetched = self.step("fetch", self.fetch(work)).await?;
        self.step("checkout", self.checkout(&fetched.commit)).await?;
        Ok(fetched)
    }

    /// Starts the container that the deployment's commands run in, those of `phases` ahead of their time.
    pub(crate) async fn start_build(&self, phases: &[Phase]) -> Result<Made> {
        let docker = &self.host().docker;
        let image = docker.image_id(&self.blueprint().image()).await?;
        docker.ensure_network(self.layout.network()).await?;
        let container = self.blueprint().build();
        if self.spec.container.is_some() && self.spec.steps.is_empty() {
            // An image of a project's own may have nothing in it that a container without a task could run.
            return Ok(Made {
                build: container.name,
                image,
            });
        }
        let build = docker.start_new(&container).await?;
        self.arm(&build, phases);
        Ok(Made { build, image })
    }

    /// Starts what answers visitors in the release; nothing reaches it before the switch.
    pub(crate) async fn start_web(&self) -> Result<Vec<String>> {
        let mut started = Vec::new();
        for container in self.blueprint().serving() {
            started.push(self.host().docker.start_new(&container).await?);
        }
        Ok(started)
    }

    /// Waits until no other deployment of this server is between its start and the end of the old release.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        tokio::select! {
            permit = self.host().release_slot.acquire() => {
                permit.map_err(|_| Failure::Other("the runner is shutting down".into()))
            }
            () = self.cancel().cancelled() => Err(Failure::Cancelled),
        }
    }

    /// The last commands and questions before the switch, and what has to be in place for it.
    pub(crate) async fn ready(&self, made: &Made) -> Result<(), Failure> {
        self.state(DeploymentState::Checking);
        self.phase(Phase::BeforeSwitch, &made.build, &made.image).await?;
        self.step("ready", async {
            self.check_public_dir()?;
            self.readiness().await?;
            self.carry_over().await
        })
        .await?;
        self.step("vhost", apply_vhost(self.host(), &self.layout, self.spec, false))
            .await
    }

    /// From the switch on. A cancellation comes too late here.
    pub(crate) async fn go_live(&self, build: &str, mut manifest: Manifest) -> Result<Manifest, Outcome> {
        let host: &Host = self.host();
        let old = match Old::live(host, &self.layout, self.uid) {
            Ok(old) => old,
            Err(error) => return Err(self.unwind(error.into()).await),
        };
        self.state(DeploymentState::Switching);
        if let Err(failure) = self.point_of_no_return(old.as_ref()) {
            return Err(self.unwind(failure).await);
        }
        if let Err(failure) = self.late("switch", async { self.switch() }).await {
            // The rename may have happened all the same.
            return Err(self.switch_back(old.as_ref(), failure).await);
        }
        self.state(DeploymentState::Observing);
        let watched = self.take_over(build, old.as_ref()).await;
        if let Err(failure) = watched {
            return Err(self.switch_back(old.as_ref(), failure).await);
        }
        manifest.steps = self.times();
        manifest.answer_ms = self.answer_ms();
        if let Err(failure) = save_manifest(&self.release, &manifest) {
            return Err(self.switch_back(old.as_ref(), failure.into()).await);
        }
        self.finish(build, old.as_ref()).await;
        manifest.steps = self.times();
        Ok(manifest)
    }

    /// From here on a cancellation is refused, and what a restarted runner needs for the way back is on disk.
    fn point_of_no_return(&self, old: Option<&Old<'_>>) -> Result<(), Failure> {
        save_previous(&self.release, old.map(|old| &old.release.id))?;
        self.mark(job::SWITCHED)?;
        if self.cancel().is_cancelled() {
            Err(Failure::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Restarts what runs beside the web container and watches the whole.
    async fn take_over(&self, build: &str, old: Option<&Old<'_>>) -> Result<(), Failure> {
        let workers = async {
            self.late_phase(build, |_| true).await?;
            if self.has_workers() {
                self.late("workers", self.start_workers()).await?;
            }
            self.late("observe", self.observe()).await
        };
        let stopping = async {
            match old {
                Some(old) => old.stop_workers().await,
                None => Ok(()),
            }
        };
        let (watched, stopped, ()) = tokio::join!(workers, stopping, self.make_spares(build));
        if let Err(error) = stopped {
            tracing::warn!(job.id = %self.job.job.id, %error, "workers of the old release did not stop");
        }
        watched
    }

    /// Ends the old release. The new one is live: what fails here is the reconcile loop's to repeat.
    pub(crate) async fn finish(&self, build: &str, old: Option<&Old<'_>>) {
        let retire = async {
            if let Some(old) = old.filter(|old| old.release.id != self.release.id) {
                old.retire().await?;
            }
            self.settle_kept().await?;
            self.host().docker.remove(build).await
        };
        let retired = self.late("retire", retire).await;
        let pruned = self.late("prune", async {
            prune(self.host(), &self.layout, self.spec.release.keep)
                .await
                .map(drop)
        });
        for failure in [retired.err(), pruned.await.err()].into_iter().flatten() {
            tracing::warn!(job.id = %self.job.job.id, ?failure, "the release is live, but the old one is not gone yet");
        }
    }
}
