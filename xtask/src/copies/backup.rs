//! Making a copy.

use super::{Description, dump};
use crate::deploy_edge::{DATABASES, Keys};
use crate::place::Installation;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

/// Every column that is encrypted, as in `edge-worker/src/store/reencryption.rs`: which keys are in use.
const DATA_KEYS: &str = "SELECT DISTINCT substr(sealed, 1, 8) AS value FROM (SELECT sealed FROM environments \
    UNION ALL SELECT secret FROM hooks UNION ALL SELECT sealed FROM endpoints \
    UNION ALL SELECT secret FROM second_factors UNION ALL SELECT sealed FROM repository_tokens) ORDER BY 1";

#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the copy; it must not be there yet.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    installation: Installation,
}

/// Makes a copy of an installation's databases.
pub(crate) fn backup(options: &Options) -> Result<()> {
    let folder = options.installation.folder()?;
    let place = options.installation.place(&folder)?;
    let to = std::path::absolute(&options.to)?;
    ensure!(
        !to.exists(),
        "{} is there already: name a new folder",
        to.display()
    );
    // Whole or not at all: a copy that was cut short has another name.
    let staged = to.with_extension("unfinished");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&staged)
        .with_context(|| format!("cannot make {}", staged.display()))?;
    let description = Description {
        version: 1,
        made_at: place
            .column("SELECT strftime('%Y-%m-%d %H:%M:%S UTC') AS value")?
            .pop()
            .context("the database tells no time")?,
        edge: place.edge()?,
        data_keys: place.column(DATA_KEYS)?,
    };
    for (_, name) in DATABASES {
        place.export(name, &dump(&staged, name))?;
    }
    let text = serde_json::to_vec_pretty(&description)?;
    fs::write(Description::file(&staged), text).context("cannot describe the copy")?;
    fs::rename(&staged, &to).with_context(|| format!("cannot rename {}", staged.display()))?;
    println!("\nThe copy is {}.", to.display());
    tell_keys(&Keys::of(&folder), &description)?;
    println!(
        "It holds addresses of people, names of variables and output of deployments in the clear: keep it as such. What is in \
         the bucket (old segments of the audit trail, raw webhook bodies) is not in it."
    );
    Ok(())
}

/// What is needed beside the copy: a Worker's secrets cannot be read back.
fn tell_keys(keys: &Keys, copy: &Description) -> Result<()> {
    println!("To have it back, you need beside it, from the installation's folder:");
    let mut missing = false;
    let mut needed = vec![keys.file("JOB_KEY"), keys.statements()];
    for id in &copy.data_keys {
        let lacking = || keys.file("DATA_KEY").with_extension(format!("{id}.key"));
        needed.push(keys.data_key(id)?.unwrap_or_else(lacking));
    }
    if copy.data_keys.is_empty() {
        needed.push(keys.file("DATA_KEY"));
    }
    for file in needed {
        let there = file.exists();
        missing |= !there;
        println!("  {} {}", if there { "✓" } else { "✗ MISSING:" }, file.display());
    }
    if missing {
        bail!("the copy was made, and cannot be restored without the keys that are missing");
    }
    Ok(())
}
