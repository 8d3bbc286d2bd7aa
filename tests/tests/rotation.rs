//! The installation's own keys are replaced while it works: servers follow, also those that were away and those that die in
//! the middle of it, and the audit trail is proven across the change.

use anyhow::{Context, Result, ensure};
use devflow_tests::alone::Alone;
use devflow_tests::api::{Project, text};
use devflow_tests::cli::Cli;
use devflow_tests::database;
use devflow_tests::docker::Docker;
use devflow_tests::owner::Owner;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts};
use devflow_tests::webhook::Delivery;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn status(here: &Installation) -> Result<Value> {
    let mut command = here.server.runner.command("status")?;
    let told = devflow_tests::process::output(command.arg("--json"))?;
    serde_json::from_str(&told).context("no JSON")
}

/// Waits until the server trusts the key that the edge signs with; gives its fingerprint.
fn followed(here: &Installation) -> Result<String> {
    let security = here.api.get("/security")?;
    wait_for("the server to follow", SOON, || {
        let told = status(here)?;
        ensure!(
            told["job_key"] == security["job_key"] && told["recovery_key"] == security["recovery_key"],
            "the server trusts {told}, the edge has {security}"
        );
        Ok(Some(()))
    })?;
    Ok(security["job_key"].as_str().context("no fingerprint")?.to_owned())
}

#[test]
fn job_key_is_replaced_and_every_server_follows() -> Result<()> {
    let mut here = Installation::start_with(
        Docker::find()?,
        Parts::default(),
        &json!({"POLL_HOLD_MS": "1000"}),
    )?;
    let owner = Owner::of(&here.folder().join("e"), &here.folder().join("keys"))?;
    let site = here.project("php", &json!({}))?.detach();
    site.on(&here).push_live("First version")?;
    let cli = Cli::new(&here.folder().join("home"), here.folder());
    cli.run_with(&["login", here.edge.url()], &format!("{}\n", here.api.key()))?
        .expect(0)?;
    here.edge.cron()?;
    let first = status(&here)?["job_key"].as_str().context("no key")?.to_owned();

    // The owner replaces the key; the runner learns of the recovery key by the same word.
    owner.xtask(&["rotate", "job-key"])?;
    here.edge.go_away();
    here.edge.come_back()?;
    let second = followed(&here)?;
    ensure!(second != first, "the key is the same");
    site.on(&here).repository.write("VERSION", "2\n")?;
    site.on(&here).push_live("Version 2")?;

    // Twice while the server is away, the second time because the key leaked; then its runner dies before and after it has
    // written what it trusts.
    here.server.runner.stop();
    owner.xtask(&["rotate", "job-key"])?;
    let offline = here.folder().join("offline.key");
    fs::rename(here.folder().join("keys/recovery.key"), &offline)?;
    owner.xtask(&["rotate", "job-key", "--recovery-key", &offline.to_string_lossy()])?;
    here.edge.go_away();
    here.edge.come_back()?;
    for moment in ["before:pin-keys", "after:pin-keys"] {
        here.server.runner.kill_at(moment)?;
        here.server.runner.start()?;
        if moment == "before:pin-keys" {
            here.server.runner.killed(SOON)?;
            ensure!(
                status(&here)?["job_key"] == json!(second),
                "half of it was written"
            );
        } else {
            here.server.runner.killed(SOON)?;
        }
    }
    here.server.runner.start()?;
    let third = followed(&here)?;
    site.on(&here).repository.write("VERSION", "3\n")?;
    site.on(&here).push_live("Version 3")?;
    let server = here.api.get(&format!("/servers/{}", here.server.runner.id()))?;
    let trusted = server["job_key"].as_str().context("the server said nothing")?;
    ensure!(
        third.contains(trusted),
        "the dashboard tells another key: {server}"
    );

    // The trail goes over all of it, and no earlier key proves anything any more.
    here.edge.cron()?;
    let file = here.folder().join("audit.jsonl");
    fs::write(&file, cli.run(&["audit", "export"])?.expect(0)?)?;
    let witness = here.folder().join("witness.jsonl");
    let seen = wait_for("the server to see a segment of the new key", SOON, || {
        let mut command = here.server.runner.command("status")?;
        let seen = devflow_tests::process::output(command.arg("--audit"))?;
        ensure!(seen.lines().count() >= 2, "it saw {seen}");
        Ok(Some(seen))
    })?;
    fs::write(&witness, seen)?;
    let (file, witness) = (file.to_string_lossy(), witness.to_string_lossy());
    let told = cli
        .run(&[
            "audit",
            "verify",
            &file,
            "--fingerprint",
            &third,
            "--witness",
            &witness,
        ])?
        .expect(0)?;
    ensure!(told.contains("whole:") && told.contains("witnessed:"), "{told}");
    for old in [&first, &second] {
        let refused = cli.run(&["audit", "verify", &file, "--fingerprint", old])?;
        ensure!(refused.code == 5, "{refused:?}");
    }
    let status = here.server.runner.tell("status")?;
    ensure!(!status.contains("ANOTHER TRAIL"), "{status}");
    Ok(())
}

/// Everything that is encrypted opens, and what a first request with a key was answered is answered again.
fn opens(here: &Alone, project: &Project, idempotent: &Value) -> Result<()> {
    let path = format!("/projects/{}", project.id);
    let environment = here.api.get(&format!("{path}/environment?reveal=true"))?;
    ensure!(environment["values"]["TOKEN"] == "a secret", "{environment}");
    let endpoint = text(&here.api.get(&format!("{path}/endpoints"))?, "/items/0/id")?;
    here.api
        .post(&format!("/endpoints/{endpoint}/secret"), &json!({}), 200)?;
    Delivery::new("ping", &json!({"zen": "x"}))
        .send(&project.hook)?
        .expect(200)?;
    let again = replayed(here)?;
    ensure!(again == *idempotent, "{again}");
    Ok(())
}

/// A request that is done once.
fn replayed(here: &Alone) -> Result<Value> {
    let body = json!({"name": "two"});
    here.api
        .call_with("POST", "/servers", &[("idempotency-key", "k")], Some(&body))?
        .expect(201)
}

#[test]
fn data_key_is_replaced_and_everything_opens_with_the_new_one_alone() -> Result<()> {
    let mut here = Alone::start()?;
    let owner = Owner::of(here.folder(), &here.folder().join("keys"))?;
    let project = here.project("shop", &json!({}))?;
    here.api
        .set_environment(&project, &json!({"TOKEN": "a secret"}))?;
    for n in 1..25 {
        here.api
            .set_environment(&project, &json!({"OTHER": n.to_string()}))?;
    }
    let endpoint =
        json!({"kind": "webhook", "name": "x", "url": "http://127.0.0.1:9/", "events": ["failed"]});
    here.api
        .post(&format!("/projects/{}/endpoints", project.id), &endpoint, 201)?;
    let idempotent = replayed(&here)?;
    opens(&here, &project, &idempotent)?;
    let security = |here: &Alone| Ok::<Value, anyhow::Error>(here.api.get("/security")?["data_key"].clone());
    let before = text(&security(&here)?, "/id")?;
    let refused = owner.xtask(&["rotate", "data-key", "--finish"]);
    ensure!(refused.is_err(), "there was nothing to finish");

    owner.xtask(&["rotate", "data-key"])?;
    here.edge.go_away();
    here.edge.come_back()?;
    opens(&here, &project, &idempotent)?;
    let now = security(&here)?;
    ensure!(
        now["previous"] == json!(before) && now["done_at"].is_null(),
        "{now}"
    );
    for _ in 0..2 {
        let refused = owner.xtask(&["rotate", "data-key", "--finish"]).err();
        let refused = refused.context("it was ended too early")?.to_string();
        ensure!(refused.contains("not encrypted everything anew yet"), "{refused}");
        here.edge.cron()?;
    }
    // 25 environments, hook and answer (the endpoint got another secret): in two runs, and a look that finds nothing more.
    here.edge.cron()?;
    let now = security(&here)?;
    ensure!(now["done_at"].is_i64() && now["unreadable"] == 0, "{now}");
    ensure!(now["reencrypted"].as_i64() >= Some(27), "{now}");

    here.edge.go_away();
    owner.xtask(&["rotate", "data-key", "--finish"])?;
    let db = database::open(&here.folder().join("data"), "environments")?;
    let sql = "SELECT count(*) FROM environments WHERE sealed LIKE ?1 || '.%'";
    let left: i64 = db.query_row(sql, [&before], |row| row.get(0))?;
    ensure!(left == 0, "{left} are under the key before");
    drop(db);
    here.edge.come_back()?;
    opens(&here, &project, &idempotent)?;
    ensure!(security(&here)?["previous"].is_null());
    let kept = here.folder().join(format!("keys/data.{before}.key"));
    ensure!(
        kept.exists(),
        "copies of the database from before cannot be read any more"
    );
    Ok(())
}
