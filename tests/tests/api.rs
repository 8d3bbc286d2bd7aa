//! What holds for the whole JSON API: creations that come twice, changes of what somebody else changed.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, text};
use devflow_tests::edge::Edge;
use devflow_tests::house::House;
use devflow_tests::http::Answer;
use devflow_tests::places::Scratch;
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
        let tag = |answer: &Answer| answer.header("etag").map(str::to_owned).context("no etag");
        let change =
            |tag: &str, body: &Value| api.call_with("PATCH", &path, &[("if-match", tag)], Some(body));
        let before = tag(&api.call("GET", &path, None)?)?;
        let changed = change(&before, &first)?;
        changed.expect(200)?;
        let after = tag(&changed)?;
        ensure!(
            after == tag(&api.call("GET", &path, None)?)? && after != before,
            "{path}"
        );
        refused(&change(&before, &second)?, 412, "precondition_failed")?;
        ensure!(
            tag(&api.call("GET", &path, None)?)? == after,
            "{path} was changed all the same"
        );
        change(&after, &second)?.expect(200)?;
    }
    Ok(())
}
