//! `cargo xtask rotate`: gives an installation a new key. Each step is on disk before the next, and the command goes on where
//! it was cut short.

mod data_key;

use crate::deploy_edge::{self, Chain, Keys, RECOVERY, read_key_file, signing};
use crate::place::{Installation, Place};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::fingerprint;
use ed25519_dalek::SigningKey;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Signs jobs and the audit trail; servers follow by themselves.
    #[value(name = "job-key")]
    Job,
    /// Is kept offline and may replace the job key.
    #[value(name = "recovery-key")]
    Recovery,
    /// Encrypts at rest; the Worker encrypts everything anew, which takes a while.
    #[value(name = "data-key")]
    Data,
}

#[derive(Args)]
pub(crate) struct Options {
    what: What,
    #[command(flatten)]
    installation: Installation,
    /// Sign with this recovery key, for a job key that leaked: what a thief did with it ends.
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
    /// With `data-key`: take the key before away, once nothing is encrypted with it any more.
    #[arg(long)]
    finish: bool,
}

/// Gives the installation a new key.
pub(crate) fn rotate(options: &Options) -> Result<()> {
    let folder = options.installation.folder()?;
    let place = options.installation.place(&folder)?;
    let keys = Keys::of(&folder);
    ensure!(
        !options.finish || options.what == What::Data,
        "--finish belongs to data-key"
    );
    let recovery = options.recovery_key.as_deref();
    let recovery = recovery.map(|file| signing(&read_key_file(file)?)).transpose()?;
    match options.what {
        What::Job => job_key(&place, &keys, chain(&place, &keys)?, recovery.as_ref()),
        What::Recovery => {
            let recovery = recovery
                .context("--recovery-key has to name the recovery key of now: only it can replace itself")?;
            recovery_key(&place, &keys, chain(&place, &keys)?, &recovery)
        }
        What::Data if options.finish => data_key::finish(&place, &keys),
        What::Data => data_key::begin(&place, &keys),
    }
}

/// The statements so far. Others than those that servers follow would lead nowhere.
pub(crate) fn chain(place: &Place, keys: &Keys) -> Result<Chain> {
    ensure!(
        keys.has_chain() || !place.has_secret("KEY_STATEMENTS")?,
        "the installation's folder lacks statements.json, which servers follow: put the copy of it back that was kept"
    );
    keys.chain(&place.edge()?)
}

/// The time now.
pub(crate) fn now() -> Result<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(UnixMillis(i64::try_from(since.as_millis())?))
}

fn job_key(place: &Place, keys: &Keys, mut chain: Chain, recovery: Option<&SigningKey>) -> Result<()> {
    let text = keys.next("JOB_KEY")?;
    let next = signing(&text)?;
    let pins = chain.pins()?;
    // Signed already where an earlier run was cut short; by another key now, where that one is asked for.
    if pins.job_key != next.verifying_key() || recovery.is_some() {
        let recovery_key = pins.recovery_key.context("the statements name no recovery key")?;
        let old = || signing(&keys.text("JOB_KEY")?);
        let by = recovery.map_or_else(old, |key| Ok(key.clone()))?;
        chain.hand_on(&by, &next, &recovery_key, now()?)?;
    }
    place.put_secrets(&[("JOB_KEY", text), ("KEY_STATEMENTS", chain.secret()?)])?;
    keys.promote("JOB_KEY")?;
    println!(
        "\nJobs are signed with {} now.",
        fingerprint(&next.verifying_key())
    );
    println!(
        "Servers follow when they ask next, within a minute; those that are away when they are back. The dashboard shows on \
         each server's page which key it trusts, and so does `host-runner status` there."
    );
    if recovery.is_none() {
        println!(
            "This was signed with the key before. Had that one leaked, run it again with --recovery-key: until then \
             whoever has it can lead servers that are away elsewhere."
        );
    }
    println!(
        "Keep a copy of {} off this machine.",
        keys.file("JOB_KEY").display()
    );
    Ok(())
}

fn recovery_key(place: &Place, keys: &Keys, mut chain: Chain, old: &SigningKey) -> Result<()> {
    let job_key = signing(&keys.text("JOB_KEY")?)?;
    let pins = chain.pins()?;
    ensure!(
        pins.job_key == job_key.verifying_key(),
        "a rotation of the job key was cut short: finish it with `cargo xtask rotate job-key` first"
    );
    let next = signing(&keys.next(RECOVERY)?)?.verifying_key();
    if pins.recovery_key != Some(next) {
        chain.hand_on(old, &job_key, &next, now()?)?;
    }
    place.put_secrets(&[("KEY_STATEMENTS", chain.secret()?)])?;
    keys.promote(RECOVERY)?;
    println!("\nThe recovery key is {} now.", fingerprint(&next));
    deploy_edge::say_where_recovery_key_is(keys);
    Ok(())
}
