//! The audit trail: exported by the command, proven without the installation, and refused once it was tampered with.

use anyhow::{Context, Result, ensure};
use devflow_tests::cli::Cli;
use devflow_tests::database;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::house::House;
use devflow_tests::places::Scratch;
use devflow_tests::plain::Plain;
use serde_json::json;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[test]
fn export_is_proven_offline_and_a_tampered_one_is_refused() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut edge = Edge::start(&scratch.path().join("e"))?;
    let (api, password) = edge.set_up()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    cli.run_with(&["login", edge.url()], &format!("{}\n", api.key()))?
        .expect(0)?;
    let pages = Plain::sign_in(edge.url(), EMAIL, &password)?;

    // What was done before the first seal, and after it.
    api.add_server("one")?;
    edge.cron()?;
    api.add_server("two")?;
    let first = cli.run(&["audit", "export"])?.expect(0)?;
    edge.cron()?;
    let whole = cli.run(&["audit", "export"])?.expect(0)?;
    edge.go_away();

    let file = scratch.path().join("audit.jsonl");
    let name = file.to_string_lossy().into_owned();
    let verify = |text: &str, more: &[&str]| {
        fs::write(&file, text)?;
        cli.run(&[&["--json", "audit", "verify", &name], more].concat())
    };
    let before = verify(&first, &[])?.json()?;
    ensure!(before["sealed_rows"].as_u64() >= Some(3), "{before}");
    let report = verify(&whole, &[])?.json()?;
    // Set-up, sign-in, two servers, and that the trail was exported; the second export is behind the last seal.
    ensure!(report["sealed_rows"].as_u64() >= Some(5), "{report}");
    let (head, print) = (&before["head"], &report["fingerprint"]);
    let known = [
        "--head",
        head.as_str().unwrap_or_default(),
        "--fingerprint",
        print.as_str().unwrap_or_default(),
    ];
    verify(&whole, &known)?.expect(0)?;

    // Where somebody signed in from is in the side table, and can be left out without harm.
    ensure!(whole.contains("An unknown browser, "), "no place in:\n{whole}");

    let changed = whole.replacen("server.create", "server.delete", 1);
    let shorter = whole.lines().take(3).collect::<Vec<_>>().join("\n");
    ensure!(verify(&changed, &[])?.code == 5, "a changed row was taken");
    ensure!(
        verify(&shorter, &known)?.code == 5,
        "an end that was cut off was taken"
    );
    ensure!(verify(&whole, &["--fingerprint", "sha256:00"])?.code == 5);

    edge.come_back()?;
    let page = pages.page("/activity?what=server&who=set-up")?;
    ensure!(
        page.contains("Added the server") && !page.contains("Signed in"),
        "the filter does nothing"
    );
    ensure!(
        pages
            .page("/activity?what=session")?
            .contains("An unknown browser, ")
    );
    Ok(())
}

#[test]
fn deletion_of_a_person_leaves_the_exported_chain_whole() -> Result<()> {
    let house = House::build()?;
    let scratch = Scratch::new()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    cli.run_with(&["login", house.edge.url()], &format!("{}\n", house.api.key()))?
        .expect(0)?;
    let owner = house.owner()?;
    let (_, id) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    house.edge.cron()?;
    let file = scratch.path().join("audit.jsonl");
    let name = file.to_string_lossy().into_owned();
    let verify = |more: &[&str]| {
        fs::write(&file, cli.run(&["audit", "export"])?.expect(0)?)?;
        cli.run(&[&["--json", "audit", "verify", &name], more].concat())?
            .json()
    };
    let before = verify(&[])?;
    let of_jane = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| line.contains(&id) && line.contains("An unknown browser, "));
        lines.count()
    };
    ensure!(
        of_jane(&fs::read_to_string(&file)?) == 1,
        "it does not say where she came in from"
    );

    let person = format!("/people/{id}");
    owner.submit(&person, &format!("{person}/delete"), "confirm=jane@example.com")?;
    house.edge.cron()?;
    let head = before["head"].as_str().unwrap_or_default();
    let after = verify(&["--head", head])?;
    let text = fs::read_to_string(&file)?;
    ensure!(
        of_jane(&text) == 0 && !text.contains("jane@example.com"),
        "she is still named"
    );
    ensure!(
        after["erased"].as_u64() == before["erased"].as_u64().map(|erased| erased + 1),
        "{before} {after}"
    );
    Ok(())
}

#[test]
fn old_segment_that_was_changed_is_told_once_and_refused_at_its_line() -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.path().join("e");
    let mut edge = Edge::start_with(&folder, &json!({"AUDIT_KEPT_DAYS": "120"}))?;
    edge.go_away();
    // Three rows of 130 days ago are sealed; somebody changes the middle one, before it is due to leave for the bucket.
    let day = Duration::from_hours(24);
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)?
        .saturating_sub(130 * day);
    let at = i64::try_from(at.as_millis())?;
    let open = || database::open(&folder.join("data"), "activity_logs");
    for server in ["one", "two", "three"] {
        open()?.execute(
            "INSERT INTO activity_logs (at, actor, action, subject, detail) VALUES (?1, 'usr_1', 'server.remove', 'srv_1', ?2)",
            (at, server),
        )?;
    }
    edge.come_back()?;
    edge.cron()?;
    edge.go_away();
    let db = open()?;
    db.execute_batch("DROP TRIGGER activity_logs_never_change")?;
    let changed = db.execute(
        "UPDATE activity_logs SET actor = 'usr_2' WHERE detail = 'two'",
        [],
    )?;
    ensure!(changed == 1);
    drop(db);
    edge.come_back()?;
    let (api, password) = edge.set_up()?;
    for _ in 0..3 {
        edge.cron()?;
    }

    // It is told once, on record too, and stays where people can look at it.
    let told = "up to row 3: the rows are not those that segment 1 sealed";
    let log = fs::read_to_string(edge.log())?;
    ensure!(log.matches(told).count() == 1, "{log}");
    let pages = Plain::sign_in(edge.url(), EMAIL, &password)?;
    ensure!(pages.page("/activity")?.contains(told), "the page says nothing");
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    cli.run_with(&["login", edge.url()], &format!("{}\n", api.key()))?
        .expect(0)?;
    let export = cli.run(&["audit", "export"])?.expect(0)?;
    ensure!(export.matches("audit.broken").count() == 1, "{export}");

    // The line at fault is the segment's: which of its rows was changed it cannot know.
    let line = export.lines().position(|line| line.contains("\"envelope\""));
    let line = 1 + line.context("no segment")?;
    let file = scratch.path().join("audit.jsonl");
    fs::write(&file, &export)?;
    let name = file.to_string_lossy().into_owned();
    let refused = cli.run(&["audit", "verify", &name])?;
    let expected = format!("line {line}: the rows are not those that segment 1 sealed");
    ensure!(
        refused.code == 5 && refused.err.contains(&expected),
        "{refused:?}"
    );
    ensure!(refused.out.is_empty(), "{refused:?}");

    // What was so before is proven again, whatever else was done since.
    fs::write(&file, export.replacen("usr_2", "usr_1", 1))?;
    cli.run(&["audit", "verify", &name])?.expect(0)?;
    Ok(())
}
