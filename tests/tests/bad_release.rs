//! Releases that must not get traffic, or not keep it: the one before serves on, and the page says why.

use anyhow::{Context, Result, ensure};
use devflow_protocol::outcome::cause;
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Value, json};
use std::time::Duration;

const CONTROLLER: &str = "app/Http/Controllers/OrderController.php";

/// A browser of the owner.
fn watch(here: &Installation) -> Result<Browser> {
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;
    Ok(browser)
}

/// Pushes what is in the clone and waits until the deployment has ended in `state`, with `reason` in its reason, which
/// its page tells in full.
fn ends(here: &Installation, site: &Site<'_>, page: &Browser, state: &str, reason: &str) -> Result<Value> {
    let (_, deployment) = site.push(&format!("Ends {state}: {reason}"))?;
    let ended = here.api.finished(&deployment, Duration::from_mins(2))?;
    let output = here.api.output(&deployment)?;
    ensure!(
        ended["state"] == state,
        "expected {state} ({reason}), got {} ({})\n{output}",
        ended["state"],
        ended["reason"]
    );
    let said = ended["reason"].as_str().context("no reason")?;
    ensure!(
        said.contains(reason),
        "the reason does not name `{reason}`: {said}\n{output}"
    );
    page.open(&format!("{}/deployments/{deployment}", here.edge.url()))?;
    // What stands between backticks is set as code there.
    let words = |text: &str| {
        let text = text.replace('`', "");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let shown = words(&page.text()?);
    let serves = ["The release before serves on", "the one before serves again"];
    ensure!(
        shown.contains(&words(cause(said))) && serves.iter().any(|words| shown.contains(words)),
        "the page does not say why ({said}): {shown}"
    );
    Ok(ended)
}

fn replace(site: &Site<'_>, file: &str, from: &str, to: &str) -> Result<()> {
    let text = site.repository.read(file)?;
    ensure!(text.contains(from), "{file} has no `{from}`");
    site.repository.write(file, &text.replace(from, to))
}

#[test]
fn release_that_fails_before_the_switch_never_gets_traffic() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let site = here.project(
        "laravel",
        &json!({
            "services": {"mariadb": true}, "release": {"keep": 5, "drain_s": 5, "observe_s": 1, "ready_s": 5},
        }),
    )?;
    let (_, first) = site.push_live("First version")?;
    let serves = || -> Result<()> {
        ensure!(
            site.page("/")?.contains("Orders, version 1"),
            "the old release does not serve"
        );
        let live = here.server.live_release(&site.project.slug);
        ensure!(
            live.as_deref() == first["id"].as_str(),
            "`current` points to {live:?}"
        );
        Ok(())
    };
    let page = watch(&here)?;
    let back = || site.repository.git(&["revert", "--no-edit", "HEAD"]).map(drop);

    site.repository.write("VERSION", "2\n")?;
    replace(&site, "package.json", "build-assets.mjs", "does-not-exist.mjs")?;
    ends(&here, &site, &page, "failed", "assets")?;
    serves()?;
    back()?;

    site.repository.write("VERSION", "3\n")?;
    replace(
        &site,
        "routes/console.php",
        "use Illuminate\\Support\\Facades\\DB;",
        "use Illuminate\\Support\\Facades\\DB;\nif (in_array('env', $_SERVER['argv'] ?? [])) { throw new RuntimeException('cannot boot'); }",
    )?;
    ends(&here, &site, &page, "failed", "boot")?;
    serves()?;
    back()?;

    site.repository.write("VERSION", "4\n")?;
    let migration = "database/migrations/2026_02_01_000000_broken.php";
    site.repository.write(migration, "<?php\nreturn new class extends Illuminate\\Database\\Migrations\\Migration {\n    public function up() { throw new RuntimeException('no such column'); }\n};\n")?;
    ends(&here, &site, &page, "failed", "migrate")?;
    serves()?;
    back()?;

    site.repository.write("VERSION", "5\n")?;
    replace(&site, CONTROLLER, "DB::select('select 1');", "abort(500);")?;
    let ended = ends(&here, &site, &page, "failed", "/up")?;
    ensure!(
        ended["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("500")),
        "the status is not named: {}",
        ended["reason"]
    );
    serves()?;
    back()?;

    // Nothing of the failed releases runs on, and the next good push goes live.
    site.repository.write("VERSION", "6\n")?;
    site.push_live("Good again")?;
    ensure!(site.page("/")?.contains("Orders, version 6"));
    Ok(())
}

#[test]
fn release_that_turns_bad_under_observation_is_switched_back() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let site = here.project("laravel", &json!({
        "services": {"mariadb": true}, "release": {"keep": 5, "drain_s": 5, "observe_s": 20, "ready_s": 10},
    }))?;
    let page = watch(&here)?;
    // The first release is watched for as long as any other.
    let (_, first) = site.push_live("First version")?;
    site.repository.write("VERSION", "2\n")?;
    // Healthy until it is live: the name that `current` points to is only this release's after the switch.
    replace(
        &site,
        CONTROLLER,
        "DB::select('select 1');",
        "$asked = storage_path('app/asked-2'); file_put_contents($asked, 'x', FILE_APPEND); if (filesize($asked) > 2) { abort(503); }",
    )?;
    let ended = ends(&here, &site, &page, "rolled_back", "503")?;
    ensure!(site.page("/")?.contains("Orders, version 1"));
    ensure!(here.server.live_release(&site.project.slug).as_deref() == first["id"].as_str());
    ensure!(ended["finished_at"].is_number(), "{ended}");
    Ok(())
}

#[test]
fn rollback_by_a_person_goes_to_a_kept_release() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    let (_, first) = site.push_live("First version")?;
    site.repository.write("VERSION", "2\n")?;
    site.push_live("Second version")?;
    ensure!(site.page("/")?.contains("version 2"));
    let first = first["id"].as_str().context("id")?;
    let answer = here
        .api
        .post(&format!("/deployments/{first}/rollback"), &json!({}), 202)?;
    let deployment = devflow_tests::api::text(&answer, "/deployment/id")?;
    here.api.live(&deployment, Duration::from_mins(1))?;
    ensure!(site.page("/")?.contains("version 1"), "{}", site.page("/")?);
    Ok(())
}
