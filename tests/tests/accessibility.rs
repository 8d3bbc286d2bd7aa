//! Every page is accessible in both themes and on a phone, fits it, and does not jump while it loads. Which pages there are is
//! taken from the list of all routes, so that a new one cannot be forgotten.

use anyhow::{Context, Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::places::{self, Scratch};
use devflow_tests::process::wait_for;
use devflow_tests::sample::Sample;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// The largest sum of layout shifts that counts as good: <https://web.dev/articles/cls>.
const SHIFT: f64 = 0.1;

const THEMES: [&str; 2] = ["light", "dark"];

/// The rules of axe that look at colours: <https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md>.
const COLOURS: [&str; 2] = ["color-contrast", "link-in-text-block"];

#[test]
fn every_page_is_accessible_in_both_themes_fits_a_phone_and_does_not_jump() -> Result<()> {
    let sample = Sample::start()?;
    let mut paths = sample.every_page()?;
    paths.push("/nothing-here".to_owned());
    let axe = fs::read_to_string(places::cache()?.join("npm/node_modules/axe-core/axe.min.js"))
        .context("axe-core is not installed; run `cargo xtask setup`")?;
    let browser = Browser::start()?;
    let mut problems = before_sign_in(&browser, &axe, &sample)?;
    browser.sign_in(sample.edge.url(), EMAIL, &sample.password)?;
    for path in &paths {
        browser.open(&format!("{}{path}", sample.edge.url()))?;
        problems.extend(jumps(&browser, path)?);
        problems.extend(violations(&browser, &axe, path, &THEMES)?);
    }
    problems.extend(over_a_page(&browser, &axe, sample.edge.url())?);
    browser.emulate(360, 740)?;
    for path in &paths {
        browser.open(&format!("{}{path}", sample.edge.url()))?;
        problems.extend(too_wide(&browser, path)?);
        problems.extend(jumps(&browser, path)?);
        // Colours are the same as on a wide screen; what is hidden, folded or scrolled there is not.
        let name = format!("{path} on a phone");
        problems.extend(violations(&browser, &axe, &name, &THEMES[..1])?);
    }
    problems.extend(over_a_page(&browser, &axe, sample.edge.url())?);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// The doors: set-up of a new edge, and signing in.
fn before_sign_in(browser: &Browser, axe: &str, sample: &Sample) -> Result<Vec<String>> {
    let scratch = Scratch::new()?;
    let fresh = Edge::start(scratch.path())?;
    let mut problems = Vec::new();
    for (edge, path) in [
        (&fresh, format!("/set-up?token={}", fresh.setup_token())),
        (&sample.edge, "/sign-in".to_owned()),
        (&sample.edge, sample.invitation.clone()),
    ] {
        browser.open(&format!("{}{path}", edge.url()))?;
        problems.extend(violations(browser, axe, &path, &THEMES)?);
    }
    Ok(problems)
}

/// What can lie over a page, and how it is opened.
const OVER: [(&str, &str); 4] = [
    (
        "the palette",
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: '/'}))",
    ),
    (
        "the keys",
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: '?'}))",
    ),
    (
        "the menu of a card",
        "document.querySelector('.card details').open = true",
    ),
    (
        "the lost connection",
        "document.querySelector('#connection-lost').hidden = false",
    ),
];

/// The same of what lies over the overview; none of it makes the page wider than it is.
fn over_a_page(browser: &Browser, axe: &str, base: &str) -> Result<Vec<String>> {
    let width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    let mut problems = Vec::new();
    for (name, open) in OVER {
        browser.open(base)?;
        browser.script(open, &json!([]))?;
        if name == "the palette" {
            wait_for("the palette's list", Duration::from_secs(20), || {
                let there = browser.script(
                    "return document.querySelector('#palette .entry') !== null",
                    &json!([]),
                )?;
                Ok((there == true).then_some(()))
            })?;
        }
        problems.extend(violations(browser, axe, name, &THEMES)?);
        let beyond = browser.script(width, &json!([]))?;
        if beyond.as_i64() != Some(0) {
            problems.push(format!("{name} makes the page {beyond} px wider"));
        }
    }
    Ok(problems)
}

/// What axe finds on the open page in some themes: by all of its rules in the first, by those about colour in the other,
/// as a theme changes nothing else. Output is scrolled to its start: of a line that is half scrolled
/// away axe takes what lies in front of it for its ground.
fn violations(browser: &Browser, axe: &str, path: &str, themes: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    browser.script(axe, &json!([]))?;
    for theme in themes {
        let rules = if *theme == themes[0] {
            json!({"resultTypes": ["violations"]})
        } else {
            json!({"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": COLOURS}})
        };
        let run = "document.documentElement.dataset.theme = arguments[0];
             document.querySelector('deployment-output')?.scrollTo(0, 0);
             return axe.run(document, arguments[1]).then((result) => result.violations.map((one) =>
               one.id + ' at ' + one.nodes.map((node) => node.target.join(' ') + ': ' + node.html.slice(0, 120)).join(' | ')))";
        let told = browser.script(run, &json!([theme, rules]))?;
        let told = told.as_array().context("axe gave no list")?;
        found.extend(
            told.iter()
                .filter_map(Value::as_str)
                .map(|one| format!("{path} ({theme}): {one}")),
        );
    }
    Ok(found)
}

/// How much of a page moved by itself while it loaded, where that is too much.
fn jumps(browser: &Browser, path: &str) -> Result<Option<String>> {
    let told = browser.script(
        "return new Promise((resolve) => {
           let sum = 0; const where = [];
           new PerformanceObserver((list) => {
             for (const shift of list.getEntries()) {
               if (shift.hadRecentInput) continue;
               sum += shift.value;
               for (const { node } of shift.sources) where.push(node?.nodeName + '.' + (node?.className ?? ''));
             }
           }).observe({ type: 'layout-shift', buffered: true });
           setTimeout(() => resolve([sum, where.slice(0, 5).join(', ')]), 300);
         })",
        &json!([]),
    )?;
    let sum = told[0].as_f64().context("no layout shift was measured")?;
    Ok((sum > SHIFT).then(|| format!("{path} jumps by {sum:.3}: {}", told[1])))
}

/// How wide a page is on a phone, where that is too wide.
fn too_wide(browser: &Browser, path: &str) -> Result<Option<String>> {
    let width = browser.script("return document.documentElement.scrollWidth", &json!([]))?;
    let width = width.as_u64().context("no width")?;
    Ok((width > 360).then(|| format!("{path} is {width} px wide on a phone")))
}
