//! `cargo xtask deploy-edge`: creates what the edge needs on Cloudflare, as far as it is not there, and uploads the
//! Worker. It may be run again at any time: that is how an installation is updated.
//!
//! What belongs to one installation is kept in a folder of its own, outside the checkout: its configuration and its keys.

mod chain;
mod config;
mod keys;
mod plan;
mod wrangler;

use crate::copies::Copy;
use crate::place::Place;
use crate::{build_edge, build_runner, publish, setup};
use anyhow::{Context, Result, bail};
pub(crate) use chain::Chain;
use clap::Args;
pub(crate) use config::{Origin, of_installation, template};
use devflow_protocol::dsse::fingerprint;
use devflow_protocol::release::Target;
use devflow_tests::places::{self, Scratch};
pub(crate) use keys::{Keys, RECOVERY, read as read_key_file, signing};
pub(crate) use plan::DATABASES;
use plan::{Inventory, Step};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
pub(crate) use wrangler::Wrangler;

#[derive(Args)]
pub(crate) struct Options {
    /// Where browsers reach the edge, a host name in a zone of the account: <https://devflow.example.com>.
    #[arg(long)]
    origin: Origin,
    /// The installation's folder, for its configuration and keys [default: ~/.config/devflow/edge/HOST].
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Say what would be done for an empty account and pack the Worker; ask and change nothing on Cloudflare.
    #[arg(long)]
    dry_run: bool,
    /// Leave out the runner's programs, which take some minutes to build.
    #[arg(long)]
    without_runner: bool,
}

/// Deploys, or says what would be done.
pub(crate) fn deploy(options: &Options) -> Result<()> {
    let folder = folder_of(&options.origin, options.folder.as_deref())?;
    if options.dry_run {
        setup::for_edge()?;
        build_edge::build()?;
        return rehearse(&options.origin, &Keys::of(&folder));
    }
    carry_out(&options.origin, &folder, None, options.without_runner)
}

/// Deploys an installation from a copy, with the keys that it needs, into an account without databases.
pub(crate) fn restore(origin: &Origin, folder: &Path, copy: &Copy, secrets: &[(&str, String)]) -> Result<()> {
    carry_out(origin, folder, Some((copy, secrets)), true)
}

fn carry_out(
    origin: &Origin,
    folder: &Path,
    copy: Option<(&Copy, &[(&str, String)])>,
    without_runner: bool,
) -> Result<()> {
    setup::for_edge()?;
    build_edge::build()?;
    let programs = (!without_runner)
        .then(|| build_runner::build(&Target::ALL))
        .transpose()?;
    let keys = Keys::of(folder);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let wrangler = Wrangler::new(folder.join("wrangler.toml"))?;
    wrangler.check_account()?;
    // Wrangler reads its configuration before everything, so there is one from the start.
    let template = config::template()?;
    wrangler.configure(&config::of_installation(template.clone(), origin, &[])?)?;
    let inventory = wrangler.inventory()?;
    let steps = plan::plan(&inventory, keys.present(), copy.is_some())?;
    let mut token = None;
    let wanted = |step: &&Step| programs.is_some() || **step != Step::PublishRunner;
    for step in steps.iter().filter(wanted) {
        println!("• {step}");
        match step {
            Step::CreateDatabase(name) => wrangler.create_database(name)?,
            Step::CreateBucket => wrangler.create_bucket()?,
            Step::ExpireBodies => wrangler.expire_bodies()?,
            Step::Configure => {
                let ids = wrangler.databases()?;
                wrangler.configure(&config::of_installation(template.clone(), origin, &ids)?)?;
            }
            Step::Migrate(binding) => wrangler.migrate(binding)?,
            Step::Upload => wrangler.upload()?,
            Step::Import => {
                if let Some((copy, _)) = copy {
                    copy.import(&Place::Cloudflare(wrangler.clone()))?;
                }
            }
            Step::PutKeys => match copy {
                Some((_, secrets)) => wrangler.put_secrets(secrets)?,
                None => wrangler.put_secrets(&keys.made()?)?,
            },
            Step::PutStatements => put_statements(&wrangler, &keys)?,
            Step::PutSetupToken => {
                let fresh = keys::setup_token()?;
                wrangler.put_secrets(&[("SETUP_TOKEN", fresh.clone())])?;
                token = Some(fresh);
            }
            Step::PublishRunner => {
                if let Some(programs) = &programs {
                    publish::after_deployment(&Place::Cloudflare(wrangler.clone()), &keys, programs)?;
                }
            }
        }
    }
    println!("\nThe edge answers at {origin}.");
    println!(
        "Its configuration and keys are in {}: keep a copy off this machine.",
        folder.display()
    );
    say_where_recovery_key_is(&keys);
    if let Some(token) = token {
        println!("Make the owner's account, once: {origin}/set-up?token={token}");
    }
    Ok(())
}

/// What would be done for an account where nothing is yet, and whether Wrangler can pack the Worker with it.
fn rehearse(origin: &Origin, keys: &Keys) -> Result<()> {
    for step in plan::plan(&Inventory::default(), keys.present(), false)? {
        println!("• {step}");
    }
    pack(origin)?;
    println!("\nNothing was changed. Without --dry-run this deploys to {origin}.");
    Ok(())
}

/// Packs the built Worker with the configuration of an installation, as an upload would.
pub(crate) fn pack(origin: &Origin) -> Result<()> {
    let scratch = Scratch::new()?;
    let wrangler = Wrangler::new(scratch.path().join("wrangler.toml"))?;
    // The ids of the template will do: packing asks no database.
    wrangler.configure(&config::of_installation(config::template()?, origin, &[])?)?;
    wrangler.pack(&scratch.path().join("packed"))
}

/// Tells servers the recovery key, which is made where there is none.
fn put_statements(wrangler: &Wrangler, keys: &Keys) -> Result<()> {
    let place = Place::Cloudflare(wrangler.clone());
    let chain = keys.chain(&place.edge()?)?;
    let job_key = signing(&keys.text("JOB_KEY")?)?.verifying_key();
    if chain.pins()?.job_key != job_key {
        bail!("a rotation of the job key was cut short: finish it with `cargo xtask rotate job-key`");
    }
    wrangler.put_secrets(&[("KEY_STATEMENTS", chain.secret()?)])
}

/// What is to be done with a recovery key that is still in the folder.
pub(crate) fn say_where_recovery_key_is(keys: &Keys) {
    let file = keys.file(RECOVERY);
    let Ok(key) = read_key_file(&file).and_then(|text| signing(&text)) else {
        return;
    };
    println!(
        "\nThe recovery key {} is in {}. It alone can replace a job key that leaked, and it is never needed before: put it \
         where nobody reaches it from here (a password safe, paper), in two places, and delete the file.",
        fingerprint(&key.verifying_key()),
        file.display()
    );
}

/// The folder of an installation: `named`, or by its origin.
pub(crate) fn folder_of(origin: &Origin, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = named {
        return std::path::absolute(folder).with_context(|| format!("--folder {}", folder.display()));
    }
    let home = || Some(places::named_by("HOME")?.join(".config"));
    let Some(base) = places::named_by("XDG_CONFIG_HOME").or_else(home) else {
        bail!("neither XDG_CONFIG_HOME nor HOME is set: name the installation's folder with --folder");
    };
    Ok(base.join("devflow/edge").join(origin.host()))
}
