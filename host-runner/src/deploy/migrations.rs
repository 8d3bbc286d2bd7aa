//! What the migrations of a release do to code that does not know them. Laravel is asked for their statements before
//! they run; going back over them is judged by what it said then.

use super::layout::Layout;
use super::record::{load, load_manifest, save};
use super::run::{Failure, Run, step_name};
use crate::host::Result;
use crate::host::tree::Tree;
use devflow_domain::migrations::{UNSEEN, destructive, pretend};
use devflow_protocol::event::StepOutcome;
use devflow_protocol::outcome::Manifest;
use devflow_protocol::project::{Framework, Phase, Step};
use std::collections::BTreeMap;

/// The step that asks.
pub(crate) const STEP: &str = "pretend";
/// Of all migrations that were ever about to run here: None for those that only add. A deployment that fails behind
/// its migrations leaves them applied, so that the next one is not shown them again.
const VERDICTS: &str = "migrations.json";

type Verdicts = BTreeMap<String, Option<String>>;

impl Run<'_> {
    /// Asks what the migrations that the live release lacks are going to do, and keeps the answer. That Laravel cannot
    /// say it is no reason to fail: those migrations count as destructive then.
    ///
    /// # Errors
    /// The answer cannot be kept.
    pub(crate) async fn foresee(&self, container: &str) -> Result<(), Failure> {
        let Some(before) = self.live_manifest()? else {
            return Ok(());
        };
        let mut new = self.migrations();
        new.retain(|name| !before.migrations.contains(name));
        if new.is_empty() {
            return Ok(());
        }
        let Some(step) = self.first_migration()? else {
            return Ok(());
        };
        self.named_step(&step_name(STEP), async {
            let shown = self.shown(step, container).await;
            let file = self.layout.dir().join(VERDICTS);
            let mut verdicts: Verdicts = load(&file)?.unwrap_or_default();
            for (name, verdict) in destructive(&new, shown.as_deref()) {
                if verdict.as_deref() != Some(UNSEEN) || !verdicts.contains_key(&name) {
                    verdicts.insert(name, verdict);
                }
            }
            save(&file, &verdicts, 0o600)?;
            Ok::<_, Failure>(((), StepOutcome::Ok))
        })
        .await
    }

    /// The first step that is going to migrate this release.
    fn first_migration(&self) -> Result<Option<&Step>> {
        for step in self.spec.steps.iter().filter(|step| step.phase == Phase::Migrate) {
            if self.unmet_packages(step)?.is_none() {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    async fn shown(&self, step: &Step, container: &str) -> Option<String> {
        let name = step_name(STEP);
        let Some(argv) = pretend(&step.argv) else {
            self.note(
                &name,
                &format!("`{}` is not Laravel's own command", step.argv.join(" ")),
            );
            return None;
        };
        let mut text = String::new();
        let keep = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        let asked = self
            .exec(&name, &argv, step.timeout_s, container, self.cancel(), keep)
            .await;
        match asked {
            Ok(()) => Some(text),
            Err(error) => {
                self.note(
                    &name,
                    &format!("{error}; going back over these migrations will ask for force"),
                );
                None
            }
        }
    }

    /// The migrations in the release.
    pub(crate) fn migrations(&self) -> Vec<String> {
        if !self.spec.steps.iter().any(|step| step.phase == Phase::Migrate) {
            return Vec::new();
        }
        let folders: &[&str] = match self.spec.framework {
            Framework::MultiTenant => &[
                "database/migrations",
                "database/migrations/landlord",
                "database/migrations/tenant",
            ],
            _ => &["database/migrations"],
        };
        let names = |folder: &&'static str| {
            let path = super::prepare::rel(folder);
            let tree = Tree::open(&self.release.app(), self.uid);
            tree.map(|tree| tree.file_names(&path, ".php"))
                .unwrap_or_default()
        };
        folders.iter().flat_map(names).collect()
    }

    fn live_manifest(&self) -> Result<Option<Manifest>> {
        match self.layout.live()? {
            Some(live) => load_manifest(&self.layout.release(&live)),
            None => Ok(None),
        }
    }

    /// The first migration that the live release has, that `target` has not, and that its code may not get on with.
    pub(crate) fn destructive_between(&self, target: &Manifest) -> Result<Option<(String, String)>> {
        let live = self.live_manifest()?;
        Ok(live
            .into_iter()
            .flat_map(|live| live.destructive)
            .find(|(name, _)| !target.migrations.contains(name)))
    }
}

/// Those of `migrations` that are known to be destructive.
///
/// # Errors
/// What is kept of them cannot be read.
pub(crate) fn known_destructive(layout: &Layout, migrations: &[String]) -> Result<BTreeMap<String, String>> {
    let mut verdicts: Verdicts = load(&layout.dir().join(VERDICTS))?.unwrap_or_default();
    let known = |name: &String| Some((name.clone(), verdicts.remove(name)??));
    Ok(migrations.iter().filter_map(known).collect())
}
