//! The installation's own keys are replaced while it works: servers follow, also those that were away and those that die in
//! the middle of it, and the audit trail is proven across the change.

use anyhow::{Context, Result, ensure};
use devflow_tests::cli::Cli;
use devflow_tests::docker::Docker;
use devflow_tests::owner::Owner;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts};
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
