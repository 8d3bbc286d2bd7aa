//! Laravel with many tenants: what is central first, then each tenant by itself. Which commands there are depends on the
//! package: `stancl/tenancy`, `spatie/laravel-multitenancy`, or the project's own `migrate:tenants`.
//!
//! Sources: <https://tenancyforlaravel.com/docs/v3/console-commands>,
//! <https://spatie.be/docs/laravel-multitenancy/v4/advanced-usage/making-artisan-commands-tenant-aware>.

use super::{Defaults, absent, artisan, laravel, paths, present, words};
use devflow_protocol::project::{Gate, Phase, Step, Tenants};

const STANCL: &str = "stancl/tenancy";
const SPATIE: &str = "spatie/laravel-multitenancy";
/// A project that requires one of these has many tenants.
pub(crate) const PACKAGES: [&str; 2] = [STANCL, SPATIE];

/// Starts the application as `artisan` does, then prints the keys of what `models` gives.
fn keys(models: &str, key: &str) -> Tenants {
    let script = format!(
        "require 'vendor/autoload.php'; $app = require 'bootstrap/app.php'; \
         $app->make(Illuminate\\Contracts\\Console\\Kernel::class)->bootstrap(); \
         foreach ({models}->cursor() as $tenant) {{ echo $tenant->{key}(), PHP_EOL; }}"
    );
    Tenants {
        list: words(&["php", "-r", &script]),
    }
}

/// One for each tenant of `stancl/tenancy`, whose helper gives them in all of its versions.
fn stancl(name: &str, phase: Phase, arguments: &[&str]) -> Step {
    Step {
        gates: vec![present(STANCL)],
        tenants: Some(keys("tenancy()->query()", "getTenantKey")),
        ..artisan(name, phase, arguments)
    }
}

/// One for each tenant of `spatie/laravel-multitenancy`.
fn spatie(name: &str, phase: Phase, command: &str) -> Step {
    Step {
        gates: vec![present(SPATIE)],
        tenants: Some(keys(
            "app(config('multitenancy.tenant_model'))->newQuery()",
            "getKey",
        )),
        ..artisan(name, phase, &["tenants:artisan", command, "--tenant={tenant}"])
    }
}

/// A command of the project itself, where neither package is there.
fn own(name: &str, phase: Phase, arguments: &[&str]) -> Step {
    Step {
        gates: vec![absent(STANCL), absent(SPATIE)],
        ..artisan(name, phase, arguments)
    }
}

/// One of Laravel's own names that the project has taught to know tenants.
fn extended(name: &str, phase: Phase, command: &str) -> Step {
    let mut step = own(name, phase, &[command, "--tenants"]);
    step.gates.push(Gate::Artisan {
        command: command.parse().expect("the commands of this file are names"),
        option: "tenants".parse().expect("it is a name"),
    });
    step
}

pub(super) fn defaults() -> Defaults {
    let mut defaults = laravel();
    let central = defaults
        .steps
        .iter_mut()
        .find(|step| step.phase == Phase::Migrate)
        .expect("Laravel migrates");
    central.gates.push(absent(SPATIE));
    defaults.steps.extend([
        extended("config-cache-tenants", Phase::Prepare, "config:cache"),
        Step {
            gates: vec![present(SPATIE)],
            needs: paths(&["artisan", "database/migrations/landlord"]),
            timeout_s: 1800,
            ..artisan(
                "migrate-landlord",
                Phase::Migrate,
                &[
                    "migrate",
                    "--path=database/migrations/landlord",
                    "--database=landlord",
                    "--force",
                ],
            )
        },
        stancl(
            "tenants:migrate",
            Phase::Migrate,
            &["tenants:migrate", "--tenants={tenant}", "--force"],
        ),
        spatie(
            "tenants:artisan",
            Phase::Migrate,
            "migrate --database=tenant --force",
        ),
        Step {
            timeout_s: 3600,
            ..own("migrate:tenants", Phase::Migrate, &["migrate:tenants", "--force"])
        },
        stancl(
            "tenants:cache",
            Phase::AfterSwitch,
            &["tenants:run", "cache:clear", "--tenants={tenant}"],
        ),
        spatie("tenants:artisan-cache", Phase::AfterSwitch, "cache:clear"),
        extended("cache-clear-tenants", Phase::AfterSwitch, "cache:clear"),
    ]);
    // Within a phase they stay in this order.
    defaults.steps.sort_by_key(|step| step.phase);
    defaults
}
