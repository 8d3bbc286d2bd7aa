//! worker-build, wasm-bindgen and the npm packages (a fitting Node among them), all in the cache folder.

use crate::{progress, show, stamp};
use anyhow::{Context, Result, bail};
use devflow_tests::{places, process::output};
use std::fs;
use std::process::Command;

/// The version of worker-build that fits the `worker` crate.
pub(crate) const WORKER_BUILD: &str = "0.8.7";

/// Installs what is missing.
pub(super) fn install() -> Result<()> {
    let tools = places::cache()?.join("tools");
    cargo_install("worker-build", WORKER_BUILD, &tools.join("bin/worker-build"))?;
    cargo_install(
        "wasm-bindgen-cli",
        &locked_version("wasm-bindgen")?,
        &tools.join("bin/wasm-bindgen"),
    )?;
    npm_packages()
}

fn cargo_install(name: &str, version: &str, program: &std::path::Path) -> Result<()> {
    // worker-build does not tell its version, so the list of what cargo installed is asked.
    let root = places::cache()?.join("tools");
    let listed = output(
        Command::new("cargo")
            .args(["install", "--list", "--root"])
            .arg(&root),
    )
    .unwrap_or_default();
    if program.exists() && listed.lines().any(|line| line == format!("{name} v{version}:")) {
        return Ok(());
    }
    let install = |locked: bool| -> Result<()> {
        let mut command = Command::new("cargo");
        command
            .args(["install", name, "--version", version, "--root"])
            .arg(&root);
        if locked {
            command.arg("--locked");
        }
        command
            .env("CARGO_TARGET_DIR", places::cache()?.join("tools-target"))
            .env_remove("RUSTFLAGS")
            .envs(progress::CARGO);
        show::run(&format!("install {name} {version} (1 to 3 min)"), &mut command)
    };
    // What the tool's authors locked may have been withdrawn, or not have reached a mirror of the registry yet.
    install(true).or_else(|error| {
        eprintln!("{error:#}\n  trying again with the newest dependencies that fit");
        install(false)
    })
}

/// The version that Cargo.lock has of a crate.
fn locked_version(name: &str) -> Result<String> {
    let file = places::workspace().join("Cargo.lock");
    let text = fs::read_to_string(&file).context("cannot read Cargo.lock")?;
    let mut lines = text.lines();
    lines
        .by_ref()
        .find(|line| *line == format!("name = \"{name}\""))
        .and_then(|_| lines.next())
        .and_then(|line| line.strip_prefix("version = \""))
        .and_then(|line| line.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("Cargo.lock does not name {name}; run `cargo generate-lockfile`"))
}

fn npm_packages() -> Result<()> {
    let folder = places::cache()?.join("npm");
    let root = places::workspace();
    let hash = stamp::hash(&root, &["xtask/node/package.json"], &[])?;
    let mark = folder.join(".installed");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == hash) {
        return Ok(());
    }
    if places::find_program("npm").is_none() {
        bail!(
            "npm is not there; install Node.js 18 or later (Debian: `apt-get install nodejs npm`) and run the command again"
        );
    }
    fs::create_dir_all(&folder)?;
    fs::copy(root.join("xtask/node/package.json"), folder.join("package.json"))
        .context("cannot copy xtask/node/package.json")?;
    let _ = fs::remove_file(folder.join("package-lock.json"));
    let mut command = Command::new("npm");
    command
        .args(["install", "--no-fund", "--no-audit"])
        .current_dir(&folder);
    show::run(
        "install npm packages (wrangler, Node 22, esbuild, …)",
        &mut command,
    )?;
    let version = output(node()?.arg("--version"))?;
    if !version.starts_with("v22.") {
        bail!(
            "{} is Node {version}where 22 was expected; remove {} and run the command again",
            places::npm_bin()?.join("node").display(),
            folder.display()
        );
    }
    fs::write(&mark, hash).context("cannot write the mark of the npm packages")
}

/// Node of the npm packages, with their programs in `PATH` and their modules found.
pub(crate) fn node() -> Result<Command> {
    let mut command = Command::new(places::npm_bin()?.join("node"));
    command
        .env("PATH", places::path_with_npm()?)
        .env("NODE_PATH", places::cache()?.join("npm/node_modules"));
    command.env("DEVFLOW_CACHE", places::cache()?);
    Ok(command)
}
