//! The conditions that a step puts on the Composer packages and the commands of its release.

use super::layout::ReleaseDir;
use super::prepare::rel;
use super::record::load_previous;
use super::run::{Run, blocking};
use crate::host::tree::Tree;
use crate::host::{Doing, Result};
use devflow_domain::packages::{Packages, npm};
use devflow_protocol::DeploymentId;
use devflow_protocol::outcome::{LockedPackages, Manifest};
use devflow_protocol::project::{Framework, Gate, Step};
use devflow_protocol::text::StepName;
use tokio_util::sync::CancellationToken;

/// Longest time for an answer of Laravel's console, in seconds.
const ARTISAN_S: u32 = 60;

/// The packages of a release; none where it has no lock file.
fn packages(release: &ReleaseDir, uid: u32) -> Result<Packages> {
    let lock = Tree::open(&release.app(), uid)?.read(&rel("composer.lock"))?;
    lock.map_or(Ok(Packages::default()), |text| {
        Packages::read(&text).doing(|| "read `composer.lock` of the release")
    })
}

/// What the lock files of a release name. It is only told: a file that cannot be read fails no deployment here.
fn locked(tree: &Tree) -> LockedPackages {
    let text = |name| tree.read(&rel(name)).ok().flatten();
    let composer = text("composer.lock").and_then(|lock| Packages::read(&lock).ok());
    let front_end = text("package-lock.json").and_then(|lock| npm(&lock).ok());
    LockedPackages {
        composer: composer.map(|packages| packages.labels()).unwrap_or_default(),
        npm: front_end.unwrap_or_default(),
    }
    .bounded()
}

impl Run<'_> {
    /// What the release's lock files name.
    pub(crate) async fn locked_packages(&self) -> LockedPackages {
        let (app, uid) = (self.release.app(), self.uid);
        let read = blocking(move || Ok(locked(&Tree::open(&app, uid)?))).await;
        read.unwrap_or_else(|error| {
            tracing::warn!(job.id = %self.job.job.id, %error, "the packages of the release are not told");
            LockedPackages::default()
        })
    }

    /// Why a step is not for this release; None where all its gates hold.
    ///
    /// # Errors
    /// The lock file cannot be read.
    pub(crate) async fn unmet(
        &self,
        step: &Step,
        container: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<String>> {
        if let Some(why) = self.unmet_packages(step)? {
            return Ok(Some(why));
        }
        for gate in &step.gates {
            if let Gate::Artisan { command, option } = gate
                && !self.artisan_knows(command, option, container, cancel).await
            {
                return Ok(Some(format!("artisan's `{command}` does not know --{option}")));
            }
        }
        Ok(None)
    }

    /// Whether Laravel's console has a command with an option. One that cannot be asked has not.
    async fn artisan_knows(
        &self,
        command: &StepName,
        option: &StepName,
        container: &str,
        cancel: &CancellationToken,
    ) -> bool {
        let argv = ["php", "artisan", "help", command.as_str(), "--format=json"].map(str::to_owned);
        let mut text = String::new();
        let asked = self
            .run_command(None, container, &argv, ARTISAN_S, cancel, |_, line| {
                text.push_str(line);
            })
            .await;
        let help = text.find('{').map(|start| &text[start..]).unwrap_or_default();
        let help: serde_json::Value = serde_json::from_str(help).unwrap_or_default();
        asked.is_ok() && !help["definition"]["options"][option.as_str()].is_null()
    }

    /// The same of the gates on packages alone.
    pub(crate) fn unmet_packages(&self, step: &Step) -> Result<Option<String>> {
        if step.gates.is_empty() {
            return Ok(None);
        }
        let has = packages(&self.release, self.uid)?;
        let before = self
            .before()?
            .map(|id| self.layout.release(&id))
            // It may be pruned where a restarted runner goes on behind the switch.
            .filter(|before| before.app().is_dir())
            .map(|before| packages(&before, self.uid))
            .transpose()?;
        Ok(step
            .gates
            .iter()
            .find_map(|gate| has.unmet(gate, before.as_ref())))
    }

    /// The release that served before this one, also behind the switch.
    fn before(&self) -> Result<Option<DeploymentId>> {
        match self.layout.live()? {
            Some(live) if live == self.release.id => load_previous(&self.release),
            live => Ok(live),
        }
    }

    /// Why going back to a Shopware release may meet a database that its code does not know: an update lies between.
    ///
    /// # Errors
    /// A lock file cannot be read.
    pub(crate) fn update_between(&self, target: &Manifest) -> Result<Option<(String, String)>> {
        let Some(live) = self
            .layout
            .live()?
            .filter(|_| self.spec.framework == Framework::Shopware)
        else {
            return Ok(None);
        };
        let core = "shopware/core".parse().expect("it is a package's name");
        let now = packages(&self.layout.release(&live), self.uid)?;
        let then = packages(&self.layout.release(&target.release), self.uid)?;
        let same = now.unmet(&Gate::Changed { package: core }, Some(&then)).is_some();
        Ok((!same).then(|| {
            (
                "system:update:finish".to_owned(),
                "it belongs to another version of shopware/core".to_owned(),
            )
        }))
    }
}
