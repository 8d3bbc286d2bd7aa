//! Going back to a release that is kept: the same pipeline without the build.
//!
//! The release's own folder, environment and configuration are used as they are. Migrations are never run down; where
//! one that may have destroyed something lies between, it takes a person's word.

use super::layout::Layout;
use super::live::Old;
use super::prepare::check_room;
use super::record::{Project, load_environment, load_manifest};
use super::run::{Failure, Run, sentence};
use crate::host::{HostError, Result};
use crate::job::JobContext;
use crate::mask;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Rollback;
use devflow_protocol::outcome::{Manifest, Outcome};
use devflow_protocol::project::Phase;

/// Switches to a release that is kept.
pub(crate) async fn rollback(job: &JobContext, work: &Rollback) -> Outcome {
    let layout = Layout::new(&job.host, &work.spec.slug);
    match back(job, work, &layout).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed {
            step: None,
            reason: sentence(&format!("{error}; nothing was changed")),
        },
    }
}

async fn back(job: &JobContext, work: &Rollback, layout: &Layout) -> Result<Outcome> {
    let host = &job.host;
    check_room(host)?;
    let project = Project::load(layout)?
        .ok_or_else(|| HostError::new("the project is not on this server; deploy it first"))?;
    let target = Old::of(host, layout, &work.release, project.uid)?;
    let manifest = load_manifest(&target.release)?.ok_or_else(|| {
        HostError::new(format!(
            "the release {} was never live; deploy again",
            work.release
        ))
    })?;
    if layout.live()?.as_ref() == Some(&work.release) {
        return Ok(Outcome::Succeeded {
            manifest: Some(manifest),
        });
    }
    let environment = load_environment(&target.release)?;
    job.events.mask(mask::secrets(&environment));
    job.events
        .commit(&target.record.commit, &target.record.subject, "");
    let spec = target.record.spec.clone();
    let run = Run::new(
        job,
        layout.clone(),
        target.release.clone(),
        &spec,
        environment,
        project.uid,
    );
    Ok(run.rolled(work, manifest).await)
}

impl Run<'_> {
    async fn rolled(&self, work: &Rollback, manifest: Manifest) -> Outcome {
        let begun = async {
            self.state(DeploymentState::Preparing);
            let between = self
                .step("schema", async {
                    match self.destructive_between(&manifest)? {
                        None => self.update_between(&manifest),
                        found => Ok(found),
                    }
                })
                .await?;
            if let Some((migration, why)) = between.filter(|_| !work.force) {
                return Err(Failure::Other(format!(
                    "the migration `{migration}` came after that release, whose code may not get on with it ({why}); \
                     roll back with force if it does"
                )));
            }
            let slot = self.slot().await?;
            self.state(DeploymentState::Starting);
            let made = self
                .start_build(&[Phase::Boot, Phase::BeforeSwitch, Phase::AfterSwitch])
                .await?;
            self.share_bytecode(&made.image).await?;
            let web = self.start_web().await?;
            self.step("start", self.await_fpm(&web)).await?;
            self.phase(Phase::Boot, &made.build, &made.image).await?;
            self.ready(&made).await?;
            Ok::<_, Failure>((made, slot))
        };
        match Box::pin(begun).await {
            Ok((made, _slot)) => match Box::pin(self.go_live(&made.build, manifest)).await {
                Ok(manifest) => Outcome::Succeeded {
                    manifest: Some(manifest),
                },
                Err(ended) => ended,
            },
            Err(failure) => self.unwind(failure).await,
        }
    }
}
