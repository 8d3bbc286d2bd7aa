//! Who is refused is on record: who, what, why and how often, and never a row for each request.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, text};
use devflow_tests::edge::EMAIL;
use devflow_tests::house::House;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::session::Session;
use serde_json::{Value, json};
use std::time::Duration;

/// How often somebody was refused something, and in how many rows.
fn told(api: &Api, actor: &str, action: &str, wanted: &str) -> Result<(u64, usize)> {
    let export = api.get("/audit")?;
    let lines = export["lines"].as_array().context("no lines")?;
    let rows: Vec<&Value> = lines.iter().map(|line| &line["row"]).collect();
    let fits = |row: &&&Value| {
        let is = |name: &str, value: &str| row[name] == value;
        is("actor", actor) && is("action", action) && is("subject", wanted)
    };
    let counts = rows.iter().filter(fits).map(|row| {
        let count = row["detail"].as_str().and_then(|count| count.parse::<u64>().ok());
        count.with_context(|| format!("no count in {row}"))
    });
    let counts = counts.collect::<Result<Vec<_>>>()?;
    Ok((counts.iter().sum(), counts.len()))
}

#[test]
fn refusals_are_counted_and_go_on_record_together() -> Result<()> {
    let house = House::build_with(&json!({"REFUSALS_MS": "3000"}))?;
    let (jane, jane_id) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    let (bob, bob_id) = house.add(
        "bob@example.com",
        &json!({"projects": {&house.blog.id: "viewer"}}),
    )?;
    let flowers = format!("/projects/{}", house.flowers.id);

    // A role that does not cover it, something that may not be seen, a key that does not cover it.
    for _ in 0..3 {
        ensure!(jane.post("/", &format!("{flowers}/deploy"), "")?.status == 403);
    }
    for _ in 0..2 {
        ensure!(bob.send("GET", &flowers, None)?.status == 404);
    }
    let owner = Session::sign_in(house.edge.url(), EMAIL, &house.password)?;
    let made = owner.call("POST", "/keys", Some(&json!({"name": "CI", "scope": "read"})))?;
    let made = made.expect(201)?;
    let (key_id, key) = (
        text(&made, "/key/id")?,
        house.api.with_key(&text(&made, "/token")?),
    );
    let deploy = |api: &Api| api.call("POST", &format!("{flowers}/deployments"), Some(&json!({})));
    for _ in 0..4 {
        ensure!(deploy(&key)?.status == 403);
    }
    // The same key, once it is over: its id is still known.
    let rotate = format!("/keys/{key_id}/rotate");
    owner
        .call("POST", &rotate, Some(&json!({"overlap_hours": 0})))?
        .expect(201)?;
    ensure!(deploy(&key)?.status == 401);
    // Strangers: a key that nobody has, and many times so; a wrong password; a form of another site.
    let nobody = house.api.with_key("dfp_nobody");
    for _ in 0..60 {
        ensure!(nobody.call("GET", "/key", None)?.status == 401);
    }
    let wrong = format!("email={EMAIL}&password=guess");
    ensure!(
        Plain::new(house.edge.url())
            .send("POST", "/sign-in", Some(&wrong))?
            .status
            == 401
    );
    // What is not there at all is no refusal.
    ensure!(
        jane.send("GET", "/projects/prj_01h2e8kqvbfwea724h75qc655w", None)?
            .status
            == 404
    );

    let expected = [
        (jane_id.as_str(), "refusal.not_allowed", "deploy", 3),
        (&bob_id, "refusal.not_found", "see_project", 2),
        (&key_id, "refusal.not_allowed", "deploy", 4),
        (&key_id, "refusal.key_expired", "deploy", 1),
        ("stranger", "refusal.wrong_key", "enter", 60),
        ("stranger", "refusal.wrong_credentials", "/sign-in", 1),
    ];
    wait_for("the refusals to be on record", Duration::from_secs(30), || {
        for (actor, action, wanted, times) in expected {
            let (seen, rows) = told(&house.api, actor, action, wanted)?;
            ensure!(seen == times, "{actor} {action} {wanted}: {seen} of {times}");
            ensure!(rows <= 6, "{rows} rows for {times} requests");
        }
        Ok(Some(()))
    })?;
    let (seen, _) = told(&house.api, &jane_id, "refusal.not_found", "see_project")?;
    ensure!(seen == 0, "what is not there was counted");

    let page = owner.pages.page("/activity?what=refusal&who=jane")?;
    ensure!(
        page.contains("Was refused what their role or key does not cover: deploy")
            && page.contains("jane@example.com")
            && !page.contains("Signed in"),
        "{page:.4000}"
    );
    let page = owner.pages.page("/activity?what=refusal")?;
    ensure!(
        page.contains("somebody who is not known") && page.contains("API key “CI”"),
        "{page:.6000}"
    );
    Ok(())
}
