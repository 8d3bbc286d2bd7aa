//! The way back: a release that failed is taken away, before the switch or after it.

use super::live::{Old, abandon, apply_vhost, remove_containers};
use super::record::{Project, load_manifest};
use super::recover::await_docker;
use super::run::{Failure, Run, sentence, step_name};
use crate::host::Result;
use devflow_protocol::outcome::{Outcome, SERVES_AGAIN, SERVES_NOTHING, SERVES_ON};

/// The journal's mark for a release that turned bad after the switch.
pub(crate) const GOING_BACK: &str = "going-back";

/// How often the old release is tried again when it does not come up.
const BRING_BACK_TRIES: u8 = 2;

impl Run<'_> {
    /// Undoes all that was done before the switch.
    pub(crate) async fn unwind(&self, failure: Failure) -> Outcome {
        let serves = match self.layout.live() {
            Ok(Some(_)) => SERVES_ON,
            _ => SERVES_NOTHING,
        };
        if let Err(error) = self.restore_vhost().await {
            tracing::error!(job.id = %self.job.job.id, %error, "the vhost of the live release is not back");
        }
        if let Err(error) = self.take_away().await {
            tracing::error!(job.id = %self.job.job.id, %error, "a failed release is not removed yet");
        }
        self.restore_kept().await;
        failure.outcome(serves)
    }

    /// Removes what is there of a release that does not serve; one that was live and well before stays on disk.
    async fn take_away(&self) -> Result<()> {
        if load_manifest(&self.release)?.is_some() {
            remove_containers(self.host(), &self.layout, &self.release).await
        } else {
            abandon(self.host(), &self.layout, &self.release).await
        }
    }

    async fn restore_vhost(&self) -> Result<()> {
        let stopped = Project::load(&self.layout)?.is_some_and(|project| project.stopped);
        match Old::live(self.host(), &self.layout, self.uid)? {
            Some(live) => apply_vhost(self.host(), &self.layout, &live.record.spec, stopped).await,
            // Its visitors are told to come again, instead of being turned away as strangers.
            None => apply_vhost(self.host(), &self.layout, self.spec, true).await,
        }
    }

    /// Makes the old release serve again, as soon as the engine answers: while it is away nothing can be said of a release.
    async fn bring_back(&self, old: &Old<'_>) -> Result<()> {
        let mut tries_left = BRING_BACK_TRIES;
        loop {
            await_docker(self.host(), &self.layout).await;
            match old.serve_again().await {
                Err(error) if tries_left > 0 => {
                    tracing::warn!(job.id = %self.job.job.id, %error, "the old release is not back yet");
                }
                ended => return ended,
            }
            tries_left -= 1;
        }
    }

    /// Makes the old release serve again after the switch.
    pub(crate) async fn switch_back(&self, old: Option<&Old<'_>>, failure: Failure) -> Outcome {
        let why = format!("after the switch, {failure}");
        let Some(old) = old.filter(|old| old.release.id != self.release.id) else {
            if let Err(error) = self.layout.unswitch() {
                tracing::error!(job.id = %self.job.job.id, %error, "a failed first release is still `current`");
            }
            return self.unwind(failure).await;
        };
        self.note(&step_name("observe"), &format!("{why}; switching back"));
        if let Err(failure) = self.mark(GOING_BACK) {
            tracing::warn!(job.id = %self.job.job.id, ?failure, "going back without a note in the journal");
        }
        if let Err(error) = self.bring_back(old).await {
            return Outcome::Failed {
                step: None,
                reason: sentence(&format!(
                    "{why}; and the release before it does not come up: {error}"
                )),
            };
        }
        let mine = Old::of(self.host(), &self.layout, &self.release.id, self.uid);
        if let Ok(mine) = mine
            && let Err(error) = mine.retire().await
        {
            tracing::warn!(job.id = %self.job.job.id, %error, "the release that went back did not drain");
        }
        if let Err(error) = self.take_away().await {
            tracing::error!(job.id = %self.job.job.id, %error, "the release that went back is not removed yet");
        }
        self.restore_kept().await;
        Outcome::RolledBack {
            reason: sentence(&format!("{why}; {SERVES_AGAIN}")),
        }
    }
}
