//! What a restarted runner does with a deployment that it finds unfinished: it looks at where `current` points, and
//! finishes what was switched or takes away what was not. Doing it twice, or being killed in the middle of it, is fine.

use super::layout::Layout;
use super::live::{Old, apply_vhost};
use super::record::{Project, load_environment, load_manifest, load_previous};
use super::run::{Failure, Run};
use super::services::load_compose;
use crate::host::{Host, Result};
use crate::job::JobContext;
use crate::mask;
use devflow_domain::plan::plan;
use devflow_protocol::DeploymentId;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Work;
use devflow_protocol::outcome::{Manifest, Outcome, SERVES_AGAIN};
use devflow_protocol::project::{Environment, Phase, ProjectSpec};
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::text::StepName;
use std::time::Duration;

/// After a reboot Docker may need a while; without it nothing can be said or done.
const DOCKER_RETRY: Duration = Duration::from_secs(2);
/// Why a release went back whose way back was begun by the runner before.
const CUT_SHORT: &str = "the release turned bad, and the runner was restarted while it went back";

/// Ends a job that was running when the process ended. `token` is what the repository of a look asks for.
pub(crate) async fn recover(job: &JobContext, token: Option<&RepositoryToken>) -> Outcome {
    match &job.job.work {
        Work::Deploy(work) => deployment(job, &work.spec, &work.deployment).await,
        Work::Rollback(work) => deployment(job, &work.spec, &work.release).await,
        // These can be done again as they are.
        Work::Stop(work) => super::stop(job, work).await,
        Work::Restart(work) => super::restart(job, work).await,
        Work::Scale(work) => super::scale(job, work).await,
        Work::RemoveProject(work) => super::remove(job, work).await,
        Work::Cancel(_) | Work::Ping(_) | Work::Update(_) => Outcome::Succeeded { manifest: None },
        Work::Inspect(work) => crate::inspect::inspect(job, work, token).await,
    }
}

async fn deployment(job: &JobContext, spec: &ProjectSpec, id: &DeploymentId) -> Outcome {
    let host = &job.host;
    let layout = Layout::new(host, &spec.slug);
    await_docker(host, &layout).await;
    let (at, ended) = match look(job, spec) {
        Ok(seen) => seen,
        Err(reason) => return Failure::Other(reason).outcome("nothing was changed by the restart"),
    };
    let failure = Failure::Other(match &at {
        Some(step) => format!("the runner was restarted during `{step}`; deploy again"),
        None => "the runner was restarted before the first step; deploy again".to_owned(),
    });
    let Ok(Some(project)) = Project::load(&layout) else {
        return failure.outcome("nothing was changed");
    };
    let release = layout.release(id);
    let environment = load_environment(&release).unwrap_or_else(|_| Environment::default());
    job.events.mask(mask::secrets(&environment));
    let compose = load_compose(&release);
    let kept = Old::of(host, &layout, id, project.uid).map(|old| old.record.spec);
    let spec = kept.as_ref().unwrap_or(spec);
    let run = Run::new(job, layout.clone(), release, spec, environment, project.uid);
    if let Ok(Some(compose)) = compose {
        run.set_compose(compose);
    }
    match layout.live() {
        Ok(live) if live.as_ref() == Some(id) && ended => run.go_back().await,
        Ok(live) if live.as_ref() == Some(id) => run.resume().await,
        Ok(Some(_)) if ended => {
            let outcome = run.unwind(failure).await;
            let Outcome::Failed { .. } = outcome else {
                return outcome;
            };
            Outcome::RolledBack {
                reason: format!("{CUT_SHORT}; {SERVES_AGAIN}"),
            }
        }
        Ok(_) => run.unwind(failure).await,
        Err(error) => Failure::from(error).outcome("look at the server"),
    }
}

/// The last step that was begun, and whether the way back was begun.
fn look(job: &JobContext, spec: &ProjectSpec) -> Result<(Option<String>, bool), String> {
    let reached = |name: &str| job.checkpoints.reached(name).map_err(|error| error.to_string());
    // A rollback begins with the schema.
    let names = std::iter::once("schema").chain(plan(spec).into_iter().map(|step| step.name));
    let mut last = None;
    for name in names {
        if reached(name)? {
            last = Some(name.to_owned());
        }
    }
    Ok((last, reached(super::back::GOING_BACK)?))
}

pub(super) async fn await_docker(host: &Host, layout: &Layout) {
    while let Err(error) = host.docker.list(Some(layout.slug().as_str())).await {
        tracing::warn!(%error, "waiting for Docker");
        tokio::time::sleep(DOCKER_RETRY).await;
    }
}

impl Run<'_> {
    /// Goes on behind the switch.
    async fn resume(&self) -> Outcome {
        let host = self.host();
        let _slot = match self.slot().await {
            Ok(slot) => slot,
            Err(failure) => return failure.outcome("the new release serves"),
        };
        let old = match self.previous() {
            Ok(old) => old,
            Err(error) => return Failure::from(error).outcome("the new release serves"),
        };
        self.state(DeploymentState::Observing);
        match self.watched(host).await {
            Ok(manifest) => {
                if let Err(error) = self.clean_up(old.as_ref()).await {
                    tracing::warn!(job.id = %self.job.job.id, %error, "what is left of other releases is not gone yet");
                }
                Outcome::Succeeded {
                    manifest: Some(manifest),
                }
            }
            Err(failure) => self.switch_back(old.as_ref(), failure).await,
        }
    }

    /// Goes on with the way back, where `current` has not moved yet.
    async fn go_back(&self) -> Outcome {
        match self.previous() {
            Ok(old) => {
                let failure = Failure::Other(CUT_SHORT.to_owned());
                self.switch_back(old.as_ref(), failure).await
            }
            Err(error) => Failure::from(error).outcome("the new release serves"),
        }
    }

    fn previous(&self) -> Result<Option<Old<'_>>> {
        let Some(id) = load_previous(&self.release)?.filter(|id| *id != self.release.id) else {
            return Ok(None);
        };
        // It may be retired and pruned already.
        Ok(Old::of(self.host(), &self.layout, &id, self.uid).ok())
    }

    async fn watched(&self, host: &Host) -> Result<Manifest, Failure> {
        let mine = Old::of(host, &self.layout, &self.release.id, self.uid)?;
        apply_vhost(host, &self.layout, self.spec, false).await?;
        self.late("workers", mine.ensure_running()).await?;
        let done = load_manifest(&self.release)?;
        if let Some(manifest) = done.filter(|_| !matches!(self.job.job.work, Work::Rollback(_))) {
            return Ok(manifest);
        }
        self.outstanding().await?;
        self.late("observe", self.observe()).await?;
        self.restored_manifest(&mine).await
    }

    /// Runs the commands behind the switch that were not begun before the restart.
    async fn outstanding(&self) -> Result<(), Failure> {
        let mut open = Vec::new();
        for step in self
            .spec
            .steps
            .iter()
            .filter(|step| step.phase == Phase::AfterSwitch)
        {
            let begun = self.job.checkpoints.reached(step.name.as_str());
            if !begun.map_err(|error| Failure::Other(error.to_string()))? {
                open.push(&step.name);
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let made = self.start_build(&[]).await?;
        self.share_bytecode(&made.image).await?;
        let wanted = |name: &StepName| open.contains(&name);
        self.late_phase(&made.build, wanted).await
    }

    async fn clean_up(&self, old: Option<&Old<'_>>) -> Result<()> {
        let host = self.host();
        for found in host.docker.list(Some(self.layout.slug().as_str())).await? {
            if found.release == self.release.id.as_str() && found.role == crate::host::docker::Role::Build {
                host.docker.remove(&found.id).await?;
            }
        }
        if let Some(old) = old {
            old.retire().await?;
        }
        self.settle_kept().await?;
        super::prune::prune(host, &self.layout, self.spec.release.keep)
            .await
            .map(drop)
    }
}
