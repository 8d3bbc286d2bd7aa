//! A new data key: the Worker gets it beside the one before, encrypts everything anew, and then the one before goes.

use crate::deploy_edge::Keys;
use crate::place::Place;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

const NOW: &str = "DATA_KEY";
const BEFORE: &str = "DATA_KEY_PREVIOUS";

/// What the Worker notes in its database, see `edge-worker/src/store/reencryption.rs`.
#[derive(Deserialize)]
struct Progress {
    key: String,
    unreadable: u64,
    done_at: Option<i64>,
}

pub(super) fn begin(place: &Place, keys: &Keys) -> Result<()> {
    if place.has_secret(BEFORE)? && !keys.has_next(NOW) {
        bail!("the data key is being replaced already: end that first, with --finish");
    }
    let (old, next) = (keys.text(NOW)?, keys.next(NOW)?);
    // Copies of the database that are kept need it as long as they are.
    let kept = keys.keep_old(NOW)?;
    place.put_secrets(&[(NOW, next), (BEFORE, old)])?;
    keys.promote(NOW)?;
    println!(
        "\nEverything new is encrypted with the new key. The Worker encrypts the rest anew, some 20 values a minute; the page \
         People and /api/v1/security tell how far it is. Then run this again with --finish."
    );
    println!(
        "The key before is kept as {}: copies of the database from before need it.",
        kept.display()
    );
    println!("Keep a copy of {} off this machine.", keys.file(NOW).display());
    Ok(())
}

pub(super) fn finish(place: &Place, keys: &Keys) -> Result<()> {
    ensure!(
        place.has_secret(BEFORE)?,
        "the Worker has no data key from before: there is nothing to finish"
    );
    let told = place.setting("reencryption")?;
    let progress: Option<Progress> = told
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .context("what the Worker notes of its re-encryption cannot be read")?;
    let id = keys.id(NOW)?;
    match progress.filter(|progress| progress.key == id && progress.done_at.is_some()) {
        None => bail!(
            "the Worker has not encrypted everything anew yet; the page People tells how far it is. Nothing was changed"
        ),
        Some(progress) if progress.unreadable > 0 => bail!(
            "{} values cannot be opened with either key; the Worker's log names them. Set them anew, then come again. \
             Nothing was changed",
            progress.unreadable
        ),
        Some(_) => {}
    }
    place.delete_secret(BEFORE)?;
    println!("\nThe Worker has the new data key alone now.");
    Ok(())
}
