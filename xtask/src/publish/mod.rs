//! `cargo xtask publish-runner`: signs the built runner with the installation's release key and puts it into the bucket, from
//! where the edge hands it to servers. It may be run again at any time.

mod grant;

use crate::build_runner;
use crate::deploy_edge::{Keys, RECOVERY, read_key_file, signing};
use crate::place::{Installation, Place};
use crate::rotate::{chain, now};
use anyhow::{Context, Result, bail};
use clap::Args;
use devflow_protocol::release::{OBJECT, Program, Release, RunnerVersion, SignedRelease, Target, object};
use ed25519_dalek::SigningKey;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// A folder with programs and `VERSION`, as `build-runner` makes it; without it they are built.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// The recovery key, for a release key that servers do not trust yet: a new one, or after the recovery key was replaced.
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
}

/// Publishes what was built.
pub(crate) fn execute(options: &Options) -> Result<()> {
    let folder = options.installation.folder()?;
    let place = options.installation.place(&folder)?;
    let programs = match &options.from {
        Some(folder) => folder.clone(),
        None => build_runner::build(&Target::ALL)?,
    };
    let recovery = options.recovery_key.as_deref();
    let recovery = recovery.map(|file| signing(&read_key_file(file)?)).transpose()?;
    publish(&place, &Keys::of(&folder), &programs, recovery.as_ref())
}

/// Publishes with the keys of the folder. Where servers would not take what it has, that is said, and the deployment stands.
pub(crate) fn after_deployment(place: &Place, keys: &Keys, programs: &Path) -> Result<()> {
    if grant::file(keys).exists() || keys.file(RECOVERY).exists() {
        return publish(place, keys, programs, None);
    }
    println!(
        "  left out: servers do not trust this folder's release key yet. Once, with the recovery key at hand:\n  \
         cargo xtask publish-runner --origin … --recovery-key FILE"
    );
    Ok(())
}

/// Signs the programs of a folder and uploads them, what names them last.
pub(crate) fn publish(
    place: &Place,
    keys: &Keys,
    programs: &Path,
    recovery: Option<&SigningKey>,
) -> Result<()> {
    let edge = place.edge()?;
    let chain = chain(place, keys)?;
    let pinned = chain
        .pins()?
        .recovery_key
        .context("the statements name no recovery key")?;
    let release = describe(programs)?;
    let (key, grant) = grant::grant(keys, &edge, &pinned, recovery, now()?)?;
    let signed = SignedRelease {
        grant,
        release: release.sign(&key),
    };
    signed
        .open(&pinned)
        .context("no server would take what was signed")?;
    let named = programs.join("release.json");
    fs::write(&named, serde_json::to_vec_pretty(&signed)?)
        .with_context(|| format!("cannot write {}", named.display()))?;
    if !place.has_secret("KEY_STATEMENTS")? {
        place.put_secrets(&[("KEY_STATEMENTS", chain.secret()?)])?;
    }
    for program in &release.programs {
        let file = build_runner::program(programs, program.target);
        place.put_object(&object(release.runner, program.target), &file)?;
    }
    place.put_object(OBJECT, &named)?;
    println!("\nThe edge hands out runner {} now:", release.runner);
    for program in &release.programs {
        println!(
            "  {:<8} {} bytes, sha256 {}",
            program.target, program.size, program.sha256
        );
    }
    Ok(())
}

/// What is in a folder of programs.
fn describe(folder: &Path) -> Result<Release> {
    let file = folder.join("VERSION");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let runner: RunnerVersion = text
        .trim()
        .parse()
        .map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))?;
    let mut programs = Vec::new();
    for target in Target::ALL {
        let file = build_runner::program(folder, target);
        if file.exists() {
            programs.push(Program {
                target,
                size: fs::metadata(&file)?.len(),
                sha256: build_runner::sha256(&file)?,
            });
        }
    }
    if programs.is_empty() {
        bail!(
            "{} has no program: `cargo xtask build-runner` makes them",
            folder.display()
        );
    }
    Ok(Release {
        version: devflow_protocol::VERSION,
        runner,
        signed_at: now()?,
        programs,
    })
}
