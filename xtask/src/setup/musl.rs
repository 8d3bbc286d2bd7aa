//! What static programs of Linux take: Rust's library for musl by rustup, and Zig, whose C compiler brings musl's headers for
//! every processor.

use super::lock;
use crate::show;
use anyhow::{Context, Result, bail};
use devflow_protocol::release::Target;
use devflow_tests::{places, process::output};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of Zig, from its package for Python.
pub(crate) const ZIG: &str = "0.15.2";

/// What compiles for a target.
pub(crate) struct Toolchain {
    /// As Rust calls the target.
    pub(crate) triple: String,
    /// The C compiler.
    pub(crate) cc: PathBuf,
    /// The archiver.
    pub(crate) ar: PathBuf,
    /// Where Zig keeps what it compiled of musl.
    pub(crate) cache: PathBuf,
}

/// Makes sure that programs can be compiled for `target`.
pub(crate) fn install(target: Target) -> Result<Toolchain> {
    let _lock = lock("setup")?;
    let triple = format!("{target}-unknown-linux-musl");
    rust_library(&triple)?;
    let folder = places::cache()?.join("tools/zig").join(ZIG);
    let zig = folder.join("ziglang/zig");
    if !zig.exists() {
        fetch_zig(&folder)?;
    }
    // Zig does not know the targets by Rust's names, which the crates that compile C hand over.
    let cc = script(
        &folder.join(format!("cc-{target}")),
        &format!(
            "for word; do\n  shift\n  case \"$word\" in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\ndone\n\
             exec '{}' cc -target {target}-linux-musl -fno-sanitize=undefined \"$@\"\n",
            zig.display()
        ),
    )?;
    let ar = script(
        &folder.join("ar"),
        &format!("exec '{}' ar \"$@\"\n", zig.display()),
    )?;
    Ok(Toolchain {
        triple,
        cc,
        ar,
        cache: folder.join("cache"),
    })
}

fn script(file: &Path, text: &str) -> Result<PathBuf> {
    fs::write(file, format!("#!/bin/sh\n{text}"))
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file.to_owned())
}

fn has_library(triple: &str) -> bool {
    let mut command = Command::new("rustc");
    command
        .args(["--print", "target-libdir", "--target", triple])
        .current_dir(places::workspace());
    let Ok(folder) = output(&mut command) else {
        return false;
    };
    fs::read_dir(folder.trim()).is_ok_and(|files| {
        let mut names = files.filter_map(|file| Some(file.ok()?.file_name()));
        names.any(|name| name.to_string_lossy().starts_with("libstd-"))
    })
}

fn rust_library(triple: &str) -> Result<()> {
    if has_library(triple) {
        return Ok(());
    }
    let mut command = Command::new("timeout");
    command
        .args(["120", "rustup", "target", "add", triple])
        .current_dir(places::workspace());
    let added = show::run(&format!("add Rust's target {triple}"), &mut command);
    if added.is_err() || !has_library(triple) {
        bail!(
            "Rust's library for {triple} is missing: run `rustup target add {triple}` where rustup reaches its download \
             host, or build for the other processor alone with --target"
        );
    }
    Ok(())
}

fn fetch_zig(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--upgrade", "--target"])
        .arg(folder)
        .arg(format!("ziglang=={ZIG}"));
    show::run(&format!("fetch Zig {ZIG}"), &mut pip).context(
        "Zig compiles the C parts of a static program; its package comes by pip (Debian: `apt-get install python3-pip`)",
    )
}
