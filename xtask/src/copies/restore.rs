//! An installation from a copy.

use super::{Description, dump, sql};
use crate::deploy_edge::{self, DATABASES, Keys};
use crate::place::{Installation, Place};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use devflow_tests::places::Scratch;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the copy, as `backup-edge` made it.
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

/// A copy that is to be restored.
pub(crate) struct Copy {
    folder: PathBuf,
    description: Description,
}

impl Copy {
    fn open(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        Ok(Self {
            description: Description::load(&folder)?,
            folder,
        })
    }

    /// Puts the databases in, which have to be empty, and ends what must not come back with them.
    pub(crate) fn import(&self, place: &Place) -> Result<()> {
        let scratch = Scratch::new()?;
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700))?;
        for (_, name) in DATABASES {
            let file = dump(&self.folder, name);
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let importable = dump(scratch.path(), name);
            fs::write(&importable, sql::importable(&text)?).context("cannot write the dump for D1")?;
            place.import(name, &importable)?;
        }
        place.execute(&self.afterwards())
    }

    /// Sessions and links that may have ended since are ended; the audit trail tells what happened to it.
    fn afterwards(&self) -> String {
        format!(
            "DELETE FROM sessions; DELETE FROM invitations; DELETE FROM enrolments; INSERT INTO activity_logs (at, actor, \
             action, subject, detail) VALUES (unixepoch() * 1000, 'edge', 'edge.restored', '', 'of {}');",
            self.description.made_at
        )
    }

    /// The keys that the Worker needs for it.
    ///
    /// # Errors
    /// One is not in the installation's folder, or the copy was made while more than two were in use.
    pub(crate) fn secrets(&self, keys: &Keys) -> Result<Vec<(&'static str, String)>> {
        ensure!(
            keys.has_chain(),
            "the installation's folder lacks {}: put the copy of it back that was kept",
            keys.statements().display()
        );
        let mut secrets = vec![
            ("JOB_KEY", keys.text("JOB_KEY")?),
            ("DATA_KEY", keys.text("DATA_KEY")?),
            ("KEY_STATEMENTS", keys.chain(&self.description.edge)?.secret()?),
        ];
        let now = keys.id("DATA_KEY")?;
        let mut before = self.description.data_keys.iter().filter(|id| **id != now);
        if let Some(id) = before.next() {
            let file = keys.data_key(id)?.with_context(|| {
                format!("the copy is encrypted with the data key {id}, and no file in the folder holds that")
            })?;
            // The Worker encrypts it anew, as after a rotation.
            secrets.push(("DATA_KEY_PREVIOUS", deploy_edge::read_key_file(&file)?));
        }
        if before.next().is_some() {
            bail!(
                "the copy was made before a rotation of the data key was finished: restore one from before or after"
            );
        }
        Ok(secrets)
    }
}

/// Makes an installation from a copy.
pub(crate) fn restore(options: &Options) -> Result<()> {
    let folder = options.installation.folder()?;
    let copy = Copy::open(&options.from)?;
    let secrets = copy.secrets(&Keys::of(&folder))?;
    if let Some(origin) = options.installation.origin() {
        deploy_edge::restore(origin, &folder, &copy, &secrets)?;
    } else {
        let place = options.installation.place(&folder)?;
        ensure!(
            place.is_empty()?,
            "the worker has a database already: a copy is restored where there is none"
        );
        copy.import(&place)?;
        place.put_secrets(&secrets)?;
    }
    println!(
        "\nRestored: the copy of {}. Servers go on where they are; each tells what it has with its first poll, and the page \
         Activity tells what was put right by that. Everybody signs in again.",
        copy.description.made_at
    );
    println!(
        "What was taken away since then is back: look through the API keys and People. Servers that were enrolled since then are \
         enrolled again. Environments are those of then."
    );
    Ok(())
}
