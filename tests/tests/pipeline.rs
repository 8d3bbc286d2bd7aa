//! The pipeline of a project: told before it runs, with hooks that a person adds on the page.

use anyhow::{Context, Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::server::{Installation, Parts};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item[field].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn hook_added_on_the_page_is_shown_in_the_plan_and_runs_where_it_says() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;

    // What only a shell would understand is refused with a word about it, and what was typed is still there.
    browser.open(&format!(
        "{}/projects/{}/pipeline",
        here.edge.url(),
        site.project.id
    ))?;
    browser.shows("Moves visitors to the release, at once.", SOON)?;
    browser.fill("#hook-name", "stamp")?;
    browser.fill("#hook-command", "date && hostname")?;
    browser.click("form[action$='/pipeline/set'] button")?;
    browser.shows("does nothing without a shell", SOON)?;
    let told = browser.console()?;
    ensure!(told.len() == 1 && told[0].contains("422"), "{told:#?}");
    browser.fill(
        "#hook-command",
        "sh -c 'echo \"hook of $(cat VERSION)\" > public/stamp.txt'",
    )?;
    browser.click("form[action$='/pipeline/set'] button")?;
    browser.shows("The hook stamp runs from the next deployment on.", SOON)?;
    browser.shows("hook:stamp", SOON)?;

    let path = format!("/projects/{}/pipeline", site.project.id);
    let planned = here.api.get(&path)?;
    let told = names(&planned["steps"], "name");
    let (_, done) = site.push_live("With a hook")?;
    assert_eq!(names(&done["steps"], "step"), told);
    let version = site.repository.read("VERSION")?;
    assert_eq!(
        site.page("/stamp.txt")?.trim(),
        format!("hook of {}", version.trim())
    );

    // The server has the last word.
    let policy = here.folder().join("s/policy.toml");
    let text = fs::read_to_string(&policy)?;
    fs::write(&policy, format!("{text}own_commands = false\n"))?;
    let site = site.detach();
    here.server.runner.stop();
    here.server.runner.start()?;
    let site = site.on(&here);
    let (_, refused) = site.push("Refused")?;
    let refused = here.api.finished(&refused, Duration::from_mins(1))?;
    let reason = refused["reason"].as_str().context("no reason")?;
    ensure!(
        refused["state"] == "failed" && reason.contains("hook:stamp") && reason.contains("own_commands"),
        "{refused}"
    );

    // Without the hook the project is deployed again.
    browser.open(&format!("{}{path}", here.edge.url()))?;
    browser.click("details:has(form[action$='/pipeline/remove']) > summary")?;
    browser.click("form[action$='/pipeline/remove'] button")?;
    browser.shows("The hook stamp is gone", SOON)?;
    let (_, done) = site.push_live("Without it")?;
    ensure!(!names(&done["steps"], "step").contains(&"hook:stamp".to_owned()));
    ensure!(!site.visit("/stamp.txt")?.text().contains("hook of"));
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}
