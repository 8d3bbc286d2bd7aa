//! A push, from the signed webhook to the live page, with a person watching.

use anyhow::{Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::server::{Installation, Parts};
use serde_json::json;
use std::time::Duration;

#[test]
fn push_signed_goes_live_while_a_browser_watches() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: true,
    })?;
    let site = here.project("laravel", &json!({"services": {"mariadb": true, "redis": true}}))?;
    here.api
        .set_environment(&site.project, &json!({"GREETING": "héllo “$world” #1"}))?;
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;

    let (push, deployment) = site.push("First version")?;
    browser.open(&format!("{}/deployments/{deployment}", here.edge.url()))?;
    // Lost when the page is loaded anew: everything after this has to arrive by itself.
    browser.script("window.opened_once = true", &json!([]))?;
    browser.shows("migrate", Duration::from_secs(90))?;
    // What is out of view is not laid out, so it has no text for the browser to tell.
    browser.script(
        "document.querySelector('deployment-output').scrollIntoView()",
        &json!([]),
    )?;
    browser.shows("create_order_tables", Duration::from_secs(30))?;
    let live = here.api.live(&deployment, Duration::from_mins(1))?;
    browser.shows("Live", Duration::from_secs(10))?;
    ensure!(
        browser.script("return window.opened_once === true", &json!([]))? == true,
        "the page was loaded again"
    );
    let errors: Vec<String> = browser.console()?;
    ensure!(errors.is_empty(), "the page's console has: {errors:#?}");

    assert_eq!(live["commit"], push.after);
    assert_eq!(live["trigger"], "push");
    ensure!(site.page("/")?.contains("Orders, version 1"));
    assert_eq!(site.page("/greeting")?, "héllo “$world” #1");
    assert_eq!(
        here.server.live_release(&site.project.slug).as_deref(),
        Some(deployment.as_str())
    );

    // A second push takes the place of the first.
    site.repository.write("VERSION", "2\n")?;
    let (_, second) = site.push_live("Second version")?;
    ensure!(site.page("/")?.contains("Orders, version 2"));
    ensure!(second["id"] != live["id"]);
    Ok(())
}
