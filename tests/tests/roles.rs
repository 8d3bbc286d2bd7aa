//! What each role sees in the browser: every link leads somewhere, every button is one that they may press, and what
//! they may do has a link or a button. What a role may do is taken from `docs/ACCESS.md`.

use anyhow::{Context, Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::house::{self, PASSWORD};
use devflow_tests::places;
use devflow_tests::process::wait_for;
use devflow_tests::sample::Sample;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// From the least to the most.
const ROLES: [&str; 4] = ["viewer", "maintainer", "admin", "owner"];
/// Actions for which a role in a project is not enough.
const OF_THE_FLEET: [&str; 9] = [
    "see_servers",
    "ping_server",
    "manage_servers",
    "create_project",
    "see_people",
    "manage_people",
    "see_activity",
    "manage_security",
    "manage_endpoints",
];
/// What has a button only in a state that the sample is not in, and why.
const ELSEWHERE: [(&str, &str); 24] = [
    ("POST /prove", "asked for by what needs proof"),
    ("GET /prove", "asked for by what needs proof"),
    ("POST /prove/passkey/options", "a script asks"),
    ("GET /prove/passkey/options", "a script asks"),
    ("GET /device", "a terminal shows its address"),
    ("POST /device", "where a terminal waits"),
    ("GET /happened", "a script asks"),
    ("GET /deployments/{id}/output", "a script asks"),
    ("POST /account/passkeys/options", "a script asks"),
    ("POST /account/passkeys", "at a host name"),
    ("POST /account/passkeys/{id}/rename", "with a passkey"),
    ("POST /account/passkeys/{id}/remove", "with a passkey"),
    ("POST /account/second-factor/confirm", "half way to an app"),
    ("POST /account/second-factor/codes", "with a second factor"),
    ("POST /account/second-factor/remove", "with a second factor"),
    ("POST /keys/{id}/rotate", "with a key"),
    ("POST /keys/{id}/revoke", "with a key"),
    (
        "POST /people/{id}/second-factor/remove",
        "of somebody with a second factor",
    ),
    ("POST /people/{id}/enable", "of somebody who is shut out"),
    ("POST /projects/{id}/pipeline/remove", "with a step of its own"),
    ("POST /deployments/{id}/abandon", "while a server is silent"),
    ("POST /servers/{id}/update", "where a newer runner is published"),
    ("POST /endpoints/{id}/on", "of what is turned off"),
    ("POST /endpoints/{id}/resend", "of what was told something"),
];
/// Routes that ask for a second action, and the least role that has both.
const BOTH: [(&str, &str); 3] = [
    ("POST /projects/{id}/servers", "admin"),
    ("POST /projects/{id}/hook/secret", "admin"),
    ("POST /projects/{id}/environment/set", "admin"),
];

/// Somebody, and what they should see at a glance.
struct Person {
    email: &'static str,
    /// The role; for the one project only where `single` is set.
    role: &'static str,
    single: bool,
    nav: &'static [&'static str],
    new_project: bool,
    /// Buttons above a project that is live, and above its live deployment.
    project: &'static [&'static str],
    deployment: &'static [&'static str],
    server: &'static [&'static str],
    /// What is made from the palette.
    makes: &'static [&'static str],
}

const RUN: &[&str] = &["Restart", "Stop", "Deploy"];
const AGAIN: &[&str] = &["Deploy again"];
const ALL: &[&str] = &[
    "Go to",
    "Projects",
    "Servers",
    "People",
    "Activity",
    "Notifications",
    "API keys",
    "Your account",
];
const SOME: &[&str] = &["Go to", "Projects", "Servers", "API keys", "Your account"];
const MAKES: &[&str] = &["New project", "Add a server", "Invite somebody"];

const OWNER: Person = Person {
    email: EMAIL,
    role: "owner",
    single: false,
    nav: ALL,
    new_project: true,
    project: RUN,
    deployment: AGAIN,
    server: &["Test the connection", "Enrol again"],
    makes: MAKES,
};
const MAINTAINER: Person = Person {
    email: "maintainer@example.com",
    role: "maintainer",
    nav: SOME,
    new_project: false,
    server: &["Test the connection"],
    makes: &[],
    ..OWNER
};
const PEOPLE: [Person; 5] = [
    OWNER,
    Person {
        email: "admin@example.com",
        role: "admin",
        ..OWNER
    },
    MAINTAINER,
    Person {
        email: "viewer@example.com",
        role: "viewer",
        project: &[],
        deployment: &[],
        server: &[],
        ..MAINTAINER
    },
    Person {
        email: "single@example.com",
        single: true,
        nav: &["Go to", "Projects", "API keys", "Your account"],
        server: &[],
        ..MAINTAINER
    },
];

const TABS: [&str; 8] = [
    "Deployments",
    "Environment",
    "Processes",
    "Deliveries",
    "Webhook",
    "Pipeline",
    "Notifications",
    "Settings",
];

/// The words of elements that are seen.
const WORDS: &str = r"
return [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility())
  .map((one) => [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join('').trim());
";

/// Fetches pages; gives of each its path, status, where it led, and the paths of its links and forms.
const FETCH: &str = r"
const [paths] = given;
return Promise.all(paths.map(async (path) => {
  const reply = await fetch(path, { headers: { accept: 'text/html' } });
  const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
  const links = [...page.querySelectorAll('a[href^=\'/\']')].map((link) => link.getAttribute('href').split('#')[0]);
  const presses = (form) => form.method === 'post' && [...form.elements].some((one) => one.type === 'submit');
  const forms = [...page.forms].filter(presses).map((form) => form.getAttribute('action'));
  return [path, reply.status, new URL(reply.url).pathname, links, forms];
}));
";

/// Sends forms without their token, so that nothing happens; gives of each its path and the code of the refusal.
const PRESS: &str = r"
const [paths] = given;
return Promise.all(paths.map(async (path) => {
  const reply = await fetch(path, { method: 'POST', body: new URLSearchParams() });
  const text = await reply.text();
  return [path, reply.headers.get('content-type') === 'application/problem+json' ? JSON.parse(text).code : `${reply.status}`];
}));
";

#[test]
fn each_role_sees_what_it_may_do_and_nothing_else() -> Result<()> {
    let sample = Sample::start()?;
    sample.owner()?;
    let queued = sample.api.deploy(&sample.project)?;
    let browser = Browser::start()?;
    for person in &PEOPLE {
        let password = come_in(&sample, person)?;
        browser.sign_in(sample.edge.url(), person.email, &password)?;
        at_a_glance(&sample, &browser, person).with_context(|| format!("as {}", person.email))?;
        everything(&sample, &browser, person, &queued).with_context(|| format!("as {}", person.email))?;
        browser.open(&format!("{}/", sample.edge.url()))?;
        browser.click("form[action='/sign-out'] button")?;
        browser.shows("Sign in", SOON)?;
    }
    Ok(())
}

/// Makes the account of somebody who is not there yet; gives the password.
fn come_in(sample: &Sample, person: &Person) -> Result<String> {
    if person.email == EMAIL {
        return Ok(sample.password.clone());
    }
    let body = if person.single {
        json!({"email": person.email, "projects": {&sample.project.id: person.role}})
    } else {
        json!({"email": person.email, "role": person.role})
    };
    house::accept(&sample.edge, &house::invite(&sample.edge, &sample.api, &body)?)?;
    Ok(PASSWORD.to_owned())
}

/// The words of what is seen of a selector on the open page.
fn words(browser: &Browser, selector: &str) -> Result<Vec<String>> {
    Ok(serde_json::from_value(
        browser.script(WORDS, &json!([selector]))?,
    )?)
}

fn at_a_glance(sample: &Sample, browser: &Browser, person: &Person) -> Result<()> {
    let open = |path: &str| browser.open(&format!("{}{path}", sample.edge.url()));
    let buttons = ".head button, .head summary";
    open("/")?;
    assert_eq!(words(browser, ".nav a")?, person.nav);
    let makes = words(browser, ".head a.button")?;
    assert_eq!(makes == ["New project"], person.new_project, "{makes:?}");
    assert_eq!(browser.text()?.contains("City library"), !person.single);

    open(&format!("/projects/{}", sample.project.id))?;
    assert_eq!(words(browser, ".tabs a")?, TABS);
    assert_eq!(words(browser, buttons)?, person.project);
    open(&format!("/deployments/{}", sample.live))?;
    assert_eq!(words(browser, buttons)?, person.deployment);
    if !person.single {
        open(&format!("/servers/{}", sample.server))?;
        assert_eq!(words(browser, buttons)?, person.server);
    }

    // The palette, before and after something is typed.
    open("/")?;
    browser.press(&["\u{e009}", "k"])?;
    let entries = "#palette-found .entry > .cut";
    wait_for("the palette's pages", SOON, || {
        let words = words(browser, entries)?;
        Ok(words.iter().any(|word| word == "Your account").then_some(()))
    })?;
    let pages = person.nav.iter().filter(|name| **name != "Go to");
    let expected: Vec<&str> = pages.chain(person.makes).copied().collect();
    assert_eq!(words(browser, entries)?, expected);
    browser.fill("#palette-field", "flower")?;
    browser.shows("Settings of Flower shop", SOON)?;
    let acts = if person.project.is_empty() {
        &[][..]
    } else {
        &["Deploy Flower shop", "Restart Flower shop"]
    };
    let pages = ["Environment", "Deliveries", "Notifications", "Settings"]
        .map(|page| format!("{page} of Flower shop"));
    let expected: Vec<String> = ["Flower shop"]
        .iter()
        .chain(acts)
        .map(ToString::to_string)
        .chain(pages)
        .collect();
    assert_eq!(words(browser, entries)?, expected);
    Ok(())
}

/// Follows every link and looks at every form.
fn everything(sample: &Sample, browser: &Browser, person: &Person, queued: &str) -> Result<()> {
    let mut waiting: VecDeque<String> = ["/", "/go"].map(str::to_owned).into();
    waiting.extend([queued, &sample.live, &sample.failed].map(|id| format!("/deployments/{id}")));
    let mut seen: BTreeSet<String> = waiting.iter().cloned().collect();
    let mut visits: BTreeMap<String, usize> = BTreeMap::new();
    let mut offered = BTreeSet::new();
    let mut forms = BTreeSet::new();
    while !waiting.is_empty() {
        let batch: Vec<String> = waiting.drain(..waiting.len().min(12)).collect();
        let pages = browser.later(FETCH, &json!([batch]))?;
        for page in pages.as_array().with_context(|| format!("no pages: {pages}"))? {
            let (path, led) = (
                page[0].as_str().unwrap_or_default(),
                page[2].as_str().unwrap_or_default(),
            );
            let asked = path.split('?').next().unwrap_or_default();
            ensure!(
                page[1] == 200 && led == asked,
                "{path} answers {} at {led}",
                page[1]
            );
            offered.insert(format!("GET {}", pattern(asked)));
            forms.extend(texts(&page[4]));
            for link in texts(&page[3]) {
                let visited = visits.entry(pattern(&link)).or_default();
                if *visited < 9 && seen.insert(link.clone()) {
                    *visited += 1;
                    waiting.push_back(link);
                }
            }
        }
    }
    let pressed = browser.later(PRESS, &json!([forms]))?;
    for answer in pressed
        .as_array()
        .with_context(|| format!("no answers: {pressed}"))?
    {
        ensure!(
            answer[1] == "csrf",
            "a button for {} is refused: {}",
            answer[0],
            answer[1]
        );
    }
    offered.extend(forms.iter().map(|path| format!("POST {}", pattern(path))));
    let missing: Vec<String> = may(person)?
        .into_iter()
        .filter(|route| !offered.contains(route))
        .collect();
    ensure!(missing.is_empty(), "there is no link or button for {missing:#?}");
    Ok(())
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A path without its ids and without the values of its query.
fn pattern(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_id = |part: &str| part.len() > 25 && part.contains('_');
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if is_id(part) { "{id}" } else { part })
        .collect();
    let names: Vec<&str> = query
        .split('&')
        .filter_map(|field| field.split('=').next())
        .collect();
    let names = names.join("&");
    if names.is_empty() {
        parts.join("/")
    } else {
        format!("{}?{names}", parts.join("/"))
    }
}

/// The routes of pages that somebody may use, as `docs/ACCESS.md` lists them.
fn may(person: &Person) -> Result<Vec<String>> {
    let rank = |role: &str| ROLES.iter().position(|name| *name == role);
    let list = fs::read_to_string(places::workspace().join("docs/ACCESS.md"))?;
    let rows = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let mut routes = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [route, action, least, ..] = cells[..] else {
            continue;
        };
        let route = route.trim_end_matches('`');
        let is_page = !["/api/", "/runner/", "/hooks/", " /live"]
            .iter()
            .any(|part| route.contains(part));
        let least = BOTH
            .iter()
            .find(|(both, _)| *both == route)
            .map_or(least, |(_, role)| *role);
        let reaches = least.is_empty() || rank(least) <= rank(person.role);
        let fits = reaches && !(person.single && OF_THE_FLEET.contains(&action));
        if is_page && fits && !action.starts_with("open") && !ELSEWHERE.iter().any(|(no, _)| *no == route) {
            routes.push(route.to_owned());
        }
    }
    ensure!(
        routes.len() > 10,
        "{} may use {} routes only",
        person.email,
        routes.len()
    );
    Ok(routes)
}
