//! Rust's standard library for WebAssembly: by rustup, or, where its download host is not reached, built from the
//! library sources that Debian packages with its own compiler.

use super::apt;
use crate::show;
use anyhow::{Context, Result, bail};
use devflow_tests::{places, process::output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Makes sure that the worker can be compiled.
pub(super) fn install() -> Result<()> {
    if has_library("rustc") || debian_ready() {
        return Ok(());
    }
    if places::find_program("rustup").is_some() {
        let mut command = Command::new("timeout");
        command.args(["120", "rustup", "target", "add", TARGET]);
        if show::run("add Rust's WebAssembly target", &mut command).is_ok() && has_library("rustc") {
            return Ok(());
        }
        eprintln!("  rustup could not fetch it: it is built from Debian's library sources");
    }
    from_debian()
}

/// What has to stand first in `PATH` (with a colon after it) when the worker is built.
pub(crate) fn path_prefix() -> Result<&'static str> {
    if has_library("rustc") {
        Ok("")
    } else if debian_ready() {
        Ok("/usr/bin:/bin:")
    } else {
        bail!("Rust's WebAssembly target is not installed; run `cargo xtask setup`")
    }
}

fn library(rustc: &str) -> Option<PathBuf> {
    // The checkout's toolchain counts, not the one of the folder that the command was called in.
    let mut command = Command::new(rustc);
    command
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(places::workspace());
    output(&mut command).ok().map(|text| PathBuf::from(text.trim()))
}

fn has_library(rustc: &str) -> bool {
    let Some(folder) = library(rustc) else {
        return false;
    };
    let Ok(files) = fs::read_dir(folder) else {
        return false;
    };
    files
        .filter_map(Result::ok)
        .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

fn debian_ready() -> bool {
    Path::new(DEBIAN_RUSTC).exists() && has_library(DEBIAN_RUSTC)
}

fn from_debian() -> Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!(
            "Rust's WebAssembly target is missing; run `rustup target add {TARGET}` (needs the network), or run this as root on Debian"
        );
    }
    if !Path::new("/usr/lib/rustlib/src/rust/library").exists() || !Path::new("/usr/bin/cargo").exists() {
        show::run("read the package lists", apt::apt().args(["update", "-q"]))?;
        let packages = ["rustc-web", "cargo-web", "rust-web-src"];
        show::run(
            "install Debian's Rust for the web",
            apt::apt()
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(packages),
        )?;
    }
    let library = library(DEBIAN_RUSTC).context("Debian's rustc does not say where its libraries are")?;
    let seed = places::cache()?.join("sysroot-seed");
    build_library(&seed)?;
    fs::create_dir_all(&library)?;
    for file in fs::read_dir(seed.join("target").join(TARGET).join("release/deps"))? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|kind| kind == "rlib") && !name.starts_with("libseed") {
            fs::copy(file.path(), library.join(&name)).with_context(|| format!("cannot install {name}"))?;
        }
    }
    link_linker()?;
    // cargo does not notice that library files changed.
    let stale = places::cache()?.join("wasm-target").join(TARGET);
    if stale.exists() {
        fs::remove_dir_all(stale)?;
    }
    Ok(())
}

/// Compiles core, alloc and std as dependencies of an empty crate.
fn build_library(seed: &Path) -> Result<()> {
    fs::create_dir_all(seed.join("src"))?;
    fs::write(
        seed.join("Cargo.toml"),
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[profile.release]\npanic = \"abort\"\n[workspace]\n",
    )?;
    fs::write(seed.join("src/lib.rs"), "#![no_std]\n")?;
    let mut command = Command::new("/usr/bin/cargo");
    command
        .args([
            "build",
            "-q",
            "-Z",
            "build-std=std,panic_abort,proc_macro",
            "--release",
            "--target",
            TARGET,
        ])
        .current_dir(seed)
        .env("PATH", "/usr/bin:/bin")
        .env("RUSTC", DEBIAN_RUSTC)
        // build-std is not stable; Debian's compiler takes it with this.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without bitcode a later build with LTO ends in "failed to get bitcode from object file".
        .env("RUSTFLAGS", "-C embed-bitcode=yes")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_TARGET_DIR");
    show::run("build Rust's library for WebAssembly (about 1 min)", &mut command)
}

/// Debian's compiler looks for `rust-lld` beside its own libraries; rustup's toolchain has one.
fn link_linker() -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let host = output(Command::new(DEBIAN_RUSTC).args(["-vV"]))?;
    let host = host
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    let linker = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host)
        .join("bin/rust-lld");
    let folder = Path::new("/usr/lib/rustlib").join(host).join("bin");
    fs::create_dir_all(&folder)?;
    let link = folder.join("rust-lld");
    if !link.exists() {
        std::os::unix::fs::symlink(&linker, &link)
            .with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(())
}
