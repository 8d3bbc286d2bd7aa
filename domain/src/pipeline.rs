//! The pipelines of the frameworks, as data: what a new project starts with and a person may change.
//!
//! Sources: Laravel's deployment documentation (<https://laravel.com/docs/deployment>), Composer's and npm's manuals.

pub(crate) mod multi_tenant;
mod shopware;

use devflow_protocol::project::{
    Framework, Gate, Phase, Process, ProcessKind, SharedKind, SharedPath, Step, StepCache,
};
use devflow_protocol::text::{PackageName, RelPath};

/// What a project of a framework starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The commands of a deployment.
    pub steps: Vec<Step>,
    /// What all releases share.
    pub shared: Vec<SharedPath>,
    /// Folders of hashed assets that are carried over.
    pub carry_over: Vec<RelPath>,
    /// Processes beside PHP-FPM.
    pub processes: Vec<Process>,
    /// What may be proposed in place of one of those.
    pub alternatives: Vec<Process>,
    /// The document root inside the release.
    pub public_dir: Option<RelPath>,
    /// Whether any `.php` file answers.
    pub scripts: bool,
    /// What the readiness check asks for.
    pub health_path: &'static str,
}

/// What a project of `framework` starts with.
pub fn defaults(framework: Framework) -> Defaults {
    match framework {
        Framework::Laravel => laravel(),
        Framework::MultiTenant => multi_tenant::defaults(),
        Framework::Php => plain_php(),
        Framework::Shopware => shopware::defaults(),
        Framework::Dockerfile | Framework::Compose => container(),
    }
}

/// What runs the queue of a Laravel project that requires `laravel/horizon`, in place of the worker
/// (<https://laravel.com/docs/horizon>): it starts and ends workers by itself.
fn horizon() -> Process {
    Process {
        name: name("horizon"),
        kind: ProcessKind::Worker,
        argv: words(&["php", "artisan", "horizon"]),
        count: 1,
        stop_wait_s: 60,
    }
}

/// `processes` where they are others than `framework` starts with. None otherwise, so that a better default still
/// reaches the project.
pub fn other_processes(framework: Framework, processes: Vec<Process>) -> Option<Vec<Process>> {
    (processes != defaults(framework).processes).then_some(processes)
}

fn laravel() -> Defaults {
    Defaults {
        steps: vec![
            composer_install(),
            assets_build(),
            // Alone: all others read what it writes.
            artisan("config-cache", Phase::Prepare, &["config:cache"]),
            artisan("storage-link", Phase::Prepare, &["storage:link", "--force"]),
            beside(artisan("event-cache", Phase::Prepare, &["event:cache"])),
            beside(artisan("route-cache", Phase::Prepare, &["route:cache"])),
            beside(artisan("view-cache", Phase::Prepare, &["view:cache"])),
            artisan("boot", Phase::Boot, &["env"]),
            Step {
                timeout_s: 1800,
                needs: paths(&["artisan", "database/migrations"]),
                ..artisan("migrate", Phase::Migrate, &["migrate", "--force"])
            },
            artisan("queue-restart", Phase::AfterSwitch, &["queue:restart"]),
        ],
        // Not `storage/framework/views`: a `view:cache` of the next release would delete the live one's.
        shared: [
            "storage/app",
            "storage/logs",
            "storage/framework/sessions",
            "storage/framework/cache/data",
        ]
        .into_iter()
        .map(|path| SharedPath {
            path: rel(path),
            kind: SharedKind::Dir,
        })
        .collect(),
        carry_over: paths(&["public/build"]),
        processes: vec![
            Process {
                name: name("worker"),
                kind: ProcessKind::Worker,
                argv: words(&[
                    "php",
                    "artisan",
                    "queue:work",
                    "--sleep=1",
                    "--tries=3",
                    "--max-time=3600",
                ]),
                count: 1,
                stop_wait_s: 60,
            },
            Process {
                name: name("scheduler"),
                kind: ProcessKind::Scheduler,
                argv: words(&["php", "artisan", "schedule:run"]),
                count: 1,
                stop_wait_s: 60,
            },
        ],
        alternatives: vec![horizon()],
        public_dir: Some(rel("public")),
        scripts: false,
        health_path: "/up",
    }
}

/// A command of Laravel's console.
fn artisan(step_name: &str, phase: Phase, arguments: &[&str]) -> Step {
    let mut argv = vec!["php", "artisan"];
    argv.extend_from_slice(arguments);
    Step {
        needs: paths(&["artisan"]),
        ..step(step_name, phase, &argv, 300)
    }
}

fn plain_php() -> Defaults {
    Defaults {
        steps: vec![composer_install(), assets_build()],
        shared: vec![],
        carry_over: vec![],
        processes: vec![],
        alternatives: vec![],
        public_dir: Some(rel("public")),
        scripts: true,
        health_path: "/",
    }
}

/// All that is built is in the Dockerfile or the compose file; commands and processes are what a person adds.
fn container() -> Defaults {
    Defaults {
        steps: vec![],
        shared: vec![],
        carry_over: vec![],
        processes: vec![],
        alternatives: vec![],
        public_dir: None,
        scripts: false,
        health_path: "/",
    }
}

/// A no-op where `vendor/` came from the cache, but scripts and plugins run each time.
fn composer_install() -> Step {
    let flags = [
        "--no-dev",
        "--prefer-dist",
        "--no-interaction",
        "--no-progress",
        "--optimize-autoloader",
    ];
    let mut argv = vec!["composer", "install"];
    argv.extend_from_slice(&flags);
    Step {
        needs: paths(&["composer.json"]),
        cache: Some(StepCache {
            path: rel("vendor"),
            key: paths(&["composer.json", "composer.lock"]),
            skip_on_hit: false,
        }),
        ..step("composer", Phase::Dependencies, &argv, 900)
    }
}

/// One step, so that a hit of the cache spares `npm ci` too. Without Vite's manifest every page is a 500.
fn assets_build() -> Step {
    let key = [
        "package.json",
        "package-lock.json",
        "vite.config.js",
        "vite.config.mjs",
        "vite.config.ts",
        "tailwind.config.js",
        "tailwind.config.ts",
        "postcss.config.js",
        "resources",
        "app",
        "lang",
    ];
    Step {
        needs: paths(&["package.json", "package-lock.json"]),
        cache: Some(StepCache {
            path: rel("public/build"),
            key: paths(&key),
            skip_on_hit: true,
        }),
        ..step(
            "assets",
            Phase::Build,
            &["sh", "-c", "npm ci --no-audit --no-fund && npm run build"],
            900,
        )
    }
}

fn step(step_name: &str, phase: Phase, argv: &[&str], timeout_s: u32) -> Step {
    Step {
        name: name(step_name),
        phase,
        argv: words(argv),
        needs: vec![],
        gates: vec![],
        tenants: None,
        cache: None,
        timeout_s,
        beside: false,
    }
}

fn beside(step: Step) -> Step {
    Step { beside: true, ..step }
}

fn package(text: &str) -> PackageName {
    text.parse().expect("the packages of the pipelines are names")
}

fn present(text: &str) -> Gate {
    Gate::Present {
        package: package(text),
    }
}

fn absent(text: &str) -> Gate {
    Gate::Absent {
        package: package(text),
    }
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|&word| word.to_owned()).collect()
}

fn paths(texts: &[&str]) -> Vec<RelPath> {
    texts.iter().map(|text| rel(text)).collect()
}

fn rel(text: &str) -> RelPath {
    text.parse().expect("the paths of this file are relative")
}

fn name(text: &str) -> devflow_protocol::text::StepName {
    text.parse().expect("the names of this file are step names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    use crate::packages::describe;

    const ALL: [Framework; 6] = [
        Framework::Laravel,
        Framework::MultiTenant,
        Framework::Php,
        Framework::Shopware,
        Framework::Dockerfile,
        Framework::Compose,
    ];

    #[test]
    fn pipelines_read_as_documented() {
        let mut text = String::new();
        for framework in ALL {
            let defaults = defaults(framework);
            writeln!(text, "{framework:?}").expect("writes to a string");
            for step in &defaults.steps {
                writeln!(text, "  {:?} {}: {}", step.phase, step.name, step.argv.join(" "))
                    .expect("writes to a string");
                if let Some(tenants) = &step.tenants {
                    writeln!(text, "    for each of: {}", tenants.list.join(" "))
                        .expect("writes to a string");
                }
                for gate in &step.gates {
                    writeln!(text, "    if {}", describe(gate)).expect("writes to a string");
                }
            }
            for process in &defaults.processes {
                writeln!(text, "  {:?}: {}", process.kind, process.argv.join(" "))
                    .expect("writes to a string");
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn steps_are_in_the_order_of_their_phases() {
        for framework in ALL {
            assert!(defaults(framework).steps.is_sorted_by_key(|step| step.phase));
        }
    }
}
