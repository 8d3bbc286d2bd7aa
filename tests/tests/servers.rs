//! Servers on their pages: how busy they are, their names, draining and removing them.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::git::Push;
use devflow_tests::places::Scratch;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts};
use devflow_tests::webhook::Delivery;
use serde_json::json;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn server_is_renamed_drained_and_removed_from_its_page() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(&scratch.path().join("e"))?;
    let (api, password) = edge.set_up()?;
    let (server, _) = api.add_server("web-1")?;
    let project = api.add_project(&json!({
        "name": "Flower shop", "framework": "php", "provider": "github", "server": server,
        "repository": "https://git.example.com/flowers.git", "domains": ["flowers.example.com"],
    }))?;
    let plain = Plain::sign_in(edge.url(), EMAIL, &password)?;
    let page = format!("/servers/{server}");
    let text = plain.submit(&page, &format!("{page}/rename"), "name=shop-1")?;
    ensure!(text.contains("The server is called shop-1 now."), "{text:.3000}");
    let text = plain.submit(&page, &format!("{page}/drain"), "draining=true")?;
    ensure!(text.contains("Nothing new is deployed here"), "{text:.3000}");

    // Neither a person nor a push gets a deployment queued; the push is kept with the reason.
    let path = format!("/projects/{}", project.id);
    let text = plain.submit(&path, &format!("{path}/deploy"), "")?;
    ensure!(
        text.contains("being drained, so nothing new is deployed there"),
        "{text:.3000}"
    );
    let push = Push {
        ref_name: "refs/heads/main".to_owned(),
        before: "0".repeat(40),
        after: "a".repeat(40),
        message: "Roses".to_owned(),
        files: vec![],
        forced: false,
    };
    let pushed = Delivery::push(&push).send(&project.hook)?.expect(200)?;
    ensure!(pushed["decision"] == "ignored", "{pushed}");
    let deliveries = plain.page(&format!("{path}/deliveries"))?;
    ensure!(
        deliveries.contains("replay this delivery when that is over"),
        "{deliveries:.3000}"
    );
    let text = plain.submit(&page, &format!("{page}/drain"), "draining=false")?;
    ensure!(text.contains("takes deployments again"), "{text:.3000}");
    let text = plain.submit(&path, &format!("{path}/deploy"), "")?;
    ensure!(text.contains("It waits for its server"), "{text:.3000}");

    // With a project there is no form; through the API it is refused.
    let text = plain.page(&page)?;
    ensure!(!text.contains(&format!("action=\"{page}/remove\"")));
    let refused = api.call("DELETE", &page, None)?.expect(409)?;
    ensure!(refused["code"] == "server_has_projects", "{refused}");
    api.call("DELETE", &format!("/projects/{}", project.id), None)?
        .expect(204)?;
    let text = plain.submit(&page, &format!("{page}/remove"), "confirm=web-1")?;
    ensure!(text.contains("type shop-1 to remove the server"), "{text:.3000}");
    let text = plain.submit(&page, &format!("{page}/remove"), "confirm=shop-1")?;
    ensure!(text.contains("shop-1 is removed."), "{text:.3000}");
    ensure!(plain.send("GET", &page, None)?.status == 404);
    Ok(())
}

#[test]
fn server_shows_how_busy_it_is_its_version_and_the_last_contact_of_both_sides() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let path = format!("/servers/{}", here.server.runner.id());
    let load = wait_for("the server's load", SOON, || {
        let server = here.api.get(&path)?;
        Ok((!server["load"].is_null()).then_some(server))
    })?;
    let memory = load["load"]["memory_mib"].as_u64().context("no memory")?;
    ensure!(memory == load["facts"]["memory_mib"].as_u64().unwrap_or_default());
    ensure!(load["heard_at"].as_i64() > load["created_at"].as_i64());
    // A job ends the poll that is held; the next one tells of the answer to it.
    let pinged = here.api.post(&format!("{path}/ping"), &json!({}), 202)?;
    here.api.job(&text(&pinged, "/job/id")?, SOON)?;
    let told = wait_for("the last contact of the other side", SOON, || {
        let server = here.api.get(&path)?;
        Ok((!server["answered_at"].is_null()).then_some(server))
    })?;
    let (heard, answered) = (told["heard_at"].as_i64(), told["answered_at"].as_i64());
    ensure!(
        answered > told["created_at"].as_i64() && answered <= heard.map(|at| at + 1_000),
        "{told}"
    );
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let version = told["facts"]["runner_version"].as_str().context("no version")?;
    for (page, words) in [
        (path.as_str(), ["heard of <time", "had our last answer <time"]),
        ("/servers", ["heard of <time", "runner "]),
    ] {
        let text = plain.page(page)?.to_lowercase();
        for word in ["memory", "load", "disk", version].iter().chain(&words) {
            ensure!(text.contains(word), "{page} does not say {word}");
        }
    }
    Ok(())
}

#[test]
fn clone_of_a_server_takes_over_and_the_first_one_ends_instead_of_working_beside_it() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let mut clone = here.server.runner.cloned_to(&here.folder().join("clone"))?;
    // The newer session holds; the older one is refused (409) and ends, with the code at which no service manager starts it again.
    let status = here.server.runner.ended(SOON)?;
    assert_eq!(status.code(), Some(3));
    let log = fs::read_to_string(here.server.runner.log())?;
    ensure!(log.contains("another runner"), "{log}");
    let ping = format!("/servers/{}/ping", clone.id());
    let pinged = here.api.post(&ping, &json!({}), 202)?;
    here.api.job(&text(&pinged, "/job/id")?, SOON)?;
    clone.check()?;
    // Started again by a person, the first one takes over in its turn: never are there two.
    here.server.runner.start()?;
    assert_eq!(clone.ended(SOON)?.code(), Some(3));
    here.server.runner.check()
}
