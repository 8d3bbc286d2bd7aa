//! Every page is accessible in both themes and on a phone, fits it, and does not jump while it loads. Which pages there are is
//! taken from the list of all routes, so that a new one cannot be forgotten.

use anyhow::{Context, Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::places::{self, Scratch};
use devflow_tests::process::wait_for;
use devflow_tests::sample::Sample;
use devflow_tests::totp::App;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SOON: Duration = Duration::from_secs(20);

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
    problems.extend(notes(&browser, &axe)?);
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
    for shown in &SHOWN_ONCE {
        problems.extend(shown.look(&browser, &axe, sample.edge.url())?);
    }
    problems.extend(codes(&browser, &axe)?);
    theme_is_there_from_the_first_frame(&browser, sample.edge.url())?;
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

/// The doors: set-up of a new edge, and signing in.
fn before_sign_in(browser: &Browser, axe: &str, sample: &Sample) -> Result<Vec<String>> {
    let scratch = Scratch::new()?;
    // At a host name, where browsers offer passkeys.
    let fresh = Edge::start_named(scratch.path())?;
    let mut problems = Vec::new();
    for (edge, path) in [
        (&fresh, format!("/set-up?token={}", fresh.setup_token())),
        (&fresh, "/sign-in".to_owned()),
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

/// What is there in the middle of something only, or is shown once.
struct ShownOnce {
    name: &'static str,
    /// Where it begins, with what is filled in there and pressed.
    path: &'static str,
    field: Option<(&'static str, &'static str)>,
    button: &'static str,
    says: &'static str,
}

const SHOWN_ONCE: [ShownOnce; 4] = [
    ShownOnce {
        name: "the one-time command of a server",
        path: "/servers/new",
        field: Some(("#name", "ams-2")),
        button: "form[action='/servers'] button",
        says: "This command is shown once",
    },
    ShownOnce {
        name: "an invitation that was made",
        path: "/people/new",
        field: Some(("#email", "edsger@example.com")),
        button: "form[action='/people'] button",
        says: "The link is shown once",
    },
    ShownOnce {
        name: "a key that was made",
        path: "/keys",
        field: Some(("#name", "CI")),
        button: "form[action='/keys'] button",
        says: "This key is shown once",
    },
    ShownOnce {
        name: "the secret of an app",
        path: "/account/second-factor",
        field: None,
        button: "form[action$='/second-factor/begin'] button",
        says: "Give the code that it shows",
    },
];

impl ShownOnce {
    fn look(&self, browser: &Browser, axe: &str, base: &str) -> Result<Vec<String>> {
        browser.open(&format!("{base}{}", self.path))?;
        if let Some((field, text)) = self.field {
            browser.fill(field, text)?;
        }
        browser.click(self.button)?;
        browser.shows(self.says, SOON)?;
        wide_and_on_a_phone(browser, axe, self.name)
    }
}

/// The recovery codes that follow the first code of the app whose secret is shown.
fn codes(browser: &Browser, axe: &str) -> Result<Vec<String>> {
    let secret = browser.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let app = App::new(secret.as_str().context("no secret")?)?;
    browser.fill("#code", &app.code(App::step()?)?)?;
    browser.click("form[action$='/second-factor/confirm'] button")?;
    browser.shows("They are shown once", SOON)?;
    wide_and_on_a_phone(browser, axe, "recovery codes")
}

/// Notes about what ended elsewhere, as the page's script fetches them: the newest deployments of the sample are news still.
fn notes(browser: &Browser, axe: &str) -> Result<Vec<String>> {
    let told = browser.later(
        "const holder = document.createElement('template');
         holder.innerHTML = await (await fetch('/happened?since=0')).text();
         const notes = holder.content.querySelectorAll('.toast');
         document.querySelector('#toasts').append(...notes);
         return notes.length",
        &json!([]),
    )?;
    ensure!(told.as_u64() > Some(0), "there are no notes: {told}");
    wide_and_on_a_phone(browser, axe, "notes")
}

/// What is wrong with what cannot be opened a second time.
fn wide_and_on_a_phone(browser: &Browser, axe: &str, name: &str) -> Result<Vec<String>> {
    browser.emulate_nothing()?;
    let mut problems = violations(browser, axe, name, &THEMES)?;
    browser.emulate(360, 740)?;
    problems.extend(too_wide(browser, name)?);
    problems.extend(violations(
        browser,
        axe,
        &format!("{name} on a phone"),
        &THEMES[..1],
    )?);
    browser.emulate_nothing()?;
    Ok(problems)
}

/// The ground of pages in light and dark, see `ui/css/tokens.css`.
const GROUNDS: [&str; 2] = ["rgb(247, 247, 248)", "rgb(13, 14, 17)"];

/// Notes the ground of each frame of a page, from the first one on.
const NOTE_FRAMES: &str = "window.frames_drawn = [];
    const note = () => {
      frames_drawn.push([performance.now(), getComputedStyle(document.documentElement).backgroundColor]);
      if (frames_drawn.length < 300) requestAnimationFrame(note);
    };
    requestAnimationFrame(note)";

/// Whether a frame before the first paint was noted, and the grounds of all frames.
const FRAMES: &str = "const paint = performance.getEntriesByName('first-paint')[0]?.startTime;
    if (paint === undefined) return null;
    return [frames_drawn.some(([at]) => at <= paint), [...new Set(frames_drawn.map(([, ground]) => ground))]]";

/// No frame of a page has another ground than the theme that was chosen, or than the system has where none was; with
/// scripts and without.
fn theme_is_there_from_the_first_frame(browser: &Browser, base: &str) -> Result<()> {
    browser.tell(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({"source": NOTE_FRAMES}),
    )?;
    let drawn_in = |ground: &str| -> Result<()> {
        browser.open(&format!("{base}/servers"))?;
        let told = wait_for("the first paint", SOON, || {
            Ok(Some(browser.script(FRAMES, &json!([]))?).filter(|told| !told.is_null()))
        })?;
        ensure!(
            told == json!([true, [ground]]),
            "{told} is not {ground} throughout"
        );
        Ok(())
    };
    for (system, ground) in THEMES.iter().zip(GROUNDS) {
        browser.prefer("color-scheme", system)?;
        drawn_in(ground)?;
    }
    browser.prefer("color-scheme", "light")?;
    browser.click("form[action='/theme'] button[value='dark']")?;
    wait_for("the dark theme", SOON, || {
        let theme = browser.script("return document.documentElement.dataset.theme", &json!([]))?;
        Ok((theme == "dark").then_some(()))
    })?;
    drawn_in(GROUNDS[1])?;
    browser.tell("Network.enable", &json!({}))?;
    browser.tell("Network.setBlockedURLs", &json!({"urls": ["*.js"]}))?;
    drawn_in(GROUNDS[1])?;
    let ends = browser.whole_cookie("theme")?["expiry"]
        .as_u64()
        .context("it ends with the browser")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    ensure!(
        ends > now + 300 * 24 * 3600,
        "the theme is kept for {} s",
        ends.saturating_sub(now)
    );
    Ok(())
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
