//! Calls of cargo: builds, and test runs whose results are counted.

use crate::{progress, show};
use anyhow::{Context, Result, bail};
use devflow_tests::places;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which tests of the packages are run, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// Those that need nothing of the machine, side by side.
    Plain,
    /// End-to-end stories, as many at a time as `.config/nextest.toml` says; one by one without cargo-nextest.
    Stories,
    /// Those that are marked as ignored because they need a Docker engine, whose socket this is; as many at a time.
    Engine(&'a Path),
}

/// Results of a test run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many passed.
    pub(crate) passed: u32,
    /// Names of those that failed.
    pub(crate) failed: Vec<String>,
}

/// Cargo at the workspace, with its builds in the cache folder unless `CARGO_TARGET_DIR` says otherwise.
pub(crate) fn command() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(places::workspace());
    if let Ok(target) = target() {
        command.env("CARGO_TARGET_DIR", target);
    }
    command
}

/// The folder that cargo builds into.
pub(crate) fn target() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(places::cache()?.join("target")),
    }
}

/// What a program is built for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As it is shipped.
    Release,
    /// Quickly.
    Debug,
    /// Quickly, with the moments at which stories end it.
    FaultPoints,
}

/// Builds a program of the workspace and gives its path.
pub(crate) fn build(name: &str, kind: Build) -> Result<PathBuf> {
    let mut cargo = command();
    cargo.args(["build", "-p", name]).envs(progress::CARGO);
    match kind {
        Build::Release => cargo.arg("--release"),
        Build::Debug => &mut cargo,
        Build::FaultPoints => cargo.args(["--features", "fault-points"]),
    };
    show::run(&format!("build {name}"), &mut cargo)?;
    let folder = if kind == Build::Release {
        "release"
    } else {
        "debug"
    };
    let program = target()?.join(folder).join(name);
    if !program.exists() {
        bail!("cargo built {name}, but {} is not there", program.display());
    }
    Ok(program)
}

/// Builds `host-runner` and gives its path.
pub(crate) fn build_runner(kind: Build) -> Result<PathBuf> {
    build("host-runner", kind)
}

/// Runs tests by cargo-nextest where it is installed, else by cargo itself; shows their results as they come.
pub(crate) fn run_tests(name: &str, arguments: &[&str], kind: Kind<'_>) -> Result<Tally> {
    let nextest = command()
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let mut cargo = command();
    if nextest {
        let quiet = [
            "--no-fail-fast",
            "--color=never",
            "--hide-progress-bar",
            "--no-tests=pass",
        ];
        cargo.args(["nextest", "run"]).args(quiet).args(arguments);
    } else {
        cargo.args(["test", "--no-fail-fast"]).args(arguments);
    }
    match kind {
        Kind::Plain => {}
        Kind::Stories | Kind::Engine(_) if nextest => {
            cargo.arg("--profile=stories");
        }
        Kind::Stories | Kind::Engine(_) => {
            cargo.args(["--", "--test-threads=1"]);
        }
    }
    if let Kind::Engine(socket) = kind {
        cargo.env("DEVFLOW_DOCKER_SOCKET", socket);
        cargo.arg(if nextest {
            "--run-ignored=only"
        } else {
            "--ignored"
        });
    }
    cargo.env("DEVFLOW_RUNNER", target()?.join("debug/host-runner"));
    cargo.env(
        "DEVFLOW_STATIC_RUNNER",
        target()?.join("debug/host-runner-static"),
    );
    cargo.env("DEVFLOW_CLI", target()?.join("debug/devflow"));
    // This very program: stories of an installation's keys and copies go through its commands.
    cargo.env("DEVFLOW_XTASK", std::env::current_exe()?);
    // A story's error says what went wrong; where the harness made it helps nobody.
    cargo.env("RUST_LIB_BACKTRACE", "0");
    eprintln!("… {name}");
    let (reader, writer) = std::io::pipe()?;
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .context("cannot run cargo")?;
    // The command keeps the pipe's writing ends; while it does, the reading below would never end.
    drop(cargo);
    let mut tally = Tally::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        count(&mut tally, &line, nextest);
    }
    let status = child.wait()?;
    if !status.success() && tally.failed.is_empty() {
        bail!("{name}: cargo ended with {status}; see its messages above");
    }
    Ok(tally)
}

/// Counts one line of nextest (`PASS [   0.1s] (1/2) crate::binary test`) or of cargo (`test name ... ok`). What
/// nextest shows of a failed test has cargo's line too.
fn count(tally: &mut Tally, line: &str, nextest: bool) {
    let line = line.trim();
    if let Some(test) = line.strip_prefix("test ").filter(|_| !nextest) {
        match test.split_once(" ... ") {
            Some((_, result)) if result.starts_with("ok") => tally.passed += 1,
            Some((test, result)) if result.starts_with("FAILED") => tally.failed.push(test.to_owned()),
            _ => {}
        }
    } else if let Some((word, rest)) = line.split_once(" [")
        && let Some((_, test)) = rest.split_once("s] ")
    {
        match word {
            "PASS" | "LEAK" => tally.passed += 1,
            "FAIL" | "TIMEOUT" | "LEAK-FAIL" | "SIGABRT" | "SIGSEGV" | "SIGKILL" | "SIGTERM" | "XFAIL" => {
                let test = test.trim_start().to_owned();
                // nextest names failures once more at the end.
                if !tally.failed.contains(&test) {
                    tally.failed.push(test);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_of_nextest_lines_has_each_test_once() {
        let mut tally = Tally::default();
        for line in [
            "        PASS [   0.005s] (1/3) protocol id::tests::id_of_another_kind_is_refused",
            "        FAIL [   1.205s] (2/3) devflow-tests::push push_signed_goes_live",
            "    test push_signed_goes_live ... FAILED",
            "        SLOW [> 60.000s] (─────) devflow-tests::push push_slow",
            "     TIMEOUT [ 300.000s] (3/3) devflow-tests::push push_slow",
            "     Summary [ 301.0s] 3 tests run: 1 passed, 2 failed, 0 skipped",
            "        FAIL [   1.205s] (2/3) devflow-tests::push push_signed_goes_live",
        ] {
            count(&mut tally, line, true);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 1,
                failed: vec![
                    "(2/3) devflow-tests::push push_signed_goes_live".into(),
                    "(3/3) devflow-tests::push push_slow".into()
                ],
            }
        );
    }

    #[test]
    fn count_of_cargo_lines_has_passes_and_failures() {
        let mut tally = Tally::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test a::d ... ignored",
            "test result: FAILED. 1 passed; 1 failed",
        ] {
            count(&mut tally, line, false);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 1,
                failed: vec!["a::c".into()]
            }
        );
    }
}
