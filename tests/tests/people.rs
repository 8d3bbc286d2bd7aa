//! People and their access: invited, given roles, kept to them, shut out, deleted.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::house::{House, PASSWORD};
use devflow_tests::plain::Plain;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn person_invited_in_the_browser_comes_in_and_sees_only_their_project() -> Result<()> {
    let house = House::build()?;
    let owner = house.browse()?;
    owner.open(&format!("{}/people/new", house.edge.url()))?;
    owner.fill("#email", "jane@example.com")?;
    owner.script("document.querySelector('#role').value = ''", &json!([]))?;
    owner.fill("#project", "flowers")?;
    owner.click("form[action='/people'] button")?;
    owner.shows("The link is shown once", SOON)?;
    let link = owner.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let link = link.as_str().context("no link")?;

    let jane = Browser::start()?;
    jane.open(link)?;
    jane.shows("You are invited", SOON)?;
    jane.fill("#password", "password1234")?;
    jane.click("form button")?;
    jane.shows("first that are guessed", SOON)?;
    jane.fill("#password", PASSWORD)?;
    jane.click("form button")?;
    jane.shows("flowers", SOON)?;
    let seen = jane.text()?;
    ensure!(
        !seen.contains("blog") && !seen.contains("People") && !seen.contains("Servers"),
        "{seen}"
    );
    jane.open(&format!("{}/projects/{}", house.edge.url(), house.blog.id))?;
    jane.shows("There is no such page", SOON)?;
    jane.open(link)?;
    jane.shows("This invitation is over", SOON)?;

    owner.open(&format!("{}/people", house.edge.url()))?;
    owner.shows("jane@example.com", SOON)?;
    owner.shows("1 project", SOON)?;
    owner.open(&format!("{}/activity", house.edge.url()))?;
    owner.shows("Accepted an invitation as jane@example.com", SOON)?;
    for browser in [&owner, &jane] {
        let errors = browser.console()?;
        let refused = |line: &&String| !line.contains("404") && !line.contains("422");
        let errors: Vec<&String> = errors.iter().filter(refused).collect();
        ensure!(errors.is_empty(), "the console has: {errors:#?}");
    }
    Ok(())
}

/// Requests of a person, with the least role for each; one a permission that a page or the API asks for.
fn attempts(house: &House, victim: &str) -> Vec<(&'static str, String, &'static str)> {
    let project = format!("/projects/{}", house.flowers.id);
    vec![
        ("GET", "/".to_owned(), "none"),
        ("GET", project.clone(), "viewer"),
        ("GET", "/servers".to_owned(), "viewer"),
        ("POST", format!("{project}/deploy"), "maintainer"),
        ("POST", format!("{project}/environment/import"), "maintainer"),
        ("POST", format!("{project}/settings"), "maintainer"),
        ("GET", format!("{project}/environment/file"), "admin"),
        ("GET", "/activity".to_owned(), "admin"),
        ("GET", "/people".to_owned(), "admin"),
        ("GET", "/people/new".to_owned(), "admin"),
        ("POST", "/people".to_owned(), "admin"),
        ("GET", format!("/people/{victim}"), "admin"),
        ("POST", format!("/people/{victim}/role"), "admin"),
        ("POST", format!("/people/{victim}/projects"), "admin"),
        ("POST", format!("/people/{victim}/disable"), "admin"),
        ("POST", format!("/people/{victim}/delete"), "admin"),
    ]
}

#[test]
fn each_role_is_refused_what_it_lacks() -> Result<()> {
    let house = House::build()?;
    let (_, victim) = house.add("victim@example.com", &json!({"role": "viewer"}))?;
    let order = ["none", "viewer", "maintainer", "admin"];
    for (rank, role) in order.iter().enumerate() {
        let body = if *role == "none" {
            json!({"projects": {&house.blog.id: "viewer"}})
        } else {
            json!({"role": role})
        };
        let (plain, _) = house.add(&format!("{role}@example.com"), &body)?;
        for (method, path, least) in attempts(&house, &victim) {
            let needed = order
                .iter()
                .position(|name| *name == least)
                .context("no such role")?;
            if method == "POST" && rank >= needed {
                continue;
            }
            let status = match method {
                "POST" => plain.post("/", &path, "")?.status,
                _ => plain.send("GET", &path, None)?.status,
            };
            let expected = match rank {
                _ if rank >= needed => 200,
                0 => 404,
                _ => 403,
            };
            ensure!(
                status == expected,
                "{role}: {method} {path} answered {status}, not {expected}"
            );
        }
    }
    assert_eq!(house.api.get(&format!("/people/{victim}"))?["role"], "viewer");
    Ok(())
}

#[test]
fn roles_are_changed_and_revoked_without_a_script_and_by_the_api() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let (jane, id) = house.add(
        "jane@example.com",
        &json!({"projects": {&house.flowers.id: "viewer"}}),
    )?;
    let deploy = format!("/projects/{}/deploy", house.flowers.id);
    ensure!(jane.post("/", &deploy, "")?.status == 403);
    let person = format!("/people/{id}");
    let page = owner.submit(
        &person,
        &format!("{person}/projects"),
        "project=flowers&role=maintainer",
    )?;
    ensure!(
        page.contains("Maintainer of flowers from now on."),
        "{page:.3000}"
    );
    ensure!(jane.post("/", &deploy, "")?.status == 303);
    let page = owner.submit(
        &person,
        &format!("{person}/projects"),
        &format!("project={}&role=", house.flowers.id),
    )?;
    ensure!(page.contains("No role of flowers any more."));
    ensure!(jane.post("/", &deploy, "")?.status == 404);

    let edit = |body: Value, status: u16| {
        let answer = house.api.call("PATCH", &format!("/people/{id}"), Some(&body))?;
        answer.expect(status)
    };
    let shown = edit(
        json!({"role": "viewer", "projects": {&house.blog.id: "admin"}}),
        200,
    )?;
    assert_eq!(
        (&shown["role"], &shown["projects"][&house.blog.id]),
        (&json!("viewer"), &json!("admin"))
    );
    // Who has another role signs in again.
    ensure!(jane.send("GET", "/", None)?.status == 303);
    edit(json!({"projects": {&house.blog.id: "owner"}}), 422)?;
    edit(
        json!({"projects": {"prj_01h2e8kqvbfwea724h75qc655w": "viewer"}}),
        404,
    )?;
    edit(json!({"email": "other@example.com"}), 422)?;
    let shown = edit(json!({"role": null, "projects": {&house.blog.id: null}}), 200)?;
    assert_eq!((&shown["role"], &shown["projects"]), (&Value::Null, &json!({})));
    Ok(())
}

#[test]
fn nobody_changes_who_is_above_them_and_the_last_owner_stays() -> Result<()> {
    let house = House::build()?;
    let people = house.api.get("/people")?;
    let owner = text(&people, "/items/0/id")?;
    let (admin, _) = house.add("admin@example.com", &json!({"role": "admin"}))?;
    for (path, fields) in [
        (format!("/people/{owner}/role"), "role=viewer"),
        (format!("/people/{owner}/disable"), ""),
        (format!("/people/{owner}/delete"), &*format!("confirm={EMAIL}")),
        (
            "/people".to_owned(),
            "email=eve@example.com&role=owner&project=&project_role=",
        ),
    ] {
        let status = admin.post("/", &path, fields)?.status;
        ensure!(status == 403, "{path} answered {status}");
    }
    let path = format!("/people/{owner}");
    let lowered = house.api.call("PATCH", &path, Some(&json!({"role": "admin"})))?;
    assert_eq!(lowered.expect(409)?["code"], "last_owner");
    ensure!(
        house
            .api
            .call("PATCH", &path, Some(&json!({"disabled": true})))?
            .status
            == 403
    );
    ensure!(house.api.call("DELETE", &path, None)?.status == 403);

    // With a second owner the first can go, and then the second is the last.
    let (second, id) = house.add("second@example.com", &json!({"role": "owner"}))?;
    ensure!(
        second
            .post(
                "/",
                &format!("/people/{owner}/delete"),
                &format!("confirm={EMAIL}")
            )?
            .status
            == 303
    );
    ensure!(
        house.api.call("GET", "/people", None)?.status == 401,
        "the key of who is gone still works"
    );
    let answer = second.post("/", &format!("/people/{id}/role"), "role=admin")?;
    let notice = second.send("GET", answer.header("location").context("no redirect")?, None)?;
    ensure!(notice.status == 200 && second.page("/people")?.contains("Owner"));
    Ok(())
}

#[test]
fn person_shut_out_loses_sessions_and_keys_and_one_deleted_leaves_no_name() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let (jane, id) = house.add("jane@example.com", &json!({"role": "maintainer"}))?;
    let made = jane
        .post("/keys", "/keys", "name=CI&scope=deploy&days=30&projects=")?
        .text();
    let key = made
        .split("<code>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let api = house.api.with_key(key.context("no key")?);
    api.get("/projects")?;
    api.deploy(&house.flowers)?;
    let person = format!("/people/{id}");
    let page = owner.submit(&person, &format!("{person}/disable"), "")?;
    ensure!(page.contains("Shut out"));
    ensure!(jane.send("GET", "/", None)?.status == 303 && api.call("GET", "/projects", None)?.status == 401);
    let again = Plain::new(house.edge.url()).send(
        "POST",
        "/sign-in",
        Some(&format!("email=jane@example.com&password={PASSWORD}")),
    )?;
    ensure!(again.status == 401, "{}", again.status);
    owner.submit(&person, &format!("{person}/enable"), "")?;
    api.get("/projects")?;
    Plain::sign_in(house.edge.url(), "jane@example.com", PASSWORD)?;

    ensure!(owner.page("/activity")?.contains("jane@example.com"));
    owner.submit(&person, &format!("{person}/delete"), "confirm=jane@example.com")?;
    ensure!(api.call("GET", "/projects", None)?.status == 401);
    let activity = owner.page("/activity")?;
    ensure!(
        !activity.contains("jane") && activity.contains("an API key that is gone"),
        "{activity:.6000}"
    );
    ensure!(owner.send("GET", &person, None)?.status == 404);
    // The address is free again.
    house.add("jane@example.com", &json!({"role": "viewer"}))?;
    Ok(())
}

#[test]
fn invitation_taken_back_or_made_anew_opens_nothing() -> Result<()> {
    let house = House::build()?;
    let first = house.invite(&json!({"email": "jane@example.com", "role": "viewer"}))?;
    let second = house.invite(&json!({"email": "jane@example.com", "role": "viewer"}))?;
    let client = Plain::new(house.edge.url());
    ensure!(
        client.send("GET", &first, None)?.status == 404 && client.send("GET", &second, None)?.status == 200
    );
    let open = house.api.get("/invitations")?;
    let id = text(&open, "/items/0/id")?;
    ensure!(
        open["items"].as_array().is_some_and(|items| items.len() == 1) && !open.to_string().contains("token")
    );
    house
        .api
        .call("DELETE", &format!("/invitations/{id}"), None)?
        .expect(204)?;
    ensure!(client.send("GET", &second, None)?.status == 404 && house.accept(&second).is_err());
    for (body, status) in [
        (json!({"email": "jane", "role": "viewer"}), 422),
        (json!({"email": "jane@example.com"}), 422),
        (json!({"email": "jane@example.com", "role": "king"}), 422),
        (json!({"email": EMAIL, "role": "viewer"}), 409),
        (
            json!({"email": "jane@example.com", "projects": {&house.blog.id: "owner"}}),
            422,
        ),
    ] {
        house
            .api
            .call("POST", "/invitations", Some(&body))?
            .expect(status)?;
    }
    Ok(())
}

#[test]
fn admin_of_one_project_decides_who_works_on_it_and_on_nothing_else() -> Result<()> {
    let house = House::build()?;
    let (flowers, blog) = (&house.flowers.id, &house.blog.id);
    let (admin, _) = house.add("admin@example.com", &json!({"projects": {flowers: "admin"}}))?;
    let (jane, _) = house.add("jane@example.com", &json!({"projects": {blog: "viewer"}}))?;
    let people = format!("/projects/{flowers}/people");
    let page = admin.submit(&people, &people, "email=jane@example.com&role=maintainer")?;
    ensure!(
        page.contains("jane@example.com is Maintainer here from now on."),
        "{page:.4000}"
    );
    ensure!(jane.post("/", &format!("/projects/{flowers}/deploy"), "")?.status == 303);
    // Neither who works on it, nor its admin in other projects or about themselves.
    ensure!(
        jane.send("GET", &people, None)?.status == 403
            && jane.post("/", &people, "email=x&role=")?.status == 403
    );
    ensure!(
        admin
            .send("GET", &format!("/projects/{blog}/people"), None)?
            .status
            == 404
    );
    ensure!(admin.send("GET", "/people", None)?.status == 404);
    ensure!(
        admin
            .post(&people, &people, "email=admin@example.com&role=")?
            .status
            == 403
    );
    let page = admin.submit(&people, &people, "email=nobody@example.com&role=viewer")?;
    ensure!(page.contains("nobody here has that address"));
    let page = admin.submit(&people, &people, "email=jane@example.com&role=")?;
    ensure!(page.contains("has no role here any more"));
    ensure!(jane.send("GET", &format!("/projects/{flowers}"), None)?.status == 404);

    let path = format!("/projects/{flowers}/people");
    let set = |body: Value, status: u16| house.api.call("PATCH", &path, Some(&body))?.expect(status);
    let members = set(json!({"email": "jane@example.com", "role": "viewer"}), 200)?;
    ensure!(
        members["items"].as_array().is_some_and(|items| items.len() == 2),
        "{members}"
    );
    set(json!({"email": "jane@example.com"}), 422)?;
    set(json!({"email": "jane@example.com", "role": "owner"}), 422)?;
    set(json!({"email": "jane@example.com", "role": null}), 200)?;
    assert_eq!(house.api.get(&path)?["items"][0]["email"], "admin@example.com");
    Ok(())
}
