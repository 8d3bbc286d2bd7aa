//! What leaves the edge: signed webhooks about deployments, checked by the library of Standard Webhooks, and notices.

use anyhow::{Context, Result, bail, ensure};
use devflow_tests::alone::Alone;
use devflow_tests::api::{Api, text};
use devflow_tests::process::wait_for;
use devflow_tests::recorder::{Recorded, Recorder, Reply};
use devflow_tests::server::{Installation, Parts};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

/// Adds an endpoint; gives its id and secret.
fn add(api: &Api, path: &str, url: &str, events: &[&str]) -> Result<(String, String)> {
    let made = api.post(path, &json!({"name": "CI", "url": url, "events": events}), 201)?;
    Ok((text(&made, "/endpoint/id")?, text(&made, "/secret")?))
}

/// Checks a request's signature as a receiver would.
fn verify(secret: &str, request: &Recorded) -> Result<Value> {
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = request.header(name).with_context(|| format!("no {name}"))?;
        headers.insert(name, value.parse()?);
    }
    Webhook::new(secret)?.verify(&request.body, &headers)?;
    ensure!(request.method == "POST" && request.header("content-type") == Some("application/json"));
    request.json()
}

#[test]
fn webhook_tells_of_deployments_and_is_tried_again_until_it_is_taken() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let recorder = Recorder::start()?;
    let site = here.project("php", &json!({}))?;
    let events = ["started", "live", "failed", "recovered"];
    let (of_all, of_all_secret) = add(&here.api, "/endpoints", &recorder.url("/all"), &["live"])?;
    let path = format!("/projects/{}/endpoints", site.project.id);
    let (endpoint, secret) = add(&here.api, &path, &recorder.url("/hooks?key=1"), &events)?;

    // The first is refused once, for longer than the deployment takes; the others are taken at once.
    let later = vec![("retry-after", "20".to_owned())];
    recorder.reply([Reply::Status(503, later, "busy".into())]);
    let (push, live) = site.push_live("First version")?;
    let id = text(&live, "/id")?;
    let first = recorder.wait(3, SOON)?;
    let started = verify(&secret, &first[0])?;
    ensure!(
        first[0].path == "/hooks?key=1" && started["type"] == "deployment.started",
        "{started}"
    );
    ensure!(
        first[0].header("webhook-id") == Some(&format!("{id}.1")),
        "{first:?}"
    );
    for request in &first[1..] {
        let secret = if request.path == "/all" {
            &of_all_secret
        } else {
            &secret
        };
        let told = verify(secret, request)?;
        ensure!(told["type"] == "deployment.live", "{told}");
        let deployment = &told["data"]["deployment"];
        ensure!(
            deployment["id"] == id && deployment["commit"] == push.after,
            "{told}"
        );
        ensure!(told["data"]["project"]["slug"] == site.project.slug, "{told}");
        let page = format!("{}/deployments/{id}", here.edge.url());
        ensure!(deployment["url"] == page, "{told}");
    }
    ensure!(
        Webhook::new(&of_all_secret)?
            .verify(&first[0].body, &headers_of(&first[0])?)
            .is_err()
    );
    let waiting = here.api.messages(&endpoint)?.pop().context("no message")?;
    ensure!(
        waiting["state"] == "waiting" && waiting["status"] == 503 && waiting["detail"] == "busy",
        "{waiting}"
    );

    // After its wait, the cron trigger sends it again under the same id.
    let fourth = wait_for("the next attempt", Duration::from_secs(40), || {
        here.edge.cron()?;
        Ok(recorder.requests().get(3).cloned())
    })?;
    let again = verify(&secret, &fourth)?;
    ensure!(
        again["type"] == "deployment.started" && again["data"]["deployment"]["id"] == id,
        "{again}"
    );
    ensure!(fourth.header("webhook-id") == first[0].header("webhook-id"));

    // A failure and the recovery after it, each once.
    let composer = site.repository.read("composer.json")?;
    site.repository.write("composer.json", "{ this is not json")?;
    let (_, broken) = site.push("Broken")?;
    here.api.finished(&broken, Duration::from_mins(2))?;
    let failed = recorder.wait(6, SOON)?;
    let told = verify(&secret, &failed[5])?;
    let reason = told["data"]["deployment"]["reason"]
        .as_str()
        .context("a reason")?;
    ensure!(
        told["type"] == "deployment.failed" && reason.contains("composer"),
        "{told}"
    );
    site.repository.write("composer.json", &composer)?;
    site.push_live("Mended")?;
    let all = recorder.wait(10, SOON)?;
    let types: Vec<String> = all[6..]
        .iter()
        .filter(|request| request.path != "/all")
        .map(|request| text(&verify(&secret, request)?, "/type"))
        .collect::<Result<_>>()?;
    ensure!(
        types == ["deployment.started", "deployment.live", "deployment.recovered"],
        "{types:?}"
    );
    here.edge.cron()?;
    none_came_twice(&recorder.requests()[1..])?;
    ensure!(
        here.api
            .messages(&of_all)?
            .iter()
            .all(|message| message["state"] == "delivered")
    );
    Ok(())
}

/// That each message was taken once.
fn none_came_twice(requests: &[Recorded]) -> Result<()> {
    let mut taken: Vec<_> = requests
        .iter()
        .map(|request| {
            (
                request.path.clone(),
                request.header("webhook-id").map(str::to_owned),
            )
        })
        .collect();
    let count = taken.len();
    taken.sort();
    taken.dedup();
    ensure!(taken.len() == count, "a message came twice: {taken:?}");
    Ok(())
}

fn headers_of(request: &Recorded) -> Result<http::HeaderMap> {
    let mut headers = http::HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(http::HeaderName::try_from(name)?, value.parse()?);
    }
    Ok(headers)
}

#[test]
fn message_survives_a_worker_that_is_killed_while_it_sends() -> Result<()> {
    let mut here = Alone::start()?;
    let recorder = Recorder::start()?;
    let project = here.project("shop", &json!({}))?;
    let path = format!("/projects/{}/endpoints", project.id);
    let (endpoint, secret) = add(&here.api, &path, &recorder.url("/"), &["cancelled"])?;
    recorder.reply([Reply::Never]);
    let deployment = here.api.deploy(&project)?;
    here.api
        .post(&format!("/deployments/{deployment}/cancel"), &json!({}), 202)?;
    let first = recorder.wait(1, SOON)?.remove(0);
    here.edge.go_away();
    here.edge.come_back()?;
    let second = wait_for("the message after the kill", Duration::from_mins(1), || {
        here.edge.cron()?;
        Ok(recorder.requests().get(1).cloned())
    })?;
    ensure!(verify(&secret, &second)? == first.json()?, "another message came");
    ensure!(second.header("webhook-id") == first.header("webhook-id"));
    here.edge.cron()?;
    ensure!(recorder.requests().len() == 2, "it came once more");
    let message = here.api.messages(&endpoint)?.remove(0);
    ensure!(
        message["state"] == "delivered" && message["attempts"] == 2,
        "{message}"
    );
    Ok(())
}

#[test]
fn endpoint_is_tested_rotated_turned_off_and_never_shows_its_secret() -> Result<()> {
    let here = Alone::start()?;
    let recorder = Recorder::start()?;
    let url = recorder.url("/in?token=hidden");
    let (endpoint, old) = add(&here.api, "/endpoints", &url, &["live"])?;
    let one = format!("/endpoints/{endpoint}");
    let shown = here.api.get(&one)?.to_string() + &here.api.get("/endpoints")?.to_string();
    ensure!(!shown.contains("hidden") && !shown.contains(&old), "{shown}");
    let test = || -> Result<Value> {
        Ok(here.api.post(&format!("{one}/test"), &json!({}), 200)?["message"].clone())
    };

    ensure!(test()?["state"] == "delivered");
    ensure!(verify(&old, &recorder.requests()[0])?["type"] == "test");
    let renewed = here.api.post(&format!("{one}/secret"), &json!({}), 200)?;
    let new = text(&renewed, "/secret")?;
    ensure!(new != old);
    test()?;
    let both = &recorder.requests()[1];
    verify(&new, both).and_then(|_| verify(&old, both))?;

    // A redirect is not followed, a long answer is cut, silence ends.
    let elsewhere = vec![("location", recorder.url("/elsewhere"))];
    recorder.reply([
        Reply::Status(302, elsewhere, String::new()),
        Reply::Status(500, vec![], "long ".repeat(200_000)),
        Reply::Never,
    ]);
    let redirected = test()?;
    ensure!(
        redirected["state"] == "waiting" && redirected["status"] == 302,
        "{redirected}"
    );
    let long = test()?;
    ensure!(
        long["detail"]
            .as_str()
            .is_some_and(|said| (100..=300).contains(&said.len())),
        "{long}"
    );
    let asked = Instant::now();
    let silent = test()?;
    ensure!(
        asked.elapsed() < Duration::from_secs(15) && silent["status"].is_null(),
        "{silent}"
    );
    ensure!(
        recorder
            .requests()
            .iter()
            .all(|request| request.path == "/in?token=hidden")
    );
    ensure!(!here.api.get(&one)?["failing_since"].is_null());

    // Sent again it is the same message.
    let id = text(&redirected, "/id")?;
    let again = here
        .api
        .post(&format!("{one}/resend"), &json!({"message": id}), 200)?;
    ensure!(again["message"]["state"] == "delivered", "{again}");
    ensure!(
        recorder
            .requests()
            .last()
            .and_then(|last| last.header("webhook-id"))
            == Some(id.as_str())
    );
    ensure!(here.api.get(&one)?["failing_since"].is_null());
    here.api
        .post(&format!("{one}/resend"), &json!({"message": "msg_x"}), 404)?;

    // Who answers 410 is told nothing any more, until a person says so.
    recorder.reply([Reply::status(410)]);
    ensure!(test()?["state"] == "given_up");
    let gone = here.api.get(&one)?;
    ensure!(
        gone["enabled"] == false
            && gone["disabled_reason"]
                .as_str()
                .is_some_and(|why| why.contains("410")),
        "{gone}"
    );
    let waiting = here
        .api
        .messages(&endpoint)?
        .iter()
        .filter(|message| message["state"] == "waiting")
        .count();
    ensure!(waiting == 0, "{waiting} messages wait");
    here.api.post(&format!("{one}/test"), &json!({}), 409)?;
    here.api
        .call("PATCH", &one, Some(&json!({"enabled": true, "name": "Other"})))?
        .expect(200)?;
    ensure!(test()?["state"] == "delivered");
    here.api.call("DELETE", &one, None)?.expect(204)?;
    here.api.call("GET", &one, None)?.expect(404).map(drop)
}

#[test]
fn chat_is_told_of_a_failure_and_of_the_recovery_and_of_nothing_else() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let recorder = Recorder::start()?;
    let site = here.project("php", &json!({}))?;
    let chat = json!({"kind": "slack", "name": "#releases", "url": recorder.url("/services/T0/B0/secret")});
    let made = here.api.post("/endpoints", &chat, 201)?;
    ensure!(
        made["secret"].is_null() && !made.to_string().contains("/services"),
        "{made}"
    );
    let id = text(&made, "/endpoint/id")?;
    let first = site.push_live("First version")?;
    let composer = site.repository.read("composer.json")?;
    site.repository.write("composer.json", "{ this is not json")?;
    let (push, broken) = site.push("Broken <!channel>")?;
    here.api.finished(&broken, Duration::from_mins(2))?;
    let told = recorder.wait(1, SOON)?.remove(0);
    let said = text(&told.json()?, "/text")?;
    let link = format!(
        "<{}/deployments/{broken}|“Broken &lt;!channel&gt;” ({}) by Ada>",
        here.edge.url(),
        &push.after[..7]
    );
    ensure!(
        said.starts_with(":x: *php* could not be deployed. ") && said.ends_with(&link),
        "{said}"
    );
    ensure!(said.contains("The release before serves on."), "{said}");
    ensure!(told.path == "/services/T0/B0/secret" && told.header("webhook-id").is_none());
    site.repository.write("composer.json", &composer)?;
    site.push_live("Mended")?;
    site.push_live("One more")?;
    here.edge.cron()?;
    let all = recorder.requests();
    ensure!(all.len() == 2, "{all:?} after {first:?}");
    let said = text(&all[1].json()?, "/text")?;
    ensure!(
        said.starts_with(":white_check_mark: *php* is well again"),
        "{said}"
    );

    // A chat that is no longer there is not asked for days.
    recorder.reply([Reply::Status(404, vec![], "no_service".into())]);
    let test = here.api.post(&format!("/endpoints/{id}/test"), &json!({}), 200)?;
    ensure!(
        test["message"]["state"] == "given_up" && test["message"]["detail"] == "no_service",
        "{test}"
    );
    ensure!(here.api.get(&format!("/endpoints/{id}"))?["enabled"] == true);
    here.api
        .post(&format!("/endpoints/{id}/secret"), &json!({}), 409)?;
    let chosen = json!({"kind": "slack", "name": "x", "url": recorder.url("/"), "events": ["live"]});
    here.api.post("/endpoints", &chosen, 422).map(drop)
}

#[test]
fn endpoint_with_an_address_that_is_not_public_is_refused() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({}))?;
    let path = format!("/projects/{}/endpoints", project.id);
    for url in [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "http://example.com/",
        "https://user:pass@example.com/",
        "https://metadata.google.internal/",
        "gopher://example.com/",
        "",
    ] {
        let answer = here.api.post(&path, &json!({"name": "CI", "url": url}), 422)?;
        ensure!(
            answer["detail"]
                .as_str()
                .is_some_and(|detail| detail.starts_with("url:")),
            "{answer}"
        );
    }
    for body in [
        json!({"name": "", "url": "https://example.com/"}),
        json!({"name": "CI", "url": "https://example.com/", "events": []}),
        json!({"name": "CI", "url": "https://example.com/", "events": ["queued"]}),
        json!({"name": "CI", "url": "https://example.com/", "secret": "mine"}),
    ] {
        here.api.post(&path, &body, 422)?;
    }
    let list = here.api.get(&path)?;
    if list["items"] != json!([]) {
        bail!("something was stored: {list}");
    }
    Ok(())
}
