//! Pictures of the pages, with sample data: the main ones for the documents, or every page in both themes and on a
//! phone, for whoever changed something that pages share.

use crate::show::Step;
use crate::{build_edge, setup};
use anyhow::{Context, Result};
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::places;
use devflow_tests::process::wait_for;
use devflow_tests::sample::Sample;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

const THEMES: [&str; 2] = ["light", "dark"];
/// Pixels of a window for the documents.
const WINDOW: (u32, u32) = (1280, 800);

/// Makes them: below `docs/images`, or every page into a folder.
pub(crate) fn screenshots(every: Option<&Path>) -> Result<()> {
    setup::for_edge()?;
    setup::packages(setup::Need::Stories)?;
    build_edge::build()?;
    let step = Step::begin("an edge with sample data");
    let sample = Sample::start()?;
    let browser = Browser::start()?;
    browser.sign_in(sample.edge.url(), EMAIL, &sample.password)?;
    step.done();
    match every {
        None => for_documents(&browser, &sample),
        Some(folder) => of_every_page(&browser, &sample, folder),
    }
}

fn for_documents(browser: &Browser, sample: &Sample) -> Result<()> {
    let folder = places::workspace().join("docs/images");
    fs::create_dir_all(&folder)?;
    let project = format!("/projects/{}", sample.project.id);
    let pages = [
        ("overview", "/".to_owned()),
        ("project", project.clone()),
        ("deployment", format!("/deployments/{}", sample.live)),
        ("failed", format!("/deployments/{}", sample.failed)),
        ("environment", format!("{project}/environment")),
        ("pipeline", format!("{project}/pipeline")),
        ("servers", "/servers".to_owned()),
        ("activity", "/activity".to_owned()),
    ];
    let step = Step::begin("pictures of the main pages");
    browser.emulate(WINDOW.0, WINDOW.1)?;
    for (name, path) in &pages {
        browser.open(&format!("{}{path}", sample.edge.url()))?;
        for theme in THEMES {
            picture(browser, theme, &folder.join(format!("{name}-{theme}.png")))?;
        }
    }
    step.done();
    Ok(())
}

fn of_every_page(browser: &Browser, sample: &Sample, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let step = Step::begin("pictures of every page");
    for path in sample.every_page()? {
        step.at(&path);
        let name = file_name(&path, sample);
        for width in [360, 1440] {
            browser.emulate(width, 900)?;
            browser.open(&format!("{}{path}", sample.edge.url()))?;
            let height = browser.script("return document.documentElement.scrollHeight", &json!([]))?;
            let height = u32::try_from(height.as_u64().unwrap_or(900))?;
            browser.emulate(width, height.clamp(600, 3_000))?;
            for theme in THEMES {
                picture(
                    browser,
                    theme,
                    &folder.join(format!("{name}-{width}-{theme}.png")),
                )?;
            }
        }
    }
    step.done();
    Ok(())
}

/// A path as the name of a file, without the ids that differ each time.
fn file_name(path: &str, sample: &Sample) -> String {
    let known = [
        (&sample.project.id, "project"),
        (&sample.live, "live"),
        (&sample.failed, "failed"),
        (&sample.running, "running"),
        (&sample.several.id, "several"),
        (&sample.several_live, "several-live"),
        (&sample.several_failed, "several-failed"),
        (&sample.server, "server"),
        (&sample.endpoint, "endpoint"),
        (&sample.person, "person"),
    ];
    let short = known.iter().fold(path.to_owned(), |path, (id, word)| {
        path.replace(id.as_str(), word)
    });
    let short = short.split("token=").next().unwrap_or_default();
    let name: String = short
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    match name.trim_matches('-') {
        "" => "overview".to_owned(),
        name => name.to_owned(),
    }
}

/// A picture of the page in a theme, with nothing that blinks. A page that is brought up to date meanwhile is as the edge
/// made it: without the theme.
fn picture(browser: &Browser, theme: &str, file: &Path) -> Result<()> {
    let dress = "document.documentElement.dataset.theme = arguments[0];
        document.querySelector('#notices')?.replaceChildren();
        return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
    let dressed = "return document.documentElement.dataset.theme === arguments[0]";
    wait_for("a picture of one theme", Duration::from_secs(10), || {
        browser.script(dress, &json!([theme]))?;
        browser.screenshot(file)?;
        Ok((browser.script(dressed, &json!([theme]))? == true).then_some(()))
    })
}
