//! What is old in the audit trail moves to the bucket: the export is proven over the cut, and nothing is taken out or put in.

use anyhow::{Result, ensure};
use devflow_tests::cli::Cli;
use devflow_tests::database;
use devflow_tests::edge::Edge;
use devflow_tests::places::Scratch;
use serde_json::json;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn old_segments_move_to_the_bucket_and_the_export_is_proven_over_the_cut() -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.path().join("e");
    let mut edge = Edge::start_with(&folder, &json!({"AUDIT_KEPT_DAYS": "120"}))?;
    // What was done 130 days ago, and 110 days ago.
    edge.go_away();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    for days in [130, 110] {
        let db = database::open(&folder.join("data"), "activity_logs")?;
        let at = i64::try_from(now.saturating_sub(DAY * days).as_millis())?;
        for n in 0..3 {
            db.execute(
                "INSERT INTO activity_logs (at, actor, action, subject, detail) VALUES (?1, 'usr_1', 'server.create', 'srv_1', ?2)",
                (at + n, format!("{days} days ago")),
            )?;
        }
        drop(db);
        edge.come_back()?;
        edge.cron()?;
        edge.go_away();
    }
    edge.come_back()?;
    let (api, _) = edge.set_up()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    cli.run_with(&["login", edge.url()], &format!("{}\n", api.key()))?
        .expect(0)?;
    edge.cron()?;
    edge.cron()?;

    let export = cli.run(&["audit", "export"])?.expect(0)?;
    ensure!(export.matches("130 days ago").count() == 3 && export.matches("110 days ago").count() == 3);
    let file = scratch.path().join("audit.jsonl");
    let name = file.to_string_lossy().into_owned();
    fs::write(&file, &export)?;
    let report = cli.run(&["--json", "audit", "verify", &name])?.json()?;
    ensure!(report["segments"].as_u64() >= Some(3), "{report}");

    edge.go_away();
    let db = database::open(&folder.join("data"), "activity_logs")?;
    let count = |detail: &str| {
        let sql = "SELECT count(*) FROM activity_logs WHERE detail = ?1";
        db.query_row(sql, [detail], |row| row.get::<_, i64>(0))
    };
    ensure!(
        (count("130 days ago")?, count("110 days ago")?) == (0, 3),
        "the wrong rows moved"
    );
    let object: String = db.query_row("SELECT object FROM audit_archives", [], |row| row.get(0))?;
    ensure!(object.starts_with("audit/0000000001-"), "{object}");
    // Nobody else takes anything out, puts it in again, or says that it has been moved.
    for attempt in [
        "DELETE FROM activity_logs WHERE detail = '110 days ago'",
        "DELETE FROM audit_segments",
        "INSERT INTO activity_logs (id, at, actor, action, subject) VALUES (1, 1, 'a', 'b', 'c')",
        "INSERT INTO audit_segments (last, number, head, envelope) VALUES (3, 1, 'x', '{}')",
        "UPDATE audit_archives SET last = 99",
        "DELETE FROM audit_archives",
        "INSERT INTO audit_archives (last, number, head, object, archived_at) VALUES (6, 2, 'x', 'y', 1)",
        "INSERT INTO audit_archives SELECT last, number, head, 'y', 1 FROM audit_segments ORDER BY last DESC LIMIT 1",
    ] {
        ensure!(db.execute(attempt, []).is_err(), "{attempt}");
    }
    drop(db);
    edge.come_back()?;

    // It goes on, and an export from before the cut is still the beginning of the one after it.
    api.add_server("two")?;
    edge.cron()?;
    let later = cli.run(&["audit", "export"])?.expect(0)?;
    fs::write(&file, &later)?;
    let head = report["head"].as_str().unwrap_or_default();
    cli.run(&["audit", "verify", &name, "--head", head])?.expect(0)?;
    let changed = later.replacen("130 days ago", "131 days ago", 1);
    fs::write(&file, changed)?;
    ensure!(cli.run(&["audit", "verify", &name])?.code == 5);
    Ok(())
}
