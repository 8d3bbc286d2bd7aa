//! A deployment that printed very much: its page does not freeze while it loads, is scrolled and searched.

use anyhow::{Context, Result, ensure};
use devflow_tests::alone::Alone;
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::long_output;
use devflow_tests::process::wait_for;
use serde_json::{Value, json};
use std::time::Duration;

/// What a person may wait for an answer of the page, in milliseconds; shorter is not noticed on a computer that is as slow
/// as those that tests run on.
const LONGEST_TASK: f64 = 200.0;
const NEEDLE: &str = "the chunk `checkout` is too large";

/// Lines to look at; a person who measures asks for more.
fn lines() -> usize {
    let asked = std::env::var("DEVFLOW_LINES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// Starts to note what keeps the page from answering for longer than 50 ms.
const WATCH: &str = "window.long = []; new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.long.push(task.duration);
  }).observe({ type: 'longtask', buffered: true });";

/// The longest such time since the last look.
fn longest(browser: &Browser) -> Result<f64> {
    let told = browser.script("return Math.max(0, ...window.long.splice(0))", &json!([]))?;
    told.as_f64().context("no number")
}

#[test]
fn page_of_much_output_answers_while_it_loads_scrolls_and_searches() -> Result<()> {
    let lines = lines();
    let mut here = Alone::start()?;
    let project = here.project("flowers", &json!({}))?;
    let id = here.api.deploy(&project)?;
    here.edge.go_away();
    long_output::write(&here.data(), &project, &id, lines, NEEDLE)?;
    here.edge.come_back()?;
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;
    let mut measured = Vec::new();

    browser.open(&format!("{}/deployments/{id}", here.edge.url()))?;
    browser.script(WATCH, &json!([]))?;
    let count = "return document.getElementsByClassName('line').length";
    wait_for("all lines", Duration::from_mins(2), || {
        let there = browser.script(count, &json!([]))?;
        Ok((there.as_u64() == u64::try_from(lines).ok()).then_some(()))
    })?;
    measured.push(("loading", longest(&browser)?));

    browser.later(
        "const box = document.querySelector('deployment-output');
         for (let part = 20; part >= 0; part--) {
           box.scrollTop = (box.scrollHeight * part) / 20;
           await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
         }",
        &json!([]),
    )?;
    measured.push(("scrolling", longest(&browser)?));

    browser.fill("#output-search", "TOO LARGE")?;
    browser.shows("1 of 1", Duration::from_secs(20))?;
    measured.push(("searching", longest(&browser)?));
    let seen = |name: &str| -> Result<Value> {
        let body = "const box = document.querySelector('deployment-output').getBoundingClientRect();
            const line = document.querySelector(arguments[0]).getBoundingClientRect();
            return line.top >= box.top && line.bottom <= box.bottom";
        browser.script(body, &json!([name]))
    };
    wait_for("the line that was found", Duration::from_secs(20), || {
        Ok((seen(".line.hit.now")? == true).then_some(()))
    })?;
    // By the keyboard the address is made to lead to it.
    browser.press(&["\u{e00c}"])?;
    browser.press(&["l"])?;
    let expected = format!("#L{}", lines - 1);
    wait_for("the address of the line", Duration::from_secs(20), || {
        Ok(browser.url()?.ends_with(&expected).then_some(()))
    })?;
    browser.fill("#output-search", "transforming")?;
    browser.shows("of 2000 or more", Duration::from_secs(20))?;
    measured.push(("many hits", longest(&browser)?));

    browser.script(
        "document.dispatchEvent(new CustomEvent('live:changed'))",
        &json!([]),
    )?;
    browser.script(
        "location.hash = arguments[0]",
        &json!([format!("L{}", lines / 2)]),
    )?;
    wait_for("the line of the link", Duration::from_secs(20), || {
        Ok((seen(".line.marked")? == true).then_some(()))
    })?;
    let marked = browser.script(
        "return document.querySelector('.line.marked i').textContent",
        &json!([]),
    )?;
    ensure!(
        marked == json!((lines / 2).to_string()),
        "another line is marked: {marked}"
    );
    browser.click("a[href='#failed-npm-build']")?;
    wait_for("the end of the step that failed", Duration::from_secs(20), || {
        let body = "return document.querySelector('.line.marked')?.id";
        Ok(
            (browser.script(body, &json!([]))? == "failed-npm-build" && seen(".line.marked")? == true)
                .then_some(()),
        )
    })?;
    measured.push(("links", longest(&browser)?));

    // What happens elsewhere brings the page up to date.
    here.api.deploy(&project)?;
    browser.later("await new Promise((done) => setTimeout(done, 3_000))", &json!([]))?;
    measured.push(("staying up to date", longest(&browser)?));
    println!("{lines} lines, longest tasks in ms: {measured:?}");
    let slow: Vec<_> = measured.iter().filter(|(_, ms)| *ms > LONGEST_TASK).collect();
    ensure!(
        slow.is_empty(),
        "the page does not answer for longer than {LONGEST_TASK} ms: {slow:?}"
    );
    Ok(())
}
