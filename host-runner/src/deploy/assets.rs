//! Hashed assets of earlier releases, for pages that were loaded before a switch.
//!
//! Each release remembers which assets are its own, so that what it carried over is not carried on for ever: assets
//! are there as long as the release that made them is kept.

use super::record::{kept_releases, load, save};
use super::run::{Run, blocking, step_name};
use crate::host::Result;
use crate::host::tree::Tree;
use devflow_protocol::text::RelPath;

const OWN: &str = "assets.json";

impl Run<'_> {
    /// Notes the release's own assets and adds those of the kept releases that it lacks.
    pub(crate) async fn carry_over(&self) -> Result<()> {
        let (layout, release, uid) = (self.layout.clone(), self.release.clone(), self.uid);
        let folders = self.spec.carry_over.clone();
        let copied = blocking(move || {
            let to = Tree::open(&release.app(), uid)?;
            let note = release.dir.join(OWN);
            if load::<Vec<RelPath>>(&note)?.is_none() {
                let own = folders
                    .iter()
                    .map(|folder| to.assets(folder))
                    .collect::<Result<Vec<_>>>()?;
                save(&note, &own.concat(), 0o600)?;
            }
            let mut copied = 0;
            for id in kept_releases(&layout)?.into_iter().filter(|id| *id != release.id) {
                let kept = layout.release(&id);
                let assets: Vec<RelPath> = load(&kept.dir.join(OWN))?.unwrap_or_default();
                copied += to.carry_over(&Tree::open(&kept.app(), uid)?, &assets)?;
            }
            Ok(copied)
        })
        .await?;
        if copied > 0 {
            let text = format!("{copied} assets of earlier releases were carried over");
            self.note(&step_name("ready"), &text);
        }
        Ok(())
    }
}
