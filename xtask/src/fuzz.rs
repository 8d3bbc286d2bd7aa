//! `cargo xtask fuzz`: looks for bytes that a parser of strangers' input falls over, with libFuzzer
//! (<https://llvm.org/docs/LibFuzzer.html>), on the stable compiler.

use crate::{progress, show};
use anyhow::{Context, Result, bail, ensure};
use devflow_tests::{places, process::output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What libFuzzer steers by: which branches were taken, and what was compared there.
const INSTRUMENTED: &str = "--cfg fuzzing -Dwarnings -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What an input may take; more is a finding.
const LIMITS: [&str; 3] = ["-timeout=5", "-rss_limit_mb=1024", "-max_len=65536"];

/// Runs all targets, or one, for some seconds each. New inputs that reach more code are kept in the cache folder.
///
/// # Errors
/// A target does not build, or an input was found; the message says where it is kept and what to do with it.
pub(crate) fn fuzz(seconds: u32, only: Option<&str>) -> Result<()> {
    let folder = places::workspace().join("fuzz");
    let mut names: Vec<String> = fs::read_dir(folder.join("corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    if let Some(wanted) = only {
        ensure!(
            names.iter().any(|name| name == wanted),
            "there is no target `{wanted}`; there are {}",
            names.join(", ")
        );
        names.retain(|name| name == wanted);
    }
    let programs = build(&folder)?;
    for name in &names {
        run(
            &programs.join(name),
            &folder.join("corpus").join(name),
            name,
            seconds,
        )?;
    }
    Ok(())
}

/// Builds the targets and gives the folder that they are in.
fn build(folder: &Path) -> Result<PathBuf> {
    let target = places::cache()?.join("fuzz-target");
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let host = host.trim();
    let mut cargo = Command::new("cargo");
    cargo
        // With a target named, what runs while building is left as it is.
        .args(["build", "--release", "--locked", "--target", host])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", INSTRUMENTED)
        .envs(progress::CARGO);
    show::run("build the fuzz targets", &mut cargo)?;
    Ok(target.join(host).join("release"))
}

fn run(program: &Path, corpus: &Path, name: &str, seconds: u32) -> Result<()> {
    let kept = places::cache()?.join("fuzz").join(name);
    let found = places::cache()?.join("fuzz/found").join(name);
    for folder in [&kept, &found] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command
        .args(LIMITS)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args([&kept, corpus]);
    if let Err(error) = show::run(&format!("fuzz {name}"), &mut command) {
        bail!(
            "{error:#}\n  The input is in {}: mend what it shows, and add it to {}.",
            found.display(),
            corpus.display()
        );
    }
    Ok(())
}
