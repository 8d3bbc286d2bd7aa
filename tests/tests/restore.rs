//! The control plane is lost with all that it knew since yesterday, and comes back from a copy: what the server has is what is
//! true, nothing is done twice, and the next push deploys.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::database;
use devflow_tests::docker::Docker;
use devflow_tests::edge::EMAIL;
use devflow_tests::owner::Owner;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// The Worker and its databases are gone; a new one would have keys of its own.
fn lose(edge: &Path) -> Result<()> {
    fs::remove_dir_all(edge.join("data"))?;
    let file = edge.join("edge.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    settings["vars"]["JOB_KEY"] = json!(other);
    settings["vars"]["DATA_KEY"] = json!(other);
    if let Some(vars) = settings["vars"].as_object_mut() {
        vars.remove("KEY_STATEMENTS");
    }
    Ok(fs::write(&file, settings.to_string())?)
}

/// A copy that was made in the middle of a deployment: its end is not in it.
fn forget_the_end(edge: &Path, deployment: &str) -> Result<()> {
    let db = database::open(&edge.join("data"), "jobs")?;
    let changed = db.execute(
        "UPDATE jobs SET state = 'running', outcome = NULL, finished_at = NULL WHERE deployment = ?1",
        [deployment],
    )?;
    ensure!(changed == 1, "there is no such job");
    db.execute(
        "UPDATE deployments SET state = 'building', finished_at = NULL, manifest = NULL WHERE id = ?1",
        [deployment],
    )?;
    Ok(())
}

/// All environments as they are stored, the largest first.
fn environments(edge: &Path) -> Result<Vec<String>> {
    let db = database::open(&edge.join("data"), "environments")?;
    let mut statement = db.prepare("SELECT sealed FROM environments ORDER BY length(sealed) DESC, sealed")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn project(here: &Installation, site: &Site<'_>) -> Result<Value> {
    here.api.get(&format!("/projects/{}", site.project.id))
}

#[test]
fn server_that_lost_its_state_is_enrolled_again_and_keeps_its_projects() -> Result<()> {
    let mut here = Installation::start_with(
        Docker::find()?,
        Parts::default(),
        &json!({"POLL_HOLD_MS": "1000"}),
    )?;
    let site = here.project("php", &json!({}))?.detach();
    let (_, first) = site.on(&here).push_live("First version")?;
    let (state, stolen) = (here.folder().join("s/state"), here.folder().join("stolen"));
    here.server.runner.stop();
    fs::rename(&state, &stolen)?;
    here.server.runner.enrol_again(&here.api)?;
    ensure!(site.on(&here).page("/")?.contains("version 1\n"));
    site.on(&here).repository.write("VERSION", "2\n")?;
    let (_, second) = site.on(&here).push_live("Version 2")?;
    let now = project(&here, &site.on(&here))?;
    ensure!(
        now["kept_releases"] == json!([second["id"], first["id"]]),
        "{now}"
    );

    // Who has the old keys gets nothing any more.
    here.server.runner.stop();
    fs::rename(&state, here.folder().join("own"))?;
    fs::rename(&stolen, &state)?;
    here.server.runner.start()?;
    wait_for("the old keys to be refused", SOON, || {
        let log = fs::read_to_string(here.server.runner.log())?;
        ensure!(log.contains("unknown_runner"), "{log}");
        Ok(Some(()))
    })?;
    here.server.runner.kill();
    Ok(())
}

#[test]
fn lost_edge_comes_back_from_a_copy_and_believes_its_servers() -> Result<()> {
    let mut here = Installation::start_with(
        Docker::find()?,
        Parts::default(),
        &json!({"POLL_HOLD_MS": "1000"}),
    )?;
    let edge = here.folder().join("e");
    let owner = Owner::of(&edge, &here.folder().join("keys"))?;
    owner.xtask(&["rotate", "job-key"])?;
    here.edge.go_away();
    here.edge.come_back()?;
    let site = here.project("php", &json!({}))?.detach();
    let (_, first) = site.on(&here).push_live("First version")?;
    let first = text(&first, "/id")?;
    // One version of the environment is larger than a statement of D1 may be.
    for large in ["x".repeat(90_000), String::new()] {
        here.api
            .set_environment(&site.on(&here).project, &json!({"LARGE": large}))?;
    }

    here.edge.go_away();
    let environments = environments(&edge)?;
    ensure!(environments[0].len() > 100_000, "it is no large one");
    let copy = here.folder().join("copy");
    let told = owner.xtask(&["backup-edge", "--to", &copy.to_string_lossy()])?;
    ensure!(told.contains("✓") && !told.contains("MISSING"), "{told}");
    here.edge.come_back()?;

    // What is not in the copy: a deployment, and a project.
    site.on(&here).repository.write("VERSION", "2\n")?;
    let (push, second) = site.on(&here).push_live("Version 2")?;
    let second = text(&second, "/id")?;
    let blog = here.project_named("blog", "php", &json!({}))?.detach();
    blog.on(&here).push_live("A blog")?;
    let slug = blog.on(&here).project.slug.clone();

    here.edge.go_away();
    lose(&edge)?;
    let with = copy.to_string_lossy().into_owned();
    owner.xtask(&["restore-edge", "--from", &with])?;
    let again = owner.xtask(&["restore-edge", "--from", &with]).err();
    let again = again
        .context("a database that is there was written over")?
        .to_string();
    ensure!(again.contains("has a database already"), "{again}");
    ensure!(
        self::environments(&edge)? == environments,
        "environments came back otherwise"
    );
    forget_the_end(&edge, &first)?;
    here.edge.come_back()?;

    let now = wait_for("the server to tell what is live", SOON, || {
        let now = project(&here, &site.on(&here))?;
        ensure!(now["live_deployment"] == json!(second), "{now}");
        ensure!(now["kept_releases"] == json!([second, first]), "{now}");
        Ok(Some(here.api.deployment(&second)?))
    })?;
    ensure!(
        now["state"] == "live" && now["commit"] == json!(push.after) && now["subject"] == "Version 2",
        "{now}"
    );
    let page = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?
        .page(&format!("/projects/{}", site.on(&here).project.id))?;
    ensure!(
        page.contains(&push.after[..7]),
        "the page shows another release: {page:.2000}"
    );
    // The end of the first deployment is told once more; nothing is done again.
    here.api.live(&first, SOON)?;
    let log = fs::read_to_string(here.server.runner.log())?;
    ensure!(log.contains("was done in an earlier attempt"), "{log}");
    ensure!(site.on(&here).page("/")?.contains("version 2\n"));
    let server = here.api.get(&format!("/servers/{}", here.server.runner.id()))?;
    ensure!(server["unknown_projects"] == json!([slug]), "{server}");
    // The next push deploys, and what was adopted can be gone back to.
    site.on(&here).repository.write("VERSION", "3\n")?;
    site.on(&here).push_live("Version 3")?;
    let back = here
        .api
        .post(&format!("/deployments/{second}/rollback"), &json!({}), 202)?;
    here.api
        .live(&text(&back, "/deployment/id")?, Duration::from_mins(1))?;
    ensure!(site.on(&here).page("/")?.contains("version 2\n"));
    let done = database::open(&edge.join("data"), "activity_logs")?;
    for action in ["edge.restored", "project.corrected", "server.unknown_projects"] {
        let sql = "SELECT count(*) FROM activity_logs WHERE action = ?1";
        let rows: i64 = done.query_row(sql, [action], |row| row.get(0))?;
        ensure!(rows == 1, "{action} is on record {rows} times");
    }
    Ok(())
}
