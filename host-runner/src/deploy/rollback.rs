//! Going back to a release that is kept: the same pipeline without the build.
//!
//! The release's own folder, environment and configuration are used as they are. Migrations are never run down; where
//! one that may have destroyed something lies between, it takes a person's word.

use super::image::judge;
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
    let judged = job.policy.judge_kept(&target.record.spec);
    if let Err(reason) = judged.and_then(|()| judge(&job.policy, &target, target.compose.as_ref())) {
        return Ok(Outcome::Refused {
            reason: format!(
                "the release {} cannot serve again as it was deployed, deploy instead: {reason}",
                work.release
            ),
        });
    }
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
    if let Some(compose) = target.compose.clone() {
        run.set_compose(compose);
    }
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
            // What a task did stays done, as with a migration.
            self.services(false).await?;
            let web = self.start_web().await?;
            self.step("start", async {
                Box::pin(self.await_web(&web)).await?;
                Box::pin(self.start_late_services(false)).await
            })
            .await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::record::ReleaseRecord;
    use crate::policy::Policy;
    use crate::samples;
    use devflow_protocol::job::Work;
    use devflow_protocol::project::{Phase, ProjectSpec, Step};
    use devflow_protocol::{DeploymentId, UnixMillis};
    use std::fs;
    use std::sync::Arc;

    /// How a rollback ends whose settings are plain, to a release that was deployed with `kept`.
    async fn ended(policy: &str, kept: ProjectSpec) -> Outcome {
        let scratch = tempfile::tempdir().expect("a folder");
        let work = Rollback {
            deployment: DeploymentId::new(UnixMillis(1), [1; 10]),
            release: DeploymentId::new(UnixMillis(1), [2; 10]),
            force: false,
            spec: samples::spec("shop"),
        };
        let mut context = samples::context(scratch.path(), Work::Rollback(Box::new(work.clone())));
        context.policy = Arc::new(Policy::parse(policy).expect("a valid policy"));
        let layout = Layout::new(&context.host, &work.spec.slug);
        let release = layout.release(&work.release);
        fs::create_dir_all(&release.dir).expect("a folder");
        let project = Project {
            uid: 4000,
            stopped: false,
        };
        project.save(&layout).expect("saved");
        let record = ReleaseRecord {
            spec: kept,
            ref_name: "refs/heads/main".parse().expect("a ref"),
            commit: "a".repeat(40).parse().expect("a commit"),
            subject: "First".into(),
            environment_version: 1,
            image_digest: String::new(),
        };
        record.save(&release).expect("saved");
        rollback(&context, &work).await
    }

    #[tokio::test]
    async fn rollback_to_a_release_that_runs_what_is_forbidden_by_now_is_refused() {
        let mut hooked = samples::spec("shop");
        hooked.steps = vec![Step {
            name: "hook:warm".parse().expect("a name"),
            argv: ["sh", "-c", "env"].map(str::to_owned).into(),
            phase: Phase::BeforeSwitch,
            ..devflow_domain::pipeline::defaults(hooked.framework).steps[0].clone()
        }];
        let mut foreign = samples::spec("shop");
        foreign.image = "acme/php:8.4".parse().expect("an image");
        let mut large = samples::spec("shop");
        large.limits.memory_mib = 4096;
        for (policy, kept, named) in [
            (
                "[allow]\nown_commands = false",
                &hooked,
                "`hook:warm` is none of them",
            ),
            ("", &foreign, "does not allow the image acme/php:8.4"),
            (
                "[projects.shop]\nmemory_mib = 2048",
                &large,
                "`memory_mib` of 2048",
            ),
        ] {
            let Outcome::Refused { reason } = ended(policy, kept.clone()).await else {
                panic!("{named}: not refused");
            };
            assert!(
                reason
                    .contains("cannot serve again as it was deployed, deploy instead: this server's policy")
                    && reason.contains(named),
                "{reason}"
            );
        }
        // What is allowed comes as far as the manifest, which this release never got.
        let allowed = ended("[allow]\nrepositories = []", hooked).await;
        assert!(
            matches!(&allowed, Outcome::Failed { reason, .. } if reason.contains("was never live")),
            "{allowed:?}"
        );
    }
}
