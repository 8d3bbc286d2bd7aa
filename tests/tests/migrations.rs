//! Going back over migrations: what only adds is no reason to ask, what removes is.

use anyhow::{Context, Result, ensure};
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Value, json};
use std::time::Duration;

/// A version whose migration does `what` to the table of orders.
fn push_version(site: &Site<'_>, version: u32, what: &str) -> Result<String> {
    site.repository.write("VERSION", &format!("{version}\n"))?;
    let file = format!("database/migrations/2026_02_01_{version:06}_change.php");
    let schema = "Illuminate\\Support\\Facades\\Schema";
    site.repository.write(
        &file,
        &format!(
            "<?php\nreturn new class extends Illuminate\\Database\\Migrations\\Migration {{\n    \
             public function up() {{ {schema}::table('orders', function ($table) {{ {what} }}); }}\n}};\n"
        ),
    )?;
    let (_, live) = site.push_live(&format!("Version {version}"))?;
    Ok(live["id"].as_str().context("an id")?.to_owned())
}

/// Rolls back and gives the deployment that came of it, ended.
fn roll_back(here: &Installation, to: &str, body: &Value) -> Result<Value> {
    let queued = here.api.post(&format!("/deployments/{to}/rollback"), body, 202)?;
    let id = devflow_tests::api::text(&queued, "/deployment/id")?;
    here.api.finished(&id, Duration::from_mins(1))
}

#[test]
fn rollback_over_a_migration_that_removes_is_refused_with_the_statement_until_forced() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let release = json!({"keep": 4, "drain_s": 5, "observe_s": 1, "ready_s": 20});
    let site = here.project(
        "laravel",
        &json!({"services": {"mariadb": true}, "release": release}),
    )?;
    let (_, first) = site.push_live("First version")?;
    let first = first["id"].as_str().context("an id")?;
    let second = push_version(&site, 2, "$table->string('note')->nullable();")?;

    let back = roll_back(&here, first, &json!({}))?;
    assert_eq!(back["state"], "live", "{}", back["reason"]);
    let ahead = roll_back(&here, &second, &json!({}))?;
    assert_eq!(ahead["state"], "live", "{}", ahead["reason"]);

    push_version(&site, 3, "$table->dropColumn('note');")?;
    let refused = roll_back(&here, &second, &json!({}))?;
    assert_eq!(refused["state"], "failed");
    let reason = refused["reason"].as_str().unwrap_or_default();
    for part in [
        "2026_02_01_000003_change",
        "drop `note`",
        "roll back with force",
        "serves on",
    ] {
        ensure!(reason.contains(part), "no `{part}` in: {reason}");
    }
    ensure!(site.page("/")?.contains("version 3<"), "{}", site.page("/")?);

    let forced = roll_back(&here, &second, &json!({"force": true}))?;
    assert_eq!(forced["state"], "live", "{}", forced["reason"]);
    ensure!(site.page("/")?.contains("version 2<"), "{}", site.page("/")?);
    Ok(())
}
