//! What holds for the whole JSON API: creations that come twice, changes of what somebody else changed.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, text};
use devflow_tests::conditional::edit_twice;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::house::{House, PASSWORD};
use devflow_tests::http::Answer;
use devflow_tests::places::Scratch;
use devflow_tests::session::Session;
use devflow_tests::webhook::{Delivery, Hook};
use serde_json::{Value, json};

fn start() -> Result<(Scratch, Edge, Api)> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(&scratch.path().join("e"))?;
    let (api, _) = edge.set_up()?;
    Ok((scratch, edge, api))
}

fn refused(answer: &Answer, status: u16, code: &str) -> Result<()> {
    let body = answer.expect(status)?;
    ensure!(body["code"] == code, "expected {code}: {body}");
    Ok(())
}

fn add_project(api: &Api) -> Result<String> {
    let (server, _) = api.add_server("one")?;
    let project = api.add_project(&json!({
        "name": "Shop", "framework": "php", "repository": "https://github.com/acme/shop", "server": server,
        "provider": "github", "domains": ["shop.example.com"],
    }))?;
    Ok(project.id)
}

#[test]
fn creation_that_comes_again_with_its_key_makes_one_thing() -> Result<()> {
    let (_scratch, _edge, api) = start()?;
    let add = |key: &str, name: &str| {
        let body = json!({ "name": name });
        api.call_with("POST", "/servers", &[("idempotency-key", key)], Some(&body))
    };
    let first = add("k1", "alpha")?;
    let again = add("k1", "alpha")?;
    ensure!(first.expect(201)? == again.expect(201)?, "another answer");
    ensure!(first.header("idempotency-replayed").is_none());
    ensure!(again.header("idempotency-replayed") == Some("true"));

    // A key is for one request, of one caller; a refused request gives it back.
    refused(&add("k1", "beta")?, 422, "invalid")?;
    refused(&add("k2", "alpha")?, 409, "name_taken")?;
    add("k2", "beta")?.expect(201)?;
    refused(&add(" ", "gamma")?, 400, "invalid_header")?;
    let stranger = api.with_key("dfp_nobody");
    let body = json!({ "name": "alpha" });
    let theirs = stranger.call_with("POST", "/servers", &[("idempotency-key", "k1")], Some(&body))?;
    refused(&theirs, 401, "wrong_key")?;

    let servers = api.get("/servers")?;
    let names: Vec<&Value> = servers["items"]
        .as_array()
        .context("no items")?
        .iter()
        .map(|s| &s["name"])
        .collect();
    assert_eq!(names, ["alpha", "beta"]);
    Ok(())
}

#[test]
fn change_of_what_somebody_else_changed_is_refused() -> Result<()> {
    let (_scratch, _edge, api) = start()?;
    let path = format!("/projects/{}", add_project(&api)?);
    let change = |path: &str, method: &str, tag: Option<&str>, body: Value| {
        let headers: Vec<(&str, &str)> = tag.iter().map(|&tag| ("if-match", tag)).collect();
        api.call_with(method, path, &headers, Some(&body))
    };
    let tag = |answer: &Answer| answer.header("etag").map(str::to_owned).context("no etag");

    let seen = tag(&api.call("GET", &path, None)?)?;
    let changed = change(&path, "PATCH", Some(&seen), json!({"name": "Store"}))?;
    changed.expect(200)?;
    ensure!(
        tag(&changed)? == tag(&api.call("GET", &path, None)?)?,
        "the answer has another version"
    );
    refused(
        &change(&path, "PATCH", Some(&seen), json!({"name": "Late"}))?,
        412,
        "precondition_failed",
    )?;
    refused(
        &change(&path, "PATCH", Some("seven"), json!({"name": "Odd"}))?,
        400,
        "invalid_header",
    )?;
    refused(
        &change(
            &format!("{path}/scale"),
            "POST",
            Some(&seen),
            json!({"limits": {"memory_mib": 512}}),
        )?,
        412,
        "precondition_failed",
    )?;
    change(&path, "PATCH", None, json!({"branch": "next"}))?.expect(200)?;
    assert_eq!(text(&api.get(&path)?, "/name")?, "Store");

    let environment = format!("{path}/environment");
    let all = |text: &str| json!({"values": {"A": text}});
    refused(
        &change(&environment, "PUT", None, all("1"))?,
        428,
        "precondition_required",
    )?;
    let seen = tag(&api.call("GET", &environment, None)?)?;
    change(&environment, "PUT", Some(&seen), all("1"))?.expect(200)?;
    refused(
        &change(&environment, "PUT", Some(&seen), all("2"))?,
        412,
        "precondition_failed",
    )?;
    refused(
        &change(&environment, "PATCH", Some(&seen), all("2"))?,
        412,
        "precondition_failed",
    )?;
    change(
        &environment,
        "PATCH",
        None,
        json!({"values": {"B": "x", "C": "y"}}),
    )?
    .expect(200)?;
    change(
        &environment,
        "PATCH",
        None,
        json!({"values": {"A": null, "C": "z"}}),
    )?
    .expect(200)?;
    let shown = api.get(&format!("{environment}?reveal=true"))?;
    assert_eq!(shown["values"], json!({"B": "x", "C": "z"}));
    change(&environment, "PUT", Some("*"), all("3"))?.expect(200)?;
    assert_eq!(api.get(&environment)?["names"], json!(["A"]));
    let versions = api.get(&format!("{environment}/versions"))?;
    let newest = &versions["items"][0];
    assert_eq!(
        (&newest["added"], &newest["changed"], &newest["removed"]),
        (&json!(["A"]), &json!([]), &json!(["B", "C"]))
    );
    assert_eq!(
        (&newest["changed_by"], &newest["deployment"]),
        (&json!("set-up"), &Value::Null)
    );
    Ok(())
}

#[test]
fn every_edit_takes_the_version_that_it_is_made_on() -> Result<()> {
    let house = House::build()?;
    let api = &house.api;
    let (_, jane) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    let (server, _) = api.add_server("two")?;
    let endpoint = api.post(
        "/endpoints",
        &json!({"kind": "webhook", "name": "CI", "url": "https://ci.example.com/hook"}),
        201,
    )?;
    let members = format!("/projects/{}/people", house.flowers.id);
    let edits = [
        (
            format!("/people/{jane}"),
            json!({"role": "maintainer"}),
            json!({"projects": {&house.blog.id: "admin"}}),
        ),
        (
            members,
            json!({"email": "jane@example.com", "role": "admin"}),
            json!({"email": "jane@example.com", "role": null}),
        ),
        (
            format!("/servers/{server}"),
            json!({"name": "three"}),
            json!({"draining": true}),
        ),
        (
            format!("/endpoints/{}", text(&endpoint, "/endpoint/id")?),
            json!({"name": "CD"}),
            json!({"enabled": false}),
        ),
    ];
    for (path, first, second) in edits {
        edit_twice(&path, (&first, &second), |method, headers, body| {
            api.call_with(method, &path, headers, body)
        })?;
    }
    Ok(())
}

#[test]
fn sessions_of_ones_own_are_listed_and_ended_in_a_session_alone() -> Result<()> {
    let house = House::build()?;
    let begin = || Session::sign_in(house.edge.url(), EMAIL, &house.password);
    let (here, there, elsewhere) = (begin()?, begin()?, begin()?);
    ensure!(
        house.api.call("GET", "/sessions", None)?.status == 403,
        "a key has no sessions"
    );
    let current = |session: &Session| -> Result<(String, usize)> {
        let list = session.call("GET", "/sessions", None)?.expect(200)?;
        let items = list["items"].as_array().context("no items")?;
        let own: Vec<&Value> = items.iter().filter(|item| item["current"] == true).collect();
        ensure!(own.len() == 1, "{list}");
        Ok((text(own[0], "/id")?, items.len()))
    };
    let (id, all) = current(&there)?;
    ensure!(all >= 3 && current(&here)?.0 != id);
    let end = |path: &str| here.call("POST", path, Some(&json!({})));
    ensure!(end(&format!("/sessions/{id}/revoke"))?.status == 204);
    ensure!(there.call("GET", "/sessions", None)?.status == 401);
    ensure!(end(&format!("/sessions/{id}/revoke"))?.status == 404);
    ensure!(elsewhere.call("GET", "/sessions", None)?.status == 200);
    ensure!(end("/sessions/revoke")?.status == 204);
    ensure!(elsewhere.call("GET", "/sessions", None)?.status == 401);
    ensure!(current(&here)?.1 == 1);
    Ok(())
}

#[test]
fn hook_gets_another_secret_and_is_tried_out() -> Result<()> {
    let house = House::build()?;
    let (api, path) = (&house.api, format!("/projects/{}/hook", house.flowers.id));
    let ping = |hook: &Hook| Delivery::new("ping", &json!({"zen": "x"})).send(hook);
    let old = &house.flowers.hook;
    ensure!(ping(old)?.status < 300);
    let made = api.post(&format!("{path}/secret"), &json!({}), 201)?;
    let new = Hook {
        url: text(&made, "/url")?,
        secret: text(&made, "/secret")?,
    };
    ensure!(new.url == old.url && new.secret != old.secret, "{made}");
    ensure!(ping(old)?.status == 401 && ping(&new)?.status < 300);
    let tried = api.post(&format!("{path}/test"), &json!({}), 201)?;
    let delivery = text(&tried, "/delivery")?;
    api.get(&format!("/deliveries/{delivery}"))?;

    // Who may change settings and not see secrets makes none.
    house.add("jane@example.com", &json!({"role": "maintainer"}))?;
    let jane = Session::sign_in(house.edge.url(), "jane@example.com", PASSWORD)?;
    let refused = jane.call("POST", &format!("{path}/secret"), Some(&json!({})))?;
    ensure!(
        refused.status == 403 && ping(&new)?.status < 300,
        "{:.400}",
        refused.text()
    );
    Ok(())
}
