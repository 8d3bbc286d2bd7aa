//! Calls of cargo: builds, and test runs whose results are counted.

use crate::{progress, show};
use anyhow::{Context, Result, bail};
use devflow_tests::places;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which tests are run, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// Those that need nothing of the machine, side by side.
    Plain,
    /// End-to-end stories, all or those whose name contains this, as many at a time as `.config/nextest.toml` says; one by
    /// one without cargo-nextest.
    Stories(Option<&'a str>),
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
}

/// Builds `host-runner` and gives its path.
pub(crate) fn build_runner(kind: Build) -> Result<PathBuf> {
    let mut cargo = command();
    cargo.args(["build", "-p", "host-runner"]).envs(progress::CARGO);
    let folder = match kind {
        Build::Release => {
            cargo.arg("--release");
            "release"
        }
        Build::Debug => "debug",
    };
    show::run("build host-runner", &mut cargo)?;
    Ok(target()?.join(folder).join("host-runner"))
}

/// Builds all tests, and the programs that they run: cargo builds a package's programs along with its tests.
pub(crate) fn build_tests() -> Result<()> {
    let mut cargo = command();
    cargo
        .args(["test", "--workspace", "--no-run"])
        .envs(progress::CARGO);
    show::run("build the tests", &mut cargo)
}

/// Runs tests by cargo-nextest where it is installed, else by cargo itself; shows their results as they come.
pub(crate) fn run_tests(name: &str, kind: Kind<'_>) -> Result<Tally> {
    let nextest = command()
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let mut cargo = if nextest { by_nextest(kind) } else { by_cargo(kind) };
    if let Kind::Engine(socket) = kind {
        cargo.env("DEVFLOW_DOCKER_SOCKET", socket);
    }
    let programs = target()?.join("debug");
    cargo.env("DEVFLOW_RUNNER", programs.join("host-runner"));
    cargo.env("DEVFLOW_STATIC_RUNNER", programs.join("host-runner-static"));
    cargo.env("DEVFLOW_CLI", programs.join("devflow"));
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

/// All packages at a time, whatever is run of them: cargo would build what a part of them stands on with other features,
/// and so once more.
fn by_nextest(kind: Kind<'_>) -> Command {
    let mut cargo = command();
    cargo.args([
        "nextest",
        "run",
        "--workspace",
        "--no-fail-fast",
        "--no-tests=pass",
    ]);
    cargo.args(["--color=never", "--hide-progress-bar"]);
    match kind {
        Kind::Plain => cargo.args(["-E", "not binary(stories)"]),
        Kind::Stories(filter) => cargo
            .args(["--profile=stories", "-E", "binary(stories)"])
            .args(filter),
        Kind::Engine(_) => cargo.args(["--profile=stories", "--lib", "--run-ignored=only"]),
    };
    cargo
}

/// The harness's own tests come along with the stories here: cargo cannot leave out one program of a package.
fn by_cargo(kind: Kind<'_>) -> Command {
    let mut cargo = command();
    cargo.args(["test", "--no-fail-fast"]);
    match kind {
        Kind::Plain => cargo.args(["--workspace", "--exclude", "devflow-tests"]),
        Kind::Stories(filter) => cargo
            .args(["-p", "devflow-tests"])
            .args(filter)
            .args(["--", "--test-threads=1"]),
        Kind::Engine(_) => cargo.args(["--workspace", "--lib", "--", "--test-threads=1", "--ignored"]),
    };
    cargo
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
