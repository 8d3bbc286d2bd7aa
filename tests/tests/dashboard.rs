//! The dashboard as people use it: in a browser, by the keyboard, on a phone, without a script, and while the
//! connection is lost.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_tests::alone::Alone;
use devflow_tests::api::Project;
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::long_output;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A project whose server has not been connected: whatever is asked for waits.
struct Shop {
    alone: Alone,
    project: Project,
}

impl Shop {
    fn start() -> Result<Self> {
        let alone = Alone::start()?;
        let project = alone.project("flowers", &json!({"name": "Flower shop", "slug": "flowers"}))?;
        Ok(Self { alone, project })
    }

    fn page(&self, path: &str) -> String {
        format!("{}/projects/{}{path}", self.alone.edge.url(), self.project.id)
    }
}

/// What PHP sees of a variable.
fn seen_by_php(site: &Site<'_>, name: &str) -> Result<String> {
    let answer = site.page(&format!("/?env={name}"))?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(answer.trim())?)?)
}

#[test]
fn environment_edited_in_the_browser_reaches_php_and_goes_back_with_the_release() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    let (_, first) = site.push_live("First version")?;
    let first = first["id"].as_str().context("no id")?.to_owned();
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;

    let environment = format!("{}/projects/{}/environment", here.edge.url(), site.project.id);
    browser.open(&environment)?;
    browser.fill("#lines", "GREETING=\"good morning\"")?;
    browser.click("form[action$='/environment/import'] button")?;
    browser.shows("Changes take effect with the next deployment", SOON)?;
    ensure!(
        !browser.text()?.contains("good morning"),
        "the value is on the page"
    );
    browser.click(".notice form[action$='/deploy'] button")?;
    let second = browser.goes_live(&here.api, &first)?;
    assert_eq!(seen_by_php(&site, "GREETING")?, "good morning");
    browser.open(&environment)?;
    browser.shows("added GREETING", SOON)?;
    browser.shows("live since", SOON)?;

    // A delivery is deployed again from the inbox.
    browser.open(&format!(
        "{}/projects/{}/deliveries",
        here.edge.url(),
        site.project.id
    ))?;
    browser.click("form[action$='/replay'] button")?;
    let third = browser.goes_live(&here.api, &second)?;
    browser.shows("replayed delivery", SOON)?;

    // The first release is started again as it was: without the variable.
    browser.open(&format!("{}/deployments/{first}", here.edge.url()))?;
    browser.click("details:has(form[action$='/rollback']) > summary")?;
    browser.click("form[action$='/rollback'] button")?;
    browser.goes_live(&here.api, &first)?;
    ensure!(third != second);
    assert_eq!(seen_by_php(&site, "GREETING")?, "");
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}

#[test]
fn palette_by_keyboard_leads_to_a_project_and_deploys_it() -> Result<()> {
    let here = Shop::start()?;
    let browser = Browser::start()?;
    browser.sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    browser.press(&["\u{e009}", "k"])?;
    browser.fill("#palette-field", "flower sh")?;
    browser.shows("Project on web-1", SOON)?;
    browser.press(&["\u{e007}"])?;
    let url = wait_for("the project's page", SOON, || {
        let url = browser.url()?;
        Ok(url.ends_with(&here.project.id).then_some(url))
    })?;
    // On its pages the project's actions are at hand before anything is typed.
    browser.press(&["/"])?;
    browser.shows("Deploy Flower shop", SOON)?;
    browser.press(&["\u{e015}"])?;
    browser.press(&["\u{e015}"])?;
    browser.press(&["\u{e007}"])?;
    browser.shows("It waits for its server", SOON)?;
    ensure!(browser.url()? != url);
    browser.press(&["?"])?;
    browser.shows("Go to a project, server, page or action", SOON)?;
    browser.press(&["\u{e00c}"])?;
    browser.press(&["g"])?;
    browser.press(&["s"])?;
    browser.shows("Add a server", SOON)?;
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}

#[test]
fn connection_lost_is_told_and_what_happened_meanwhile_is_caught_up_with() -> Result<()> {
    let mut here = Shop::start()?;
    let browser = Browser::start()?;
    browser.sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    browser.open(&here.page(""))?;
    browser.shows("No deployment yet", SOON)?;
    browser.script("window.opened_once = true", &json!([]))?;
    here.alone.edge.go_away();
    browser.shows("Connection lost", SOON)?;
    here.alone.edge.come_back()?;
    here.alone.api.deploy(&here.project)?;
    browser.shows("Queued", Duration::from_mins(1))?;
    ensure!(!browser.text()?.contains("Connection lost"));
    ensure!(browser.script("return window.opened_once === true", &json!([]))? == true);
    Ok(())
}

#[test]
fn pages_without_a_script_are_read_and_their_forms_sent() -> Result<()> {
    let here = Shop::start()?;
    let plain = Plain::sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    let found = plain.send("GET", "/?q=flower", None)?.text();
    ensure!(found.contains("Flower shop") && found.contains("flowers.example.com"));
    let missed = plain.send("GET", "/?q=lower", None)?.text();
    ensure!(missed.contains("Nothing is called “lower”"));
    let project = format!("/projects/{}", here.project.id);
    let environment = format!("{project}/environment");
    let import = format!("{environment}/import");
    let page = plain.submit(&environment, &import, "version=1&lines=GREETING%3Dhello")?;
    ensure!(
        page.contains("GREETING") && !page.contains("hello"),
        "{page:.3000}"
    );
    let file = plain.send("GET", &format!("{environment}/file"), None)?;
    ensure!(file.text().contains("GREETING=\"hello\""), "{}", file.text());
    let none = plain.page("/?view=by_tag")?;
    ensure!(none.contains("No project has a tag"), "{none:.3000}");
    here.alone
        .api
        .call("PATCH", &project, Some(&json!({"tags": ["spring", "shops"]})))?
        .expect(200)?;
    let tagged = plain.page("/?view=by_tag")?;
    let of = |tag: &str| format!("cursor=%23{tag}%2F\">{tag}</a></h2>");
    ensure!(
        tagged.contains(&of("spring")) && tagged.contains(&of("shops")),
        "{tagged:.4000}"
    );
    ensure!(
        plain
            .page(&format!("{project}/settings"))?
            .contains("value=\"spring shops\"")
    );
    let page = plain.submit(&project, &format!("{project}/deploy"), "")?;
    ensure!(page.contains("It waits for its server"));
    ensure!(
        plain
            .send("GET", "/go?q=web", None)?
            .text()
            .contains("/servers/srv_")
    );
    Ok(())
}

/// Title and icon of the page.
fn tab(browser: &Browser) -> Result<String> {
    let body = "return document.title + ' ' + document.querySelector('link[rel=icon]').getAttribute('href')";
    Ok(browser
        .script(body, &json!([]))?
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[test]
fn times_are_relative_and_exact_in_the_readers_own_time_zone() -> Result<()> {
    let here = Shop::start()?;
    here.alone.api.deploy(&here.project)?;
    let browser = Browser::start()?;
    browser.time_zone("Asia/Tokyo")?;
    browser.sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    browser.open(&here.page(""))?;
    let body = "const time = document.querySelector('.deployments time'); return time.textContent + ', ' + time.title";
    let told = browser.script(body, &json!([]))?;
    let told = told.as_str().context("no time")?;
    ensure!(
        (told.starts_with("now, ") || told.contains(" s ago, ")) && told.ends_with("GMT+9"),
        "{told}"
    );
    let plain = Plain::sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    let page = plain.page(&format!("/projects/{}", here.project.id))?;
    ensure!(
        page.contains(" UTC\">"),
        "without a script the exact time is in UTC"
    );
    Ok(())
}

#[test]
fn deployment_that_ends_elsewhere_pops_up_and_its_tab_says_how_it_stands() -> Result<()> {
    let mut here = Shop::start()?;
    let id = here.alone.api.deploy(&here.project)?;
    let deployment = format!("{}/deployments/{id}", here.alone.edge.url());
    let browser = Browser::start()?;
    browser.sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    browser.open(&deployment)?;
    let waits = tab(&browser)?;
    ensure!(
        waits.starts_with("Queued: ") && waits.contains("icon-busy"),
        "{waits}"
    );
    browser.open(&format!("{}/servers", here.alone.edge.url()))?;
    here.alone.edge.go_away();
    let data = here.alone.data();
    long_output::write(&data, &here.project, &id, 3, "no such module")?;
    here.alone.edge.come_back()?;
    // It is told as soon as the page hears of the edge again.
    browser.shows("Flower shop", Duration::from_mins(1))?;
    browser.shows("it printed much", SOON)?;
    browser.open(&deployment)?;
    let failed = tab(&browser)?;
    ensure!(
        failed.starts_with("Failed: ") && failed.contains("icon-failed"),
        "{failed}"
    );
    browser.open(&here.page(""))?;
    let project = tab(&browser)?;
    ensure!(
        project.starts_with("Flower shop: ") && project.contains("icon-failed"),
        "{project}"
    );
    // What serves now is said once.
    let said = browser.script(
        "return document.body.innerText.match(/release before/g)?.length ?? 0",
        &json!([]),
    )?;
    ensure!(said.as_u64() <= Some(1), "{said} times");
    Ok(())
}

/// Where the marked entry of a list is, and how it is animated; it is the one of that id, and has the focus.
fn marked(browser: &Browser, id: &str) -> Result<(String, String)> {
    let body = "const one = document.querySelector('.list > .new');
        const { x, y, width, height } = one.getBoundingClientRect();
        return [one.id, document.activeElement?.id, `${x} ${y} ${width} ${height}`, getComputedStyle(one).animationName]";
    let told = browser.script(body, &json!([]))?;
    let text = |at: usize| told[at].as_str().unwrap_or_default();
    ensure!(text(0) == id && text(1) == id, "{told} is not about {id}");
    Ok((text(2).to_owned(), text(3).to_owned()))
}

#[test]
fn lists_and_tabs_are_walked_by_the_keyboard_and_the_webhook_is_tried_by_its_button() -> Result<()> {
    let here = Shop::start()?;
    let browser = Browser::start()?;
    browser.sign_in(here.alone.edge.url(), EMAIL, &here.alone.password)?;
    for key in ["j", "\u{e007}"] {
        browser.press(&[key])?;
    }
    browser.shows("No deployment yet", SOON)?;
    browser.press(&["]"])?;
    browser.shows("One per line, as in a .env file", SOON)?;
    browser.press(&["["])?;
    browser.shows("No deployment yet", SOON)?;
    browser.prefer("reduced-motion", "no-preference")?;
    browser.open(&here.page("/hook"))?;
    browser.click("form[action$='/hook/test'] button")?;
    browser.shows("A signed test delivery was received, checked and stored", SOON)?;
    let url = browser.url()?;
    let (_, new) = url.split_once("/deliveries?new=").context("it is not marked")?;
    let (place, motion) = marked(&browser, new)?;
    ensure!(motion == "mark", "it does not light up: {motion}");
    wait_for("the notice to be told", SOON, || {
        let told = browser.script("return document.querySelector('#told').textContent", &json!([]))?;
        Ok(told
            .as_str()
            .is_some_and(|told| told.contains("test delivery"))
            .then_some(()))
    })?;
    browser.prefer("reduced-motion", "reduce")?;
    ensure!(
        marked(&browser, new)? == (place, "none".to_owned()),
        "it moves, or it does not keep still for who wants that"
    );
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}
