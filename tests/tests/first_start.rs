//! From a fresh installation to the first live project, as a person clicks through it.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::Api;
use devflow_tests::browser::Browser;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::git::Repository;
use devflow_tests::places;
use devflow_tests::server::Installation;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "a lantern over nine harbours";

/// Makes the owner's account on the page that the set-up token opens.
fn set_up(browser: &Browser, edge: &Edge) -> Result<(Api, String)> {
    browser.open(&format!("{}/set-up?token={}", edge.url(), edge.setup_token()))?;
    browser.fill("#email", EMAIL)?;
    browser.fill("#password", PASSWORD)?;
    browser.click("form button")?;
    browser.shows("Your account is made", SOON)?;
    let key = browser.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let key = key.as_str().context("no key is shown")?.trim().to_owned();
    browser.click("a.button.main")?;
    browser.shows("First, a server", SOON)?;
    Ok((Api::new(edge.url(), &key), PASSWORD.to_owned()))
}

#[test]
fn fresh_installation_is_set_up_and_its_first_project_goes_live_in_the_browser() -> Result<()> {
    let browser = Browser::start()?;
    let here = Installation::start_set_up_by(|edge| set_up(&browser, edge))?;
    let template = places::workspace().join("tests/apps/php");
    let repository = Repository::new(&here.folder().join("git"), "flower-shop", Some(&template))?;
    repository.push("First version")?;

    browser.open(here.edge.url())?;
    browser.shows("Now your first project", SOON)?;
    browser.click(".empty a[href='/projects/new']")?;
    browser.fill("#repository", &repository.url())?;
    browser.click("form[action='/projects/inspect'] button")?;
    browser.shows("What the server found", SOON)?;
    browser.fill("#slug", &here.slug("flowers"))?;
    browser.fill("#domains", "flowers.localhost")?;
    browser.click("form[action='/projects'] button.main")?;
    browser.shows("Connect the repository on", SOON)?;
    browser.click("form[action$='/deploy'] button")?;
    browser.goes_live(&here.api, "")?;
    let answer = here.server.visit("flowers.localhost", "/ping.php")?;
    ensure!(answer.status == 200, "{} {:.600}", answer.status, answer.text());
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}
