//! A browser that is left open: after its session is over, and before something dangerous.

use anyhow::{Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::database;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::house::House;
use devflow_tests::places::Scratch;
use devflow_tests::process::wait_for;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);
/// How long the session lasts on, once the worker is back.
const REST: Duration = Duration::from_secs(30);

#[test]
fn page_left_open_is_closed_when_its_session_is_over() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut edge = Edge::start(scratch.path())?;
    let (_, password) = edge.set_up()?;
    let browser = Browser::start()?;
    browser.open(&format!("{}/sign-in?next=/servers", edge.url()))?;
    browser.fill("#email", EMAIL)?;
    browser.fill("#password", &password)?;
    browser.click("form button")?;
    browser.shows("Servers", SOON)?;

    edge.go_away();
    let end = SystemTime::now().duration_since(UNIX_EPOCH)? + REST;
    let sessions = database::open(scratch.path(), "sessions")?;
    let changed = sessions.execute(
        "UPDATE sessions SET expires_at = ?1",
        [i64::try_from(end.as_millis())?],
    )?;
    assert_eq!(changed, 1);
    drop(sessions);
    edge.come_back()?;

    // Nothing happens from here on but that the time passes: no notice, no click.
    let banner = "return document.getElementById('connection-lost').hidden";
    wait_for("the page to be connected again", SOON, || {
        Ok((browser.script(banner, &json!([]))? == true).then_some(()))
    })?;
    ensure!(browser.url()?.ends_with("/servers"), "it left too early");
    wait_for("the page to lead to the sign-in", REST + SOON, || {
        Ok(browser.url()?.contains("/sign-in").then_some(()))
    })?;
    ensure!(
        SystemTime::now().duration_since(UNIX_EPOCH)? >= end,
        "it left before the end"
    );
    Ok(())
}

#[test]
fn browser_found_open_is_asked_for_the_password_before_something_dangerous() -> Result<()> {
    let mut house = House::build()?;
    let browser = house.browse()?;
    let dangerous = format!("{}/people/new", house.edge.url());
    browser.open(&dangerous)?;
    browser.shows("Invite somebody", SOON)?;

    house.forget_proofs()?;
    browser.open(&dangerous)?;
    browser.shows("Say again who you are", SOON)?;
    let before = browser.cookie("__Host-devflow")?;
    for (password, shown) in [
        ("Ferns like it damp", "The password is wrong"),
        (house.password.as_str(), "Invite somebody"),
    ] {
        browser.fill("#password", password)?;
        browser.click("form[action='/prove'] button")?;
        browser.shows(shown, SOON)?;
    }
    ensure!(
        browser.cookie("__Host-devflow")? != before,
        "whoever held the old token is still in"
    );
    browser.open(&format!("{}/activity", house.edge.url()))?;
    browser.shows("Said again who they are", SOON)?;
    browser.shows("Gave a wrong password while signed in", SOON)?;
    Ok(())
}
