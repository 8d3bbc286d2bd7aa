//! Shopware 6, with and without its deployment helper. What a command needs is a gate on the packages of `composer.lock`.
//!
//! Sources: Shopware's guide to deployments (<https://developer.shopware.com/docs/guides/hosting/installation-updates/deployments/>)
//! and the order of the steps of `shopware/deployment-helper`, which knows 6.5 and later. `system:check` came with 6.6.6.

use super::{Defaults, absent, composer_install, name, package, paths, present, rel, step, words};
use devflow_protocol::project::{Gate, Phase, Process, ProcessKind, SharedKind, SharedPath, Step};
use devflow_protocol::text::PackageName;

/// Longest update of a shop, in seconds.
const UPDATE_S: u32 = 3600;

const HELPER: &str = "shopware/deployment-helper";

fn core() -> PackageName {
    package("shopware/core")
}

fn since(version: &str) -> Gate {
    Gate::AtLeast {
        package: core(),
        version: version.parse().expect("the versions of this file are versions"),
    }
}

fn before(version: &str) -> Gate {
    Gate::Below {
        package: core(),
        version: version.parse().expect("the versions of this file are versions"),
    }
}

fn storefront() -> Gate {
    present("shopware/storefront")
}

fn changed() -> Gate {
    Gate::Changed { package: core() }
}

/// A command of Shopware's console.
fn console(step_name: &str, phase: Phase, arguments: &[&str], gates: Vec<Gate>) -> Step {
    let mut argv = vec!["php", "bin/console"];
    argv.extend_from_slice(arguments);
    argv.push("--no-interaction");
    Step {
        needs: paths(&["bin/console"]),
        gates,
        ..step(step_name, phase, &argv, 900)
    }
}

/// One that the deployment helper does by itself where it is installed.
fn unaided(step_name: &str, phase: Phase, arguments: &[&str], mut gates: Vec<Gate>) -> Step {
    gates.insert(0, absent(HELPER));
    console(step_name, phase, arguments, gates)
}

pub(super) fn defaults() -> Defaults {
    Defaults {
        steps: steps(),
        shared: shared(),
        carry_over: vec![],
        processes: vec![
            worker(
                "messenger",
                &[
                    "messenger:consume",
                    "async",
                    "low_priority",
                    "--time-limit=300",
                    "--memory-limit=512M",
                ],
            ),
            worker(
                "scheduled-tasks",
                &["scheduled-task:run", "--time-limit=300", "--memory-limit=512M"],
            ),
        ],
        alternatives: vec![],
        public_dir: Some(rel("public")),
        scripts: false,
        health_path: "/api/_info/health-check",
    }
}

fn steps() -> Vec<Step> {
    vec![
        composer_install(),
        console("assets-install", Phase::Prepare, &["assets:install"], vec![]),
        console("cache-warmup", Phase::Prepare, &["cache:warmup"], vec![]),
        console("boot", Phase::Boot, &["about"], vec![]),
        Step {
            needs: paths(&["vendor/bin/shopware-deployment-helper"]),
            gates: vec![present(HELPER)],
            ..step(
                "helper",
                Phase::Migrate,
                &["vendor/bin/shopware-deployment-helper", "run", "--timeout=3500"],
                UPDATE_S,
            )
        },
        unaided(
            "transports",
            Phase::Migrate,
            &["messenger:setup-transports"],
            vec![since("6.5")],
        ),
        Step {
            timeout_s: UPDATE_S,
            ..unaided(
                "update",
                Phase::Migrate,
                &["system:update:finish"],
                vec![changed()],
            )
        },
        unaided("plugins", Phase::Migrate, &["plugin:refresh"], vec![]),
        unaided("themes", Phase::Migrate, &["theme:refresh"], vec![storefront()]),
        unaided("tasks", Phase::Migrate, &["scheduled-task:register"], vec![]),
        // Into the shared folder: the newer theme paths are switched in the database, so that the shop that serves needs
        // the files too.
        unaided(
            "theme",
            Phase::BeforeSwitch,
            &["theme:compile", "--active-only"],
            vec![storefront(), since("6.5")],
        ),
        unaided(
            "theme-all",
            Phase::BeforeSwitch,
            &["theme:compile"],
            vec![storefront(), before("6.5")],
        ),
        unaided(
            "index",
            Phase::BeforeSwitch,
            &["dal:refresh:index", "--use-queue"],
            vec![changed()],
        ),
        console(
            "check",
            Phase::BeforeSwitch,
            &["system:check", "--context=pre_rollout"],
            vec![since("6.6.6")],
        ),
        // What the old code has put into a cache that the releases share is not for the new one.
        console(
            "cache-clear",
            Phase::AfterSwitch,
            &["cache:pool:clear", "cache.http", "cache.object"],
            vec![since("6.5")],
        ),
        console(
            "stop-workers",
            Phase::AfterSwitch,
            &["messenger:stop-workers"],
            vec![],
        ),
    ]
}

fn shared() -> Vec<SharedPath> {
    let folders = [
        "files",
        "config/jwt",
        "var/log",
        "public/media",
        "public/plugins",
        "public/thumbnail",
        "public/sitemap",
        "public/theme",
    ];
    let folder = |path| SharedPath {
        path: rel(path),
        kind: SharedKind::Dir,
    };
    let mut shared: Vec<SharedPath> = folders.into_iter().map(folder).collect();
    // Without it every page leads to the installer.
    shared.push(SharedPath {
        path: rel("install.lock"),
        kind: SharedKind::File,
    });
    shared
}

fn worker(process: &str, arguments: &[&str]) -> Process {
    let mut argv = vec!["php", "bin/console"];
    argv.extend_from_slice(arguments);
    Process {
        name: name(process),
        kind: ProcessKind::Worker,
        argv: words(&argv),
        count: 1,
        stop_wait_s: 60,
    }
}
