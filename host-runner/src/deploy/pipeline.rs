//! Runs the project's own commands, phase by phase, in the deployment's one container.

use super::complaint::Complaint;
use super::run::{Failure, Run, blocking};
use crate::host::docker::Ended;
use crate::host::tree::Tree;
use crate::host::{HostError, Result};
use devflow_protocol::event::StepOutcome;
use devflow_protocol::project::{Phase, Step, StepCache};
use devflow_protocol::text::StepName;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest copy of a cached tree.
const COPY_LIMIT: Duration = Duration::from_mins(5);
/// Takes a tree from the cache. The copy runs as the project's user in its container: nothing that a hostile build
/// puts in its way leads out of there.
const RESTORE: &str = r#"rm -rf -- "$2" && mkdir -p -- "$(dirname -- "$2")" && cp -a --reflink=auto -- "$1" "$2" && touch -- "$1""#;
/// Keeps a tree, whole or not at all, and the newest five of a step.
const KEEP: &str = r#"[ -d "$1" ] || exit 0; rm -rf -- "$2.part" && cp -a --reflink=auto -- "$1" "$2.part" && touch -- "$2.part" && mv -T -- "$2.part" "$2" && cd "$(dirname -- "$2")" && ls -1dt -- "$3"-* | tail -n +6 | while read -r old; do rm -rf -- "$old"; done"#;

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
        let kept = self.kept_path(step, cache, tree, image).await?;
        let hit = std::path::Path::new(&kept).is_dir() && self.restore(step, cache, &kept, container).await?;
        if hit && cache.skip_on_hit {
            return Ok(((), StepOutcome::Skipped));
        }
        self.command(step, container, cancel).await?;
        if !hit {
            self.keep(step, cache, &kept, container).await?;
        }
        Ok(((), StepOutcome::Ok))
    }

    async fn kept_path(&self, step: &Step, cache: &StepCache, tree: Tree, image: &str) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(format!("{image}\0{}\0{}\0", cache.path, step.argv.join("\0")));
        let paths = cache.key.clone();
        let hash = blocking(move || tree.hash(&paths, &mut hash).map(|()| hash)).await?;
        let name = format!("{}-{}", step.name, hex::encode(&hash.finalize()[..12]));
        Ok(self
            .layout
            .cache()
            .join("trees")
            .join(name)
            .to_string_lossy()
            .into_owned())
    }

    async fn restore(&self, step: &Step, cache: &StepCache, kept: &str, container: &str) -> Result<bool> {
        let copied = self
            .script(RESTORE, &[kept, cache.path.as_str()], container)
            .await?;
        let text = if copied {
            "was taken from the cache"
        } else {
            "could not be copied from the cache"
        };
        self.note(&step.name, &format!("`{}` {text}", cache.path));
        Ok(copied)
    }

    async fn keep(&self, step: &Step, cache: &StepCache, kept: &str, container: &str) -> Result<()> {
        let arguments = [cache.path.as_str(), kept, step.name.as_str()];
        if !self.script(KEEP, &arguments, container).await? {
            self.note(
                &step.name,
                &format!("`{}` could not be kept for the next deployment", cache.path),
            );
        }
        Ok(())
    }

    async fn script(&self, script: &str, arguments: &[&str], container: &str) -> Result<bool> {
        let mut argv: Vec<String> = ["sh", "-c", script, "sh"].map(str::to_owned).into();
        argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let docker = &self.host().docker;
        Ok(docker
            .exec(container, &argv, COPY_LIMIT, self.cancel(), |_, _| {})
            .await?
            == Ended::Exit(0))
    }

    async fn command(&self, step: &Step, container: &str, cancel: &CancellationToken) -> Result<()> {
        self.exec(&step.name, &step.argv, step.timeout_s, container, cancel)
            .await
    }

    /// Runs a command whose output goes to a step.
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
    ) -> Result<()> {
        let mut complaint = Complaint::default();
        let limit = Duration::from_secs(u64::from(timeout_s.max(1)));
        let on_line = |stream, line: &str| {
            let line = super::complaint::plain(line);
            complaint.take(stream, &line);
            self.job.events.output(step, stream, &line);
        };
        let program = argv.join(" ");
        match self
            .host()
            .docker
            .exec(container, argv, limit, cancel, on_line)
            .await?
        {
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
