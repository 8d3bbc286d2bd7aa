//! `cargo xtask build-runner`: the runner as a static program for each processor, as servers get it. What was built is kept in
//! the cache folder by a hash of everything that went in.

use crate::setup::musl::{self, Toolchain, ZIG};
use crate::{cargo, progress, show, stamp};
use anyhow::{Context, Result};
use clap::Args;
use devflow_protocol::release::Target;
use devflow_tests::places;
use devflow_tests::process::output;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const INPUTS: [&str; 5] = ["Cargo.toml", "Cargo.lock", "host-runner", "protocol", "domain"];
/// Builds of each target that are kept.
const KEPT_BUILDS: usize = 3;

#[derive(Args)]
pub(crate) struct Options {
    /// Only for this processor, `x86_64` or `aarch64`.
    #[arg(long)]
    target: Option<Target>,
    /// Quickly and for this machine, with the moments at which stories end it.
    #[arg(long, conflicts_with = "target")]
    for_stories: bool,
}

/// Builds, and says what came of it.
pub(crate) fn execute(options: &Options) -> Result<()> {
    if options.for_stories {
        println!("{}", build_for_stories()?.display());
        return Ok(());
    }
    let targets = options.target.map_or(Target::ALL.to_vec(), |target| vec![target]);
    let folder = build(&targets)?;
    println!();
    for target in targets {
        let program = program(&folder, target);
        println!(
            "{}  {:>6.2} MB  sha256 {}",
            program.display(),
            megabytes(&program)?,
            sha256(&program)?
        );
    }
    println!("\nTo hand them to servers: cargo xtask publish-runner --origin https://…");
    Ok(())
}

/// Builds the programs where the sources changed; gives the folder with them and the file `VERSION`.
pub(crate) fn build(targets: &[Target]) -> Result<PathBuf> {
    let folder = dist()?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for target in targets {
        let built = build_one(*target)?;
        let program = program(&folder, *target);
        fs::copy(&built, &program).with_context(|| format!("cannot write {}", program.display()))?;
    }
    fs::write(folder.join("VERSION"), env!("CARGO_PKG_VERSION"))?;
    Ok(folder)
}

/// Builds the program that stories install on servers, and gives its path.
pub(crate) fn build_for_stories() -> Result<PathBuf> {
    let target: Target = std::env::consts::ARCH.parse().map_err(anyhow::Error::msg)?;
    let tools = musl::install(target)?;
    show::run("build the static runner for stories", &mut cargo_build(&tools)?)?;
    let built = built_in(&tools)?.join("debug/host-runner");
    let program = cargo::target()?.join("debug/host-runner-static");
    fs::copy(&built, &program).with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// Where the programs are put.
pub(crate) fn dist() -> Result<PathBuf> {
    Ok(cargo::target()?.join("dist"))
}

/// The program for `target` in such a folder.
pub(crate) fn program(folder: &Path, target: Target) -> PathBuf {
    folder.join(format!("host-runner-{target}"))
}

/// SHA-256 of a file, in hex.
pub(crate) fn sha256(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

#[expect(clippy::cast_precision_loss, reason = "programs have some millions of bytes")]
fn megabytes(file: &Path) -> Result<f64> {
    Ok(fs::metadata(file)?.len() as f64 / 1e6)
}

fn build_one(target: Target) -> Result<PathBuf> {
    let root = places::workspace();
    let compiler = output(Command::new("rustc").arg("-vV").current_dir(&root))?;
    let hash = stamp::hash(&root, &INPUTS, &[target.as_str(), ZIG, &compiler])?;
    let kept = places::cache()?.join("runner").join(target.as_str());
    let built = kept.join(hash);
    if built.exists() {
        eprintln!("✓ the runner for {target} was built before from the same sources");
        return Ok(built);
    }
    let tools = musl::install(target)?;
    show::run(
        &format!("build the runner for {target} (3 to 6 min when nothing is cached)"),
        cargo_build(&tools)?.arg("--release"),
    )?;
    fs::create_dir_all(&kept)?;
    let program = built_in(&tools)?.join("release/host-runner");
    let staged = built.with_extension("new");
    fs::copy(&program, &staged)
        .and_then(|_| fs::rename(&staged, &built))
        .with_context(|| format!("cannot keep {}", program.display()))?;
    stamp::forget_old(&kept, KEPT_BUILDS)?;
    Ok(built)
}

/// Where cargo puts what it builds for such a processor.
fn built_in(tools: &Toolchain) -> Result<PathBuf> {
    Ok(target_folder()?.join(&tools.triple))
}

/// A folder of its own: cargo builds into one folder one after the other.
fn target_folder() -> Result<PathBuf> {
    Ok(cargo::target()?.join("static"))
}

fn cargo_build(tools: &Toolchain) -> Result<Command> {
    let triple = &tools.triple;
    let name = triple.replace('-', "_");
    let upper = name.to_uppercase();
    let mut command = cargo::command();
    command
        .args(["build", "-p", "host-runner", "--target", triple])
        .env("CARGO_TARGET_DIR", target_folder()?)
        .envs(progress::CARGO)
        .env(format!("CC_{name}"), &tools.cc)
        .env(format!("AR_{name}"), &tools.ar)
        // It comes with the toolchain, and links for every processor.
        .env(format!("CARGO_TARGET_{upper}_LINKER"), "rust-lld")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_DEV_STRIP", "debuginfo")
        .env("ZIG_GLOBAL_CACHE_DIR", &tools.cache)
        .env("ZIG_LOCAL_CACHE_DIR", &tools.cache)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", remapped()?.join("\u{1f}"));
    Ok(command)
}

/// Where the sources are on the machine that builds is nobody's concern, and would make another program of the same sources.
fn remapped() -> Result<[String; 2]> {
    let home = || Some(places::named_by("HOME")?.join(".cargo"));
    let registry = places::named_by("CARGO_HOME")
        .or_else(home)
        .context("neither CARGO_HOME nor HOME is set")?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    Ok([
        remap(&places::workspace(), "/devflow"),
        remap(&registry, "/cargo"),
    ])
}
