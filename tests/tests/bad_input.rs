//! Bad input everywhere: whatever comes in, the answer is a problem with a code, never a 500, and nothing is
//! half-written.

use anyhow::{Context, Result, ensure};
use devflow_protocol::limits::REQUEST_BODY_BYTES;
use devflow_tests::api::Api;
use devflow_tests::edge::Edge;
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Checks an answer that has to be a problem of the given status.
fn problem(what: &str, answer: &Answer, status: u16) -> Result<()> {
    let text = answer.text();
    ensure!(
        answer.status == status,
        "{what}: expected {status}, got {}: {text:.400}",
        answer.status
    );
    let kind = answer.header("content-type").unwrap_or_default();
    ensure!(
        kind.starts_with("application/problem+json"),
        "{what}: the content type is {kind}: {text:.400}"
    );
    let json = answer.json()?;
    let code = json["code"].as_str().unwrap_or_default();
    ensure!(
        !code.is_empty() && json["status"] == status,
        "{what}: not problem details: {json}"
    );
    ensure!(
        json["detail"].as_str().is_some_and(|detail| detail.len() > 10),
        "{what}: no useful detail: {json}"
    );
    Ok(())
}

/// All that the API lists; compared before and after.
fn everything(api: &Api) -> Result<Value> {
    Ok(json!({"projects": api.get("/projects")?, "servers": api.get("/servers")?}))
}

#[test]
fn projects_with_bad_settings_are_refused_and_nothing_is_changed() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    let good = json!({
        "name": "Shop", "framework": "php", "repository": "https://github.com/acme/shop.git", "server": server,
        "domains": ["shop.example.com"], "provider": "github",
    });
    let project = api.add_project(&good)?;
    let before = everything(&api)?;

    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body["slug"] = json!("other");
        body[name] = value;
        body
    };
    let cases = [
        ("no name", changed("name", json!("")), 422),
        ("a number for a name", changed("name", json!(7)), 422),
        (
            "a name that is too long",
            changed("name", json!("x".repeat(10_000))),
            422,
        ),
        ("unknown framework", changed("framework", json!("django")), 422),
        (
            "a repository that is a path",
            changed("repository", json!("/etc")),
            422,
        ),
        (
            "a repository with an option in it",
            changed("repository", json!("--upload-pack=x")),
            422,
        ),
        (
            "unknown server",
            changed("server", json!("srv_01h455vb4pex5vsknk084sn02q")),
            422,
        ),
        (
            "a domain with a path",
            changed("domains", json!(["a.example.com/x"])),
            422,
        ),
        ("no domains", changed("domains", json!([])), 422),
        ("unknown field", changed("colour", json!("red")), 422),
        (
            "a slug that is used",
            {
                let mut body = good.clone();
                body["slug"] = json!(project.slug);
                body["domains"] = json!(["other.example.com"]);
                body
            },
            409,
        ),
        ("a branch that git refuses", changed("branch", json!("a..b")), 422),
    ];
    for (what, body, status) in &cases {
        let answer = api.call("POST", "/projects", Some(body))?;
        problem(what, &answer, *status)?;
    }
    assert_eq!(everything(&api)?, before);
    Ok(())
}

#[test]
fn ids_and_methods_that_are_not_there_are_problems() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    for (method, path) in [
        ("GET", "/projects/prj_01h455vb4pex5vsknk084sn02q"),
        ("GET", "/projects/nonsense"),
        ("GET", "/deployments/dep_01h455vb4pex5vsknk084sn02q"),
        ("GET", "/deployments/%00"),
        ("GET", "/servers/srv_01h455vb4pex5vsknk084sn02q"),
        ("GET", "/deliveries/x"),
        ("GET", "/jobs/x"),
        ("POST", "/deliveries/x/replay"),
        ("POST", "/deployments/x/rollback"),
        ("GET", "/nothing/here"),
    ] {
        let body = (method == "POST").then(|| json!({}));
        problem(
            &format!("{method} {path}"),
            &api.call(method, path, body.as_ref())?,
            404,
        )?;
    }
    problem("DELETE of the list", &api.call("DELETE", "/projects", None)?, 405)?;
    problem(
        "PUT of a server",
        &api.call("PUT", &format!("/servers/{server}"), Some(&json!({})))?,
        405,
    )?;
    // A cursor says where a list goes on; one that was made up leads to an empty page at worst.
    for cursor in ["x", "%27%20OR%201=1", "-1", "%00"] {
        let answer = api.call("GET", &format!("/projects?cursor={cursor}"), None)?;
        ensure!(
            answer.status < 500,
            "cursor {cursor}: {} {}",
            answer.status,
            answer.text()
        );
    }
    Ok(())
}

#[test]
fn bodies_broken_or_oversize_are_refused_before_anything_is_stored() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let before = everything(&api)?;
    let client = Client::default();
    let key = format!("Bearer {}", api.key());
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/json"),
    ];
    let url = format!("{}/api/v1/servers", edge.url());
    for (body, status) in [
        (&b"{"[..], 400),
        (b"", 400),
        (b"{\"name\":\"\xff\"}", 400),
        ("[".repeat(100_000).as_bytes(), 422),
        (b"[]", 422),
        (b"null", 422),
        (b"{\"name\":\"a\",\"name\":\"b\"}", 422),
    ] {
        let answer = client.send("POST", &url, &headers, Some(body))?;
        let what = String::from_utf8_lossy(&body[..body.len().min(40)]);
        problem(&what, &answer, status)?;
    }
    let large = vec![b' '; REQUEST_BODY_BYTES + 1];
    problem(
        "too many spaces",
        &client.send("POST", &url, &headers, Some(&large))?,
        413,
    )?;
    let wrong_type = [("authorization", key.as_str()), ("content-type", "text/plain")];
    problem(
        "another content type",
        &client.send("POST", &url, &wrong_type, Some(b"{\"name\":\"a\"}"))?,
        415,
    )?;
    assert_eq!(everything(&api)?, before);
    Ok(())
}

/// Announces a body of 26 MiB: it is refused before it is sent.
fn announce_too_much(url: &str) -> Result<()> {
    let (host, path) = url
        .trim_start_matches("http://")
        .split_once('/')
        .context("an address")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n",
        26 << 20
    )?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    ensure!(status.starts_with("HTTP/1.1 413"), "26 MiB: {status}");
    Ok(())
}

#[test]
fn hooks_given_bad_input_answer_with_problems() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    let project = api.add_project(&json!({
        "name": "Shop", "framework": "php", "repository": "https://github.com/acme/shop.git", "server": server,
        "domains": ["shop.example.com"], "provider": "github",
    }))?;
    let client = Client::default();
    let signed = |body: &[u8]| {
        format!(
            "sha256={}",
            devflow_tests::webhook::hmac_hex(project.hook.secret.as_bytes(), body)
        )
    };
    let send = |url: &str, event: &str, body: &[u8]| {
        let signature = signed(body);
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", event),
            ("x-github-delivery", "a-b-c"),
            ("x-hub-signature-256", signature.as_str()),
        ];
        client.send("POST", url, &headers, Some(body))
    };
    let hook_id = project.hook.url.rsplit('/').next().context("an id")?;
    problem(
        "unknown hook",
        &send(
            &format!("{}/hooks/github/hok_01h455vb4pex5vsknk084sn02q", edge.url()),
            "push",
            b"{}",
        )?,
        404,
    )?;
    problem(
        "another provider",
        &send(&format!("{}/hooks/gitlab/{hook_id}", edge.url()), "push", b"{}")?,
        404,
    )?;
    problem(
        "unknown provider",
        &send(&format!("{}/hooks/svn/{hook_id}", edge.url()), "push", b"{}")?,
        404,
    )?;
    problem("GET of a hook", &client.get(&project.hook.url, &[])?, 405)?;
    announce_too_much(&project.hook.url)?;
    let headers = [("content-type", "application/json"), ("x-github-event", "push")];
    problem(
        "unsigned",
        &client.send("POST", &project.hook.url, &headers, Some(b"{}"))?,
        401,
    )?;
    // Signed by the provider and still not readable: kept as it came, with the reason, so that a person can see it.
    for body in [&b"{"[..], b"[]", b"{}", b"{\"ref\": 7}"] {
        let answer = send(&project.hook.url, "push", body)?;
        ensure!(
            answer.status < 500 && answer.status != 401,
            "{}: {} {}",
            String::from_utf8_lossy(body),
            answer.status,
            answer.text()
        );
    }
    assert_eq!(
        api.get(&format!("/projects/{}/deployments", project.id))?["items"],
        json!([])
    );
    Ok(())
}

#[test]
fn doors_without_a_key_or_session_stay_shut() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let client = Client::default();
    let json_type = [("content-type", "application/json")];
    let setup = format!("{}/api/v1/setup", edge.url());
    let owner = |token: &str| {
        json!({"token": token, "email": "eve@example.com", "password": "correct horse battery"}).to_string()
    };
    problem(
        "set-up with a wrong token",
        &client.send("POST", &setup, &json_type, Some(owner("guess").as_bytes()))?,
        404,
    )?;
    let (api, _) = edge.set_up()?;
    problem(
        "set-up again",
        &client.send(
            "POST",
            &setup,
            &json_type,
            Some(owner(edge.setup_token()).as_bytes()),
        )?,
        404,
    )?;
    for path in [
        "/projects",
        "/servers",
        "/projects/x/environment",
        "/deployments/x/output",
    ] {
        let url = format!("{}/api/v1{path}", edge.url());
        problem("no key", &client.get(&url, &[])?, 401)?;
        problem(
            "a wrong key",
            &client.get(&url, &[("authorization", "Bearer dfp_guess")])?,
            401,
        )?;
        problem(
            "another scheme",
            &client.get(&url, &[("authorization", "Basic YTpi")])?,
            401,
        )?;
    }
    for path in ["/", "/servers", "/projects/x", "/deployments/x"] {
        let answer = client.get(&format!("{}{path}", edge.url()), &[])?;
        ensure!(
            answer.status == 303,
            "{path} without a session: {}",
            answer.status
        );
        ensure!(
            answer
                .header("location")
                .is_some_and(|to| to.starts_with("/sign-in")),
            "{path} goes to {:?}",
            answer.header("location")
        );
    }
    for path in [
        "/runner/v1/poll",
        "/runner/v1/ack",
        "/runner/v1/events",
        "/runner/v1/complete",
    ] {
        let answer = client.send("POST", &format!("{}{path}", edge.url()), &json_type, Some(b"{}"))?;
        problem(path, &answer, 401)?;
    }
    let claims = json!({"payload": "", "payloadType": "", "signatures": []});
    let enrol = json!({"token_key": "AAAA", "claims": claims});
    let answer = client.send(
        "POST",
        &format!("{}/runner/v1/enrol", edge.url()),
        &json_type,
        Some(enrol.to_string().as_bytes()),
    )?;
    ensure!(
        (400..500).contains(&answer.status),
        "enrolment with a guess: {}",
        answer.status
    );
    problem("enrolment with a guess", &answer, answer.status)?;
    assert_eq!(api.get("/servers")?["items"], json!([]));
    Ok(())
}
