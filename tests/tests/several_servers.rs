//! A project on several servers: one after the other, the database migrated once, and what becomes of the others where one
//! fails.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::edge::EMAIL;
use devflow_tests::house::House;
use devflow_tests::pair::Pair;
use devflow_tests::process::wait_for;
use devflow_tests::server::Site;
use devflow_tests::session::Session;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);

/// State and names of the steps, server by server.
fn parts(deployment: &Value) -> Result<Vec<(String, Vec<String>)>> {
    let servers = deployment["servers"].as_array().context("no servers")?;
    let part = |server: &Value| {
        let steps = server["steps"].as_array().context("no steps")?;
        let names = steps.iter().map(|step| text(step, "/step"));
        Ok((text(server, "/state")?, names.collect::<Result<_>>()?))
    };
    servers.iter().map(part).collect()
}

fn states(deployment: &Value) -> Result<Vec<String>> {
    Ok(parts(deployment)?.into_iter().map(|(state, _)| state).collect())
}

#[test]
fn push_goes_live_on_both_servers_and_migrates_once() -> Result<()> {
    let house = Pair::build()?;
    let site = house.project(&json!({}))?;
    let (_, deployed) = site.push_live("First version")?;
    let id = text(&deployed, "/id")?;
    assert_eq!(house.migrated()?, "1");
    assert_eq!(house.live(&site), [Some(id.clone()), Some(id.clone())]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 1")));
    let parts = parts(&deployed)?;
    assert_eq!(states(&deployed)?, ["live", "live"], "{deployed}");
    let has_migrated: Vec<bool> = parts
        .iter()
        .map(|(_, steps)| steps.iter().any(|step| step == "migrate"))
        .collect();
    assert_eq!(has_migrated, [true, false], "{parts:?}");
    assert!(
        parts
            .iter()
            .all(|(_, steps)| steps.iter().any(|step| step == "switch")),
        "{parts:?}"
    );
    assert_eq!(deployed["server"], house.here.server.runner.id());

    site.repository.write("VERSION", "2\n")?;
    let (_, second) = site.push_live("Second version")?;
    assert_eq!(house.migrated()?, "2");
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 2")));

    // Back and forth on both, without a migration.
    let back = house
        .here
        .api
        .post(&format!("/deployments/{id}/rollback"), &json!({}), 202)?;
    let back = house.here.api.live(&text(&back, "/deployment/id")?, LIMIT)?;
    assert_eq!(states(&back)?, ["live", "live"]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 1")));
    assert_eq!(house.migrated()?, "2");
    assert_ne!(second["id"], back["id"]);
    Ok(())
}

/// Has the page answer 500 on the second server alone.
fn break_second(site: &Site<'_>) -> Result<()> {
    let page = site.repository.read("public/index.php")?;
    let broken =
        "declare(strict_types=1);\nif (str_contains(__DIR__, '/two/')) { http_response_code(500); exit; }\n";
    site.repository.write(
        "public/index.php",
        &page.replacen("declare(strict_types=1);\n", broken, 1),
    )
}

/// Pushes a version and waits for its end.
fn push_version(house: &Pair, site: &Site<'_>, version: u32) -> Result<Value> {
    site.repository.write("VERSION", &format!("{version}\n"))?;
    let (_, id) = site.push(&format!("Version {version}"))?;
    house.here.api.finished(&id, LIMIT)
}

fn change(house: &Pair, site: &Site<'_>, changes: &Value) -> Result<Value> {
    let path = format!("/projects/{}", site.project.id);
    house.here.api.call("PATCH", &path, Some(changes))?.expect(200)
}

#[test]
fn server_that_fails_takes_all_back_or_is_left_behind() -> Result<()> {
    let house = Pair::build()?;
    let site = house.project(&json!({}))?;
    let (_, first) = site.push_live("First version")?;
    let first = Some(text(&first, "/id")?);
    break_second(&site)?;

    let ended = push_version(&house, &site, 2)?;
    let reason = text(&ended, "/reason")?;
    assert_eq!(ended["state"], "rolled_back", "{reason}");
    assert_eq!(states(&ended)?, ["rolled_back", "failed"], "{ended}");
    ensure!(
        reason.starts_with("two: ready: ")
            && reason.contains("500")
            && reason.ends_with("one went back to the release before."),
        "{reason}"
    );
    assert_eq!(house.live(&site), [first.clone(), first.clone()]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 1")));
    assert_eq!(house.migrated()?, "2");

    change(&house, &site, &json!({"server_policy": "keep_going"}))?;
    let ended = push_version(&house, &site, 3)?;
    let reason = text(&ended, "/reason")?;
    assert_eq!(ended["state"], "failed", "{reason}");
    assert_eq!(states(&ended)?, ["live", "failed"], "{ended}");
    ensure!(reason.ends_with("one serves the new release."), "{reason}");
    let [one, two] = house.pages(&site)?;
    ensure!(
        one.contains("version 3") && two.contains("version 1"),
        "{one}{two}"
    );
    let shown = house.here.api.get(&format!("/projects/{}", site.project.id))?;
    assert_eq!(shown["targets"][0]["live_deployment"], ended["id"], "{shown}");
    assert_eq!(
        shown["targets"][1]["live_deployment"].as_str(),
        first.as_deref(),
        "{shown}"
    );

    // What failed on one server only is no release to go back to; what is mended is live on both.
    let back = format!("/deployments/{}/rollback", text(&ended, "/id")?);
    let refused = house.here.api.post(&back, &json!({}), 409)?;
    ensure!(
        text(&refused, "/detail")?.contains("no longer on two"),
        "{refused}"
    );
    site.repository
        .git(&["checkout", "HEAD~2", "--", "public/index.php"])?;
    let ended = push_version(&house, &site, 4)?;
    assert_eq!(ended["state"], "live", "{}", ended["reason"]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 4")));
    Ok(())
}

/// Waits until the edge has noticed that the second server is silent.
fn two_is_missing(house: &Pair) -> Result<()> {
    let path = format!("/servers/{}", house.two.server.runner.id());
    wait_for("the second server to be missing", LIMIT, || {
        let server = house.here.api.get(&path)?;
        ensure!(server["state"] == "missing", "it is {}", server["state"]);
        Ok(Some(()))
    })
}

#[test]
fn silent_server_is_not_waited_for_unless_all_have_to_have_the_release() -> Result<()> {
    let mut house = Pair::build()?;
    let shop = house.project(&json!({"server_policy": "keep_going"}))?.detach();
    shop.on(&house.here).push_live("First version")?;

    // Silent when its turn comes.
    house.two.server.runner.kill();
    two_is_missing(&house)?;
    let site = shop.on(&house.here);
    let ended = push_version(&house, &site, 2)?;
    let reason = text(&ended, "/reason")?;
    assert_eq!(states(&ended)?, ["live", "failed"], "{reason}");
    ensure!(
        reason.starts_with("two: The server was silent when its turn came."),
        "{reason}"
    );
    let [one, two] = house.pages(&site)?;
    ensure!(
        one.contains("version 2") && two.contains("version 1"),
        "{one}{two}"
    );

    // Where all have to have it, it begins when all are there.
    change(&house, &site, &json!({"server_policy": "all"}))?;
    site.repository.write("VERSION", "3\n")?;
    let (_, third) = site.push("Version 3")?;
    let ping = format!("/servers/{}/ping", house.here.server.runner.id());
    let pinged = house.here.api.post(&ping, &json!({}), 202)?;
    house.here.api.job(&text(&pinged, "/job/id")?, LIMIT)?;
    assert_eq!(house.here.api.deployment(&third)?["state"], "queued");
    house.two.server.runner.start()?;
    let live = house.here.api.live(&third, LIMIT)?;
    assert_eq!(states(&live)?, ["live", "live"]);
    let site = shop.on(&house.here);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 3")));

    // Silent in the middle of its work.
    change(&house, &site, &json!({"server_policy": "keep_going"}))?;
    house.two.server.runner.kill_at("before:switch")?;
    site.repository.write("VERSION", "4\n")?;
    let (_, fourth) = site.push("Version 4")?;
    house.two.server.runner.killed(LIMIT)?;
    two_is_missing(&house)?;
    house.here.edge.cron()?;
    let ended = house.here.api.finished(&fourth, LIMIT)?;
    let reason = text(&ended, "/reason")?;
    assert_eq!(states(&ended)?, ["live", "failed"], "{reason}");
    ensure!(reason.contains("went silent while it was at work"), "{reason}");
    // What it was at is not finished behind everybody's back once it is there again.
    house.two.server.runner.start()?;
    let site = shop.on(&house.here);
    let ended = push_version(&house, &site, 5)?;
    assert_eq!(ended["state"], "live", "{}", ended["reason"]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 5")));
    Ok(())
}

#[test]
fn ten_projects_over_two_servers_go_live_beside_each_other() -> Result<()> {
    let house = Pair::build()?;
    let ids = [house.here.server.runner.id(), house.two.server.runner.id()];
    let mut sites = Vec::new();
    for number in 0..10 {
        let servers = match number % 3 {
            0 => ids.to_vec(),
            1 => ids[..1].to_vec(),
            _ => ids[1..].to_vec(),
        };
        let release = json!({"keep": 2, "drain_s": 5, "observe_s": 1, "ready_s": 20});
        let body = json!({"server": servers[0], "servers": servers, "release": release});
        let site = house
            .here
            .project_named(&format!("site-{number}"), "php", &body)?;
        site.repository.write("VERSION", &format!("{number}0\n"))?;
        sites.push((servers, site));
    }
    let deployments: Vec<String> = sites
        .iter()
        .map(|(_, site)| Ok(site.push("First version")?.1))
        .collect::<Result<_>>()?;
    for (number, ((servers, site), deployment)) in sites.iter().zip(&deployments).enumerate() {
        house.here.api.live(deployment, Duration::from_mins(5))?;
        for (id, server) in ids.iter().zip([&house.here.server, &house.two.server]) {
            let live = server.live_release(&site.project.slug);
            assert_eq!(live.is_some(), servers.contains(id), "{}", site.project.slug);
            // Nginx does not answer at all to a name that it does not have.
            let page = server.visit(&site.host, "/");
            let there = page.is_ok_and(|page| page.text().contains(&format!("version {number}0")));
            assert_eq!(there, servers.contains(id), "{}", site.project.slug);
        }
    }
    Ok(())
}

#[test]
fn who_may_not_make_projects_does_not_decide_where_they_are() -> Result<()> {
    let house = House::build()?;
    let flowers = &house.flowers.id;
    let (second, _) = house.api.add_server("web-2")?;
    let (admin, _) = house.add("admin@example.com", &json!({"projects": {flowers: "admin"}}))?;
    let form = format!("/projects/{flowers}/servers");
    let fields = format!("server-1={second}&policy=all");
    let page = admin.page(&format!("/projects/{flowers}/settings"))?;
    ensure!(
        !page.contains(&form) && !page.contains("web-2"),
        "the page shows servers"
    );
    assert_eq!(admin.post("/", &form, &fields)?.status, 403);
    // Nor does a key for the project alone, whatever else it may change.
    let asked = json!({"name": "CI", "scope": "admin", "projects": [flowers]});
    let session = Session::sign_in(house.edge.url(), EMAIL, &house.password)?;
    let made = session.call("POST", "/keys", Some(&asked))?.expect(201)?;
    let limited = house.api.with_key(&text(&made, "/token")?);
    let path = format!("/projects/{flowers}");
    limited
        .call("PATCH", &path, Some(&json!({"name": "Roses"})))?
        .expect(200)?;
    let changes = [
        json!({"servers": [second]}),
        json!({"server_policy": "keep_going"}),
    ];
    for changes in &changes {
        limited.call("PATCH", &path, Some(changes))?.expect(403)?;
    }
    let owner = house.owner()?;
    owner.submit(&format!("{path}/settings"), &form, &fields)?;
    assert_eq!(house.api.get(&path)?["server"], second.as_str());
    Ok(())
}

#[test]
fn servers_of_a_project_are_changed_and_what_is_asked_of_it_is_asked_of_all() -> Result<()> {
    let house = Pair::build()?;
    let site = house.project(&json!({}))?;
    let (one, two) = (house.here.server.runner.id(), house.two.server.runner.id());
    let api = &house.here.api;
    site.push_live("First version")?;
    let path = format!("/projects/{}", site.project.id);

    // Each would have a database of its own.
    let services = json!({"services": {"mariadb": true}});
    let refused = api.call("PATCH", &path, Some(&services))?.expect(422)?;
    ensure!(
        refused
            .to_string()
            .contains("needs a database and Redis that all of them reach"),
        "{refused}"
    );
    let twice = json!({"servers": [one, one]});
    api.call("PATCH", &path, Some(&twice))?.expect(422)?;

    let jobs_are_done = |what: &str| -> Result<()> {
        wait_for(what, LIMIT, || {
            let pages = [&house.here.server, &house.two.server].map(|server| server.visit(&site.host, "/"));
            let statuses: Vec<u16> = pages
                .into_iter()
                .map(|page| Ok(page?.status))
                .collect::<Result<_>>()?;
            let wanted = if what == "stop" { 503 } else { 200 };
            ensure!(statuses == [wanted, wanted], "{statuses:?}");
            Ok(Some(()))
        })
    };
    api.post(&format!("{path}/stop"), &json!({}), 202)?;
    jobs_are_done("stop")?;
    api.post(&format!("{path}/restart"), &json!({}), 202)?;
    jobs_are_done("restart")?;

    // Another first server: it migrates from now on.
    change(&house, &site, &json!({"servers": [two, one]}))?;
    site.repository.write("VERSION", "2\n")?;
    let (_, second) = site.push_live("Second version")?;
    assert_eq!(second["server"], two);
    let names: Vec<bool> = parts(&second)?
        .iter()
        .map(|(_, steps)| steps.iter().any(|step| step == "migrate"))
        .collect();
    assert_eq!((names, house.migrated()?), (vec![true, false], "2".to_owned()));

    // One that is taken out takes the site down; the other serves on.
    change(&house, &site, &json!({"servers": [two]}))?;
    wait_for("the site to go from the first machine", LIMIT, || {
        let slug = &site.project.slug;
        ensure!(house.here.server.live_release(slug).is_none(), "it is live there");
        Ok(Some(()))
    })?;
    let page = house.two.server.visit(&site.host, "/")?;
    ensure!(page.text().contains("version 2"), "{:.300}", page.text());
    assert_eq!(api.get(&path)?["further_servers"], 0);

    // A project on both goes from both.
    change(&house, &site, &json!({"servers": [two, one]}))?;
    let deployment = api.deploy(&site.project)?;
    api.live(&deployment, LIMIT)?;
    api.call("DELETE", &path, None)?.expect(202)?;
    wait_for("the project to be gone", LIMIT, || {
        let answer = api.call("GET", &path, None)?;
        ensure!(answer.status == 404, "it answers {}", answer.status);
        Ok(Some(()))
    })?;
    assert_eq!(house.live(&site), [None, None]);
    Ok(())
}
