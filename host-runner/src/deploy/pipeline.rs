//! Runs the project's own commands, phase by phase, in the deployment's one container.

use super::complaint::Complaint;
use super::run::{Failure, Run};
use crate::host::docker::{Armed, Ended};
use crate::host::tree::Tree;
use crate::host::{HostError, Result};
use devflow_protocol::event::{StepOutcome, Stream};
use devflow_protocol::project::{Phase, Step};
use devflow_protocol::text::StepName;
use futures_util::future::join_all;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

impl Run<'_> {
    /// Runs the commands of a phase, those that may run beside each other at once.
    ///
    /// # Errors
    /// The first command that fails, with its own words.
    pub(crate) async fn phase(&self, phase: Phase, container: &str, image: &str) -> Result<(), Failure> {
        let steps: Vec<&Step> = self
            .spec
            .steps
            .iter()
            .filter(|step| step.phase == phase)
            .collect();
        for group in steps.chunk_by(|_, next| next.beside) {
            let runs = group.iter().map(|step| {
                self.named_step(
                    &step.name,
                    self.one(step, container, image, self.cancel(), group.len() > 1),
                )
            });
            join_all(runs)
                .await
                .into_iter()
                .collect::<Result<(), Failure>>()?;
        }
        Ok(())
    }

    /// Runs the commands that follow the switch, which a cancellation does not end.
    ///
    /// # Errors
    /// The first command that fails, with its own words.
    pub(crate) async fn late_phase(
        &self,
        container: &str,
        wanted: impl Fn(&StepName) -> bool,
    ) -> Result<(), Failure> {
        let never = CancellationToken::new();
        let steps = self
            .spec
            .steps
            .iter()
            .filter(|step| step.phase == Phase::AfterSwitch);
        for step in steps.filter(|step| wanted(&step.name)) {
            self.timed(&step.name, self.one(step, container, "", &never, false))
                .await?;
        }
        Ok(())
    }

    async fn one(
        &self,
        step: &Step,
        container: &str,
        image: &str,
        cancel: &CancellationToken,
        grouped: bool,
    ) -> Result<((), StepOutcome)> {
        let tree = Tree::open(&self.release.app(), self.uid)?;
        if let Some(missing) = step.needs.iter().find(|path| !tree.has(path)) {
            self.note(&step.name, &format!("skipped: the repository has no `{missing}`"));
            return Ok(((), StepOutcome::Skipped));
        }
        if let Some(why) = self.unmet(step, container, cancel).await? {
            self.note(&step.name, &format!("skipped: {why}"));
            return Ok(((), StepOutcome::Skipped));
        }
        let Some(cache) = &step.cache else {
            let first = self.command(step, container, cancel).await;
            if first.is_err() && grouped && !cancel.is_cancelled() {
                // It may have read a file that one beside it was just writing.
                self.note(&step.name, "failed beside other commands; once more");
                self.command(step, container, cancel).await?;
            } else {
                first?;
            }
            return Ok(((), StepOutcome::Ok));
        };
        let kept = self.kept(step, cache, image).await?;
        let hit = self.restore(step, cache, &kept, container).await?;
        if hit && cache.skip_on_hit {
            return Ok(((), StepOutcome::Skipped));
        }
        self.command(step, container, cancel).await?;
        if !hit {
            self.keep(step, cache, &kept, container).await?;
        }
        Ok(((), StepOutcome::Ok))
    }

    async fn command(&self, step: &Step, container: &str, cancel: &CancellationToken) -> Result<()> {
        if let Some(tenants) = &step.tenants {
            return self.each_tenant(step, tenants, container, cancel).await;
        }
        self.exec(&step.name, &step.argv, step.timeout_s, container, cancel, |_| {})
            .await
    }

    /// Runs a command whose output goes to a step, and line by line to `taken`.
    ///
    /// # Errors
    /// It ends with another status than 0, takes too long, or the job was cancelled.
    pub(crate) async fn exec(
        &self,
        step: &StepName,
        argv: &[String],
        timeout_s: u32,
        container: &str,
        cancel: &CancellationToken,
        mut taken: impl FnMut(&str),
    ) -> Result<()> {
        let shown = |stream, line: &str| {
            taken(line);
            self.job.events.output(step, stream, line);
        };
        self.run_command(self.armed(step), container, argv, timeout_s, cancel, shown)
            .await
    }

    /// Runs a command, or the one that was started ahead in its place. Its output goes to `shown`, line by line.
    ///
    /// # Errors
    /// It ends with another status than 0, takes too long, or the job was cancelled.
    pub(crate) async fn run_command(
        &self,
        armed: Option<Armed>,
        container: &str,
        argv: &[String],
        timeout_s: u32,
        cancel: &CancellationToken,
        mut shown: impl FnMut(Stream, &str),
    ) -> Result<()> {
        let mut complaint = Complaint::default();
        let limit = Duration::from_secs(u64::from(timeout_s.max(1)));
        let on_line = |stream, line: &str| {
            let line = super::complaint::plain(line);
            complaint.take(stream, &line);
            shown(stream, &line);
        };
        let program = argv.join(" ");
        let docker = &self.host().docker;
        let ended = match armed {
            Some(armed) => docker.fire(armed, limit, cancel, on_line).await?,
            None => docker.exec(container, argv, limit, cancel, on_line).await?,
        };
        match ended {
            Ended::Exit(0) => Ok(()),
            Ended::Exit(137) => Err(HostError::new(format!(
                "`{program}` was killed, most likely for memory; give the project more memory or make the command need less"
            ))),
            Ended::Exit(127) => Err(HostError::new(format!(
                "`{program}` is not in the image or the release: {}",
                complaint.words(127)
            ))),
            Ended::Exit(code) => Err(HostError::new(format!(
                "`{program}` said: {}",
                complaint.words(code)
            ))),
            Ended::TimedOut => Err(HostError::new(format!(
                "`{program}` took longer than its limit of {timeout_s} s; raise the limit of the step"
            ))),
            Ended::Cancelled => Err(HostError::new("the job was cancelled")),
        }
    }
}
