//! The audit trail made again with the edge's own key: whole in itself, and not what the servers saw.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Row, seal};
use devflow_tests::cli::Cli;
use devflow_tests::database;
use devflow_tests::docker::Docker;
use devflow_tests::process::{output, wait_for};
use devflow_tests::server::{Installation, Parts};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

/// What the server kept, as its person prints it.
fn witnesses(here: &Installation) -> Result<String> {
    output(here.server.runner.command("status")?.arg("--audit"))
}

fn status(here: &Installation) -> Result<Value> {
    let told = output(here.server.runner.command("status")?.arg("--json"))?;
    serde_json::from_str(&told).context("no JSON")
}

/// The edge's job key, as whoever takes the Worker over has it.
fn job_key(folder: &Path) -> Result<SigningKey> {
    let config: Value = serde_json::from_slice(&fs::read(folder.join("edge.json"))?)?;
    let seed = BASE64_STANDARD.decode(config["vars"]["JOB_KEY"].as_str().context("no key")?)?;
    let seed: [u8; 32] = seed.try_into().ok().context("no seed of 32 bytes")?;
    Ok(SigningKey::from_bytes(&seed))
}

fn rows(db: &Connection, after: i64, last: i64) -> Result<Vec<Row>> {
    let sql = "SELECT id, at, actor, action, subject, detail, personal FROM activity_logs WHERE id > ?1 AND id <= ?2";
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([after, last], |row| {
        Ok(Row {
            id: row.get(0)?,
            at: UnixMillis(row.get(1)?),
            actor: row.get(2)?,
            action: row.get(3)?,
            subject: row.get(4)?,
            detail: row.get(5)?,
            personal: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Changes what was done, and seals all of it again as the edge does.
fn make_again(folder: &Path) -> Result<()> {
    let db = database::open(&folder.join("data"), "activity_logs")?;
    for trigger in ["activity_logs_never_change", "audit_segments_never_change"] {
        db.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}"))?;
    }
    let changed = db.execute(
        "UPDATE activity_logs SET actor = 'usr_somebody' WHERE action = 'server.create'",
        [],
    )?;
    ensure!(changed > 0, "nothing was there to change");
    let edge: String = db.query_row("SELECT value FROM settings WHERE name = 'edge_id'", [], |row| {
        row.get(0)
    })?;
    let ends: Vec<i64> = db
        .prepare("SELECT last FROM audit_segments ORDER BY last")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let key = job_key(folder)?;
    let (mut after, mut before): (i64, Option<(u64, String)>) = (0, None);
    for last in ends {
        let behind = before.as_ref().map(|(number, head)| (*number, head.as_str()));
        let rows = rows(&db, after, last)?;
        let sealed = seal(&edge, behind, &rows, &key, UnixMillis(9)).context("no rows")?;
        db.execute(
            "UPDATE audit_segments SET head = ?2, envelope = ?3 WHERE last = ?1",
            (last, &sealed.head, serde_json::to_string(&sealed.envelope)?),
        )?;
        (after, before) = (last, Some((sealed.segment.number, sealed.head)));
    }
    Ok(())
}

/// Says of a row of the first segment that somebody else did it, and leaves the seals alone; gives who did.
fn change_old_row(folder: &Path, actor: Option<&str>) -> Result<String> {
    let db = database::open(&folder.join("data"), "activity_logs")?;
    db.execute_batch("DROP TRIGGER IF EXISTS activity_logs_never_change")?;
    let first = "id = (SELECT min(last) FROM audit_segments)";
    let sql = format!("SELECT actor FROM activity_logs WHERE {first}");
    let did = db.query_row(&sql, [], |row| row.get(0))?;
    let sql = format!("UPDATE activity_logs SET actor = ?1 WHERE {first}");
    ensure!(db.execute(&sql, [actor.unwrap_or("usr_somebody")])? == 1);
    Ok(did)
}

#[test]
fn trail_made_again_with_the_edges_own_key_is_refused_by_a_witness() -> Result<()> {
    let mut here = Installation::start_with(
        Docker::find()?,
        Parts::default(),
        &json!({"POLL_HOLD_MS": "1000", "DEBUG_COST": "1"}),
    )?;
    let cli = Cli::new(&here.folder().join("home"), here.folder());
    cli.run_with(&["login", here.edge.url()], &format!("{}\n", here.api.key()))?
        .expect(0)?;
    here.edge.cron()?;
    here.api.add_server("two")?;
    here.edge.cron()?;
    let seen = wait_for("the server to see the newest segment", SOON, || {
        let number = status(&here)?["audit"]["segment"].as_u64();
        ensure!(number >= Some(2), "it saw {number:?}");
        Ok(Some(witnesses(&here)?))
    })?;
    let (file, witness) = (
        here.folder().join("audit.jsonl"),
        here.folder().join("witness.jsonl"),
    );
    fs::write(&witness, &seen)?;
    let verify = |more: &[&str]| {
        fs::write(&file, cli.run(&["audit", "export"])?.expect(0)?)?;
        let file = file.to_string_lossy().into_owned();
        cli.run(&[&["audit", "verify", &file], more].concat())
    };
    let with = witness.to_string_lossy().into_owned();
    let with = ["--witness", with.as_str()];
    let told = verify(&with)?.expect(0)?;
    ensure!(told.contains("witnessed:"), "{told}");
    ensure!(status(&here)?["audit"]["contradictions"] == 0);

    // It costs an idle server nothing that is counted.
    let log = fs::read_to_string(here.edge.log())?;
    let mut polls = log
        .lines()
        .filter(|line| line.contains("cost of POST /runner/v1/poll"));
    let last = polls.next_back().context("no poll was logged")?;
    ensure!(last.contains(", 0 rows written"), "{last}");

    // A row of an old segment is changed, which servers saw sealed: the seal itself tells, at its line.
    here.edge.go_away();
    let did = change_old_row(&here.folder().join("e"), None)?;
    here.edge.come_back()?;
    for known in [&[][..], &with[..]] {
        let refused = verify(known)?;
        let line = 1 + fs::read_to_string(&file)?
            .lines()
            .position(|line| line.contains("\"envelope\""))
            .context("no segment")?;
        let expected = format!("line {line}: the rows are not those that segment 1 sealed");
        ensure!(
            refused.code == 5 && refused.err.contains(&expected),
            "{refused:?}"
        );
    }
    here.edge.go_away();
    change_old_row(&here.folder().join("e"), Some(&did))?;
    here.edge.come_back()?;
    verify(&with)?.expect(0)?;

    here.edge.go_away();
    make_again(&here.folder().join("e"))?;
    here.edge.come_back()?;
    // Signed by the right key and whole: by itself it proves what never happened.
    let alone = verify(&[])?;
    ensure!(alone.code == 0 && alone.out.contains("whole:"), "{alone:?}");
    let refused = verify(&with)?;
    ensure!(
        refused.code == 5 && refused.err.contains("saw another segment"),
        "{refused:?}"
    );

    // The server notices it by itself as soon as the trail goes on.
    here.api.add_server("three")?;
    here.edge.cron()?;
    wait_for("the server to notice", SOON, || {
        let told = here.server.runner.tell("status")?;
        ensure!(told.contains("ANOTHER TRAIL WAS SHOWN"), "{told}");
        Ok(Some(()))
    })?;
    let log = fs::read_to_string(here.server.runner.log())?;
    ensure!(
        log.contains("is not the one that this server saw before"),
        "the log says nothing"
    );
    Ok(())
}
