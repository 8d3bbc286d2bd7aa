//! `cargo xtask test`: everything that CI asks for, counted.

use crate::build_edge::Compilation;
use crate::cargo::{self, Kind, Tally};
use crate::setup::{self, Need};
use crate::{build_edge, build_runner, deploy_edge, fuzz, progress, show};
use anyhow::{Result, bail};
use devflow_tests::docker::Docker;
use devflow_tests::places;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;
use std::time::Instant;

/// What has been counted so far.
#[derive(Default)]
struct Count {
    passed: u32,
    failures: Vec<String>,
}

impl Count {
    /// A check that is one pass or one failure.
    fn check(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("{error:#}");
                self.failures.push(name.to_owned());
            }
        }
    }

    /// The results of a test run; a run that did not come to results is one failure.
    fn add(&mut self, name: &str, result: Result<Tally>) {
        match result {
            Ok(tally) => {
                self.passed += tally.passed;
                self.failures
                    .extend(tally.failed.iter().map(|test| format!("{name}: {test}")));
            }
            Err(error) => self.check(name, Err(error)),
        }
    }

    /// What was counted elsewhere.
    fn join(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
    }
}

/// Runs all checks, or only those without end-to-end stories; true when all passed. The last line counts them.
pub(crate) fn test(fast: bool, filter: Option<&str>) -> bool {
    let started = Instant::now();
    let mut count = if filter.is_none() {
        checks(fast)
    } else {
        Count::default()
    };
    if !fast {
        stories(&mut count, filter);
    }
    for failure in &count.failures {
        println!("failed: {failure}");
    }
    println!("took {} s", started.elapsed().as_secs());
    println!("{} passed, {} failed", count.passed, count.failures.len());
    count.failures.is_empty()
}

/// All but the stories, in two rows beside each other: each has long stretches that keep one core busy.
fn checks(fast: bool) -> Count {
    // The pages' assets come first: the worker's crate names them.
    let begun = setup::for_edge().and_then(|()| build_edge::assets());
    let begun = begun.and_then(|()| if fast { Ok(None) } else { build_edge::begin() });
    thread::scope(|scope| {
        let beside = scope.spawn(|| checks_of_other_targets(begun, fast));
        let mut count = native_checks();
        count.join(beside.join().unwrap_or_else(|panic| resume_unwind(panic)));
        count
    })
}

fn native_checks() -> Count {
    let mut count = Count::default();
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let mut format = cargo::command();
        format.args(["fmt", "--all", "--check", "--manifest-path", manifest]);
        count.check("formatting", show::run("formatting", &mut format));
    }
    let mut clippy = cargo::command();
    clippy
        .args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
        .envs(progress::CARGO);
    count.check("clippy", show::run("clippy", &mut clippy));
    count.check("programs for tests", setup::packages(Need::Stories));
    let name = "unit, property and SQL tests";
    let tally = cargo::build_tests().and_then(|()| cargo::run_tests(name, Kind::Plain));
    count.add(name, tally);
    count.check("fuzzing", fuzz::fuzz(2, None));
    count
}

/// What is built into target folders of its own.
fn checks_of_other_targets(worker: Result<Option<Compilation>>, fast: bool) -> Count {
    let mut count = Count::default();
    let worker = worker.and_then(|left| left.map_or(Ok(()), Compilation::run));
    count.check("tools, assets and build of the worker", worker);
    count.check("clippy of the worker as WebAssembly", clippy_wasm());
    count.check("golden vectors as WebAssembly", vectors_wasm());
    if !fast {
        let runner = build_runner::build_for_stories().map(drop);
        count.check("static build of the runner", runner);
    }
    count
}

fn clippy_wasm() -> Result<()> {
    if !setup::wasm::path_prefix()?.is_empty() {
        eprintln!(
            "  Debian's compiler builds the worker here and has no clippy for WebAssembly; its native check counts"
        );
        return Ok(());
    }
    let mut command = build_edge::wasm_command("cargo")?;
    command.current_dir(places::workspace()).args([
        "clippy",
        "-p",
        "edge-worker",
        "--target",
        "wasm32-unknown-unknown",
        "--",
        "-D",
        "warnings",
    ]);
    show::run("clippy of the worker as WebAssembly", &mut command)
}

/// The worker must produce and accept the same bytes as the runner, so the vectors run on its target too.
fn vectors_wasm() -> Result<()> {
    let mut command = build_edge::wasm_command("cargo")?;
    command.args([
        "test",
        "-p",
        "devflow-protocol",
        "--test",
        "vectors",
        "--target",
        "wasm32-unknown-unknown",
    ]);
    command.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
        places::cache()?.join("tools/bin/wasm-bindgen-test-runner"),
    );
    show::run(
        "golden vectors as WebAssembly",
        command.current_dir(places::workspace()),
    )
}

/// What would be uploaded, with the configuration of an installation.
fn pack_worker() -> Result<()> {
    let origin = "https://devflow.example.com"
        .parse()
        .map_err(anyhow::Error::msg)?;
    deploy_edge::pack(&origin)
}

/// Real parts together, on the machine's Docker engine.
fn stories(count: &mut Count, filter: Option<&str>) {
    let prepared = setup::for_edge()
        .and_then(|()| build_edge::build())
        .and_then(|()| cargo::build_tests())
        .and_then(|()| build_runner::build_for_stories().map(drop));
    let failed = prepared.is_err();
    count.check("the worker, the runner and the command are built", prepared);
    if filter.is_none() && !failed {
        count.check("the worker is packed for Cloudflare", pack_worker());
    }
    if failed {
        return;
    }
    let name = "end-to-end stories";
    match setup::for_servers(Need::Stories) {
        Ok(_engine) => {
            let tally = cargo::run_tests(name, Kind::Stories(filter));
            count.add(name, tally.and_then(some_ran));
            if filter.is_none() {
                engine_tests(count);
                for option in ["--once", "--rehearse"] {
                    count.check("cargo xtask demo", demo(option));
                }
            }
        }
        Err(error) => count.check(name, Err(error)),
    }
}

/// The demo as it is started by hand, with the runner that is built.
fn demo(option: &str) -> Result<()> {
    let mut demo = Command::new(std::env::current_exe()?);
    demo.args(["demo", option])
        .env("DEVFLOW_RUNNER", cargo::target()?.join("debug/host-runner"));
    show::run(&format!("cargo xtask demo {option}"), &mut demo)
}

/// The runner's own tests on a Docker engine.
fn engine_tests(count: &mut Count) {
    let name = "the runner on a Docker engine";
    let tally = Docker::find()
        .and_then(|docker| cargo::run_tests(name, Kind::Engine(docker.socket())).and_then(some_ran));
    count.add(name, tally);
}

fn some_ran(tally: Tally) -> Result<Tally> {
    if tally.passed == 0 && tally.failed.is_empty() {
        bail!("no test was run");
    }
    Ok(tally)
}
