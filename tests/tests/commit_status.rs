//! The status of a commit at its Git provider: a server that records stands in for the providers, and is held against
//! what their documentation asks.

use anyhow::{Result, ensure};
use devflow_tests::alone::Alone;
use devflow_tests::api::text;
use devflow_tests::process::wait_for;
use devflow_tests::recorder::{Recorder, Reply};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// What a provider has to get for a commit: where, with which header, and how it says that it is pending and failed.
struct Documented {
    provider: &'static str,
    path: String,
    header: (&'static str, &'static str),
    states: [&'static str; 2],
    link: &'static str,
}

fn documented(commit: &str) -> [Documented; 4] {
    [
        Documented {
            provider: "github",
            path: format!("/repos/acme/shop/statuses/{commit}"),
            header: ("authorization", "Bearer t0ken-of-acme"),
            states: ["pending", "error"],
            link: "/target_url",
        },
        Documented {
            provider: "gitlab",
            path: format!("/projects/acme%2Fshop/statuses/{commit}"),
            header: ("private-token", "t0ken-of-acme"),
            states: ["pending", "canceled"],
            link: "/target_url",
        },
        Documented {
            provider: "bitbucket",
            path: format!("/repositories/acme/shop/commit/{commit}/statuses/build"),
            header: ("authorization", "Bearer t0ken-of-acme"),
            states: ["INPROGRESS", "STOPPED"],
            link: "/url",
        },
        Documented {
            provider: "gitea",
            path: format!("/repos/acme/shop/statuses/{commit}"),
            header: ("authorization", "token t0ken-of-acme"),
            states: ["pending", "warning"],
            link: "/target_url",
        },
    ]
}

#[test]
fn commit_status_is_set_as_each_provider_documents() -> Result<()> {
    let here = Alone::start()?;
    let commit = "2222222222222222222222222222222222222222";
    for expected in documented(commit) {
        let provider = expected.provider;
        let recorder = Recorder::start()?;
        let project = here.project(provider, &json!({"provider": provider}))?;
        let path = format!("/projects/{}/endpoints", project.id);
        let body =
            json!({"kind": "status", "name": "Status", "token": "t0ken-of-acme", "url": recorder.url("")});
        let made = here.api.post(&path, &body, 201)?;
        let endpoint = text(&made, "/endpoint/id")?;
        ensure!(
            !here
                .api
                .get(&format!("/endpoints/{endpoint}"))?
                .to_string()
                .contains("t0ken")
        );
        // The token goes to no other host than it was given for.
        let elsewhere = json!({"url": recorder.url("/elsewhere")});
        here.api
            .call("PATCH", &format!("/endpoints/{endpoint}"), Some(&elsewhere))?
            .expect(422)?;
        // GitLab says so where the status is what it is to be already.
        let again = "Cannot transition status via :cancel from :canceled".to_owned();
        let last = if provider == "gitlab" {
            Reply::Status(400, vec![], again)
        } else {
            Reply::status(201)
        };
        recorder.reply([Reply::status(201), last]);
        let started = json!({"commit": commit});
        let asked = here
            .api
            .post(&format!("/projects/{}/deployments", project.id), &started, 202)?;
        let deployment = text(&asked, "/deployment/id")?;
        recorder.wait(1, SOON)?;
        here.api
            .post(&format!("/deployments/{deployment}/cancel"), &json!({}), 202)?;
        let requests = recorder.wait(2, SOON)?;
        for (request, state) in requests.iter().zip(expected.states) {
            ensure!(
                request.method == "POST" && request.path == expected.path,
                "{request:?}"
            );
            ensure!(
                request.header(expected.header.0) == Some(expected.header.1),
                "{request:?}"
            );
            ensure!(
                request
                    .header("user-agent")
                    .is_some_and(|agent| agent.starts_with("DevFlow-Pro/"))
            );
            let told = request.json()?;
            ensure!(told["state"] == state, "{provider}: {told}");
            let link = format!("{}/deployments/{deployment}", here.edge.url());
            ensure!(text(&told, expected.link)? == link, "{provider}: {told}");
            let name = told["context"].as_str().or(told["name"].as_str());
            ensure!(
                name == Some(&format!("devflow/{}", project.slug)),
                "{provider}: {told}"
            );
        }
        wait_for("both to be taken", SOON, || {
            let taken = here.api.messages(&endpoint)?;
            Ok(taken
                .iter()
                .all(|message| message["state"] == "delivered")
                .then_some(()))
        })?;
    }
    let project = here.project("shop", &json!({}))?;
    let path = format!("/projects/{}/endpoints", project.id);
    for body in [
        json!({"kind": "status", "name": "Status"}),
        json!({"kind": "status", "name": "Status", "token": "with a space"}),
        json!({"kind": "status", "name": "Status", "token": "t0ken-of-acme", "url": "http://example.com"}),
        json!({"kind": "webhook", "name": "CI", "url": "https://example.com/", "token": "t0ken-of-acme"}),
    ] {
        here.api.post(&path, &body, 422)?;
    }
    here.api
        .post(
            "/endpoints",
            &json!({"kind": "status", "name": "x", "token": "t0ken-of-acme"}),
            422,
        )
        .map(drop)
}
