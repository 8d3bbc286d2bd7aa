//! Builds the worker into `edge-worker/build` and its assets into `edge-worker/dist`. Results are kept in the cache
//! folder by a hash of everything that went in, so that a fresh checkout of the same code has nothing to build.

use crate::setup::{self, wasm};
use crate::{progress, show, stamp};
use anyhow::{Context, Result};
use devflow_tests::{git::copy_tree, places};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const INPUTS: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "edge-worker",
    "protocol",
    "domain",
    "docs/openapi.json",
    "xtask/node/package.json",
];
const OUTPUTS: [&str; 2] = ["build", "dist"];
const KEPT_BUILDS: usize = 8;

/// Builds where the inputs changed since the last build.
pub(crate) fn build() -> Result<()> {
    let Some(left) = begin()? else { return Ok(()) };
    assets()?;
    left.run()
}

/// What is left of a build where there is something to compile. The assets have to be bundled by then.
pub(crate) struct Compilation {
    command: Command,
    hash: String,
    _lock: fs::File,
}

/// Does the part of a build that touches the checkout's sources; `None` where there is nothing left to compile.
pub(crate) fn begin() -> Result<Option<Compilation>> {
    let root = places::workspace();
    let hash = stamp::hash(&root, &INPUTS, &[setup::WORKER_BUILD])?;
    let worker = root.join("edge-worker");
    if fs::read_to_string(mark(&worker)).is_ok_and(|built| built == hash) {
        eprintln!("✓ the worker is built");
        return Ok(None);
    }
    // Whoever waited finds what the other one built.
    let lock = setup::lock("edge")?;
    let kept = places::cache()?.join("edge").join(&hash);
    if mark(&kept).exists() {
        copy_outputs(&kept, &worker)?;
        eprintln!("✓ the worker was built before from the same sources");
        return Ok(None);
    }
    Ok(Some(Compilation {
        command: worker_build(&worker)?,
        hash,
        _lock: lock,
    }))
}

impl Compilation {
    /// Compiles, and keeps the result in the cache folder.
    pub(crate) fn run(mut self) -> Result<()> {
        show::run(
            "build the worker (WebAssembly, 2 to 4 min when nothing is cached)",
            &mut self.command,
        )?;
        let worker = places::workspace().join("edge-worker");
        let mark = mark(&worker);
        fs::write(&mark, &self.hash).with_context(|| format!("cannot write {}", mark.display()))?;
        let kept = places::cache()?.join("edge");
        let staging = kept.join(format!("{}.{}", self.hash, std::process::id()));
        copy_outputs(&worker, &staging)?;
        fs::rename(&staging, kept.join(&self.hash)).context("cannot keep the build in the cache folder")?;
        stamp::forget_old(&kept, KEPT_BUILDS)
    }
}

/// The file that names what a folder's build was made of.
fn mark(folder: &Path) -> PathBuf {
    folder.join("build/.inputs")
}

/// Checks the types of the pages' scripts and bundles styles, scripts and icons.
pub(crate) fn assets() -> Result<()> {
    let folder = places::workspace().join("edge-worker");
    show::run(
        "bundle the pages' assets",
        setup::node()?.arg("ui/build.mjs").current_dir(folder),
    )
}

fn worker_build(worker: &Path) -> Result<Command> {
    let cache = places::cache()?;
    let mut command = wasm_command(cache.join("tools/bin/worker-build"))?;
    command
        .arg("--release")
        .current_dir(worker)
        .env("WASM_BINDGEN_BIN", cache.join("tools/bin/wasm-bindgen"))
        .env("WASM_OPT_BIN", cache.join("npm/node_modules/.bin/wasm-opt"))
        .env("ESBUILD_BIN", cache.join("npm/node_modules/esbuild/bin/esbuild"));
    Ok(command)
}

/// A command that compiles for WebAssembly: the fitting compiler first, and a target folder of its own.
pub(crate) fn wasm_command(program: impl AsRef<OsStr>) -> Result<Command> {
    let cache = places::cache()?;
    let path = places::path_with_npm()?;
    let tools = cache.join("tools/bin");
    let target = cache.join("wasm-target");
    claim(&target)?;
    let mut command = Command::new(program);
    command
        .env(
            "PATH",
            format!("{}{}:{path}", wasm::path_prefix()?, tools.display()),
        )
        .env("CARGO_TARGET_DIR", target)
        // The cargo of `PATH` is meant, not the one that runs this.
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .envs(progress::CARGO)
        // Flags for native builds (coverage, a linker) do not fit the worker.
        .env_remove("RUSTFLAGS");
    Ok(command)
}

/// Makes cargo look at this checkout's sources when another checkout compiled into the shared folder last: it judges by
/// the age of files, and older files of another content look finished to it.
fn claim(target: &Path) -> Result<()> {
    let root = places::workspace();
    let mark = target.join("last-checkout");
    if fs::read(&mark).is_ok_and(|last| last == root.as_os_str().as_encoded_bytes()) {
        return Ok(());
    }
    for source in [
        "protocol/src/lib.rs",
        "domain/src/lib.rs",
        "edge-worker/src/lib.rs",
        "edge-worker/build.rs",
    ] {
        let source = root.join(source);
        fs::File::options()
            .append(true)
            .open(&source)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .with_context(|| format!("cannot touch {}", source.display()))?;
    }
    fs::create_dir_all(target)?;
    fs::write(&mark, root.as_os_str().as_encoded_bytes())
        .with_context(|| format!("cannot write {}", mark.display()))
}

fn copy_outputs(from: &Path, to: &Path) -> Result<()> {
    for part in OUTPUTS {
        let target = to.join(part);
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        if from.join(part).exists() {
            copy_tree(&from.join(part), &target)?;
        }
    }
    Ok(())
}
