//! Deliveries that deploy nothing: the same one again, forged ones, pushes that a project does not follow.

use anyhow::{Context, Result};
use devflow_tests::alone::Alone;
use devflow_tests::api::Project;
use devflow_tests::git::Push;
use devflow_tests::webhook::{
    Delivery, Hook, push_body, send_bitbucket, send_generic, send_gitea, send_gitlab_token,
};
use serde_json::json;
use std::fmt::Write as _;

const A: &str = "1111111111111111111111111111111111111111";
const B: &str = "2222222222222222222222222222222222222222";
const ZEROS: &str = "0000000000000000000000000000000000000000";

fn count(here: &Alone, project: &Project, list: &str) -> Result<usize> {
    let answer = here.api.get(&format!("/projects/{}/{list}", project.id))?;
    Ok(answer["items"].as_array().context("items")?.len())
}

fn push(ref_name: &str, before: &str, after: &str, message: &str, files: &[&str]) -> Push {
    Push {
        ref_name: ref_name.into(),
        before: before.into(),
        after: after.into(),
        message: message.into(),
        files: files.iter().map(|&file| file.to_owned()).collect(),
        forced: false,
    }
}

#[test]
fn delivery_sent_again_is_answered_and_deploys_once() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({}))?;
    let delivery = Delivery::push(&push("refs/heads/main", A, B, "Fix", &["index.php"]));
    let first = delivery.send(&project.hook)?.expect(202)?;
    assert_eq!(first["deployments"].as_array().map(Vec::len), Some(1), "{first}");
    // Answered as the first time, so that a provider that redelivers sees what came of it.
    let again = delivery.send(&project.hook)?.expect(200)?;
    assert_eq!(again["deployments"], first["deployments"], "{again}");
    assert_eq!(again["decision"], "duplicate", "{again}");
    assert_eq!(count(&here, &project, "deployments")?, 1);
    assert_eq!(count(&here, &project, "deliveries")?, 1);
    Ok(())
}

#[test]
fn delivery_with_a_wrong_signature_is_refused_and_stored_nowhere() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({}))?;
    let delivery = Delivery::push(&push("refs/heads/main", A, B, "Fix", &["index.php"]));
    let zeros = format!("sha256={}", "0".repeat(64));
    for signature in [zeros.as_str(), "sha256=", "", "sha1=00", "nonsense"] {
        let answer = delivery.send_signed(&project.hook, signature)?.expect(401)?;
        assert_eq!(answer["status"], 401, "{answer}");
        assert!(answer["code"].is_string(), "{answer}");
    }
    assert_eq!(count(&here, &project, "deployments")?, 0);
    assert_eq!(count(&here, &project, "deliveries")?, 0);
    // The id of a refused delivery is not burnt.
    delivery.send(&project.hook)?.expect(202)?;
    Ok(())
}

#[test]
fn push_that_a_project_does_not_follow_is_answered_with_the_reason() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({"path_filter": ["app/**"]}))?;
    let main = "refs/heads/main";
    let ignored = [
        Delivery::push(&push(main, A, ZEROS, "", &[])),
        Delivery::push(&push("refs/heads/feature/x", A, B, "Fix", &["app/a.php"])),
        Delivery::push(&push("refs/tags/v1", ZEROS, B, "Fix", &["app/a.php"])),
        Delivery::push(&push(main, A, B, "Fix [skip ci]", &["app/a.php"])),
        Delivery::push(&push(main, A, B, "Fix", &["docs/a.md"])),
        Delivery::new("ping", &json!({"zen": "Keep it simple.", "hook_id": 1})),
        Delivery::new("issues", &json!({"action": "opened"})),
    ];
    for delivery in &ignored {
        let answer = delivery.send(&project.hook)?;
        let json = answer
            .expect(200)
            .with_context(|| String::from_utf8_lossy(&delivery.body).into_owned())?;
        assert!(
            json["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
            "{json}"
        );
    }
    assert_eq!(count(&here, &project, "deployments")?, 0);
    let shown = here.api.get(&format!("/projects/{}/deliveries", project.id))?;
    for delivery in shown["items"].as_array().context("items")? {
        assert!(
            delivery["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{delivery}"
        );
    }
    // A new branch's list of files cannot be trusted, so the filter lets it through.
    let fresh = Delivery::push(&push(main, ZEROS, &"3".repeat(40), "Fix", &["docs/a.md"]));
    assert_eq!(
        fresh.send(&project.hook)?.expect(202)?["deployments"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    Ok(())
}

#[test]
fn push_of_gitlab_and_of_a_ci_system_is_queued() -> Result<()> {
    let here = Alone::start()?;
    let change = push("refs/heads/main", A, B, "Fix", &["index.php"]);
    let gitlab = here.project("lab", &json!({"provider": "gitlab"}))?;
    send_gitlab_token(&gitlab.hook, &change)?.expect(202)?;
    assert_eq!(count(&here, &gitlab, "deployments")?, 1);
    let generic = here.project("ci", &json!({"provider": "generic"}))?;
    send_generic(&generic.hook, &change)?.expect(202)?;
    assert_eq!(count(&here, &generic, "deployments")?, 1);
    Ok(())
}

#[test]
fn push_of_bitbucket_deploys_the_followed_ref_of_several() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project(
        "bucket",
        &json!({"provider": "bitbucket", "path_filter": ["app/**"]}),
    )?;
    let main = push("refs/heads/main", A, B, "Fix", &["docs/a.md"]);
    let others = [
        push("refs/heads/feature/x", ZEROS, B, "Try", &[]),
        push("refs/tags/v1", ZEROS, B, "Try", &[]),
        push("refs/heads/old", A, ZEROS, "", &[]),
    ];
    let ignored = send_bitbucket(&project.hook, &others)?.expect(200)?;
    assert_eq!(
        ignored["reason"],
        "The push is to refs/heads/feature/x, refs/tags/v1, refs/heads/old, none of which the project deploys."
    );
    // No list of files comes with it, so the path filter lets it through.
    let mut all = others.to_vec();
    all.insert(1, main);
    let answer = send_bitbucket(&project.hook, &all)?.expect(202)?;
    assert_eq!(
        answer["deployments"].as_array().map(Vec::len),
        Some(1),
        "{answer}"
    );
    let list = here.api.get(&format!("/projects/{}/deployments", project.id))?;
    assert_eq!(list["items"][0]["commit"], B, "{list}");
    assert_eq!(list["items"][0]["author"], "Ada", "{list}");
    let forged = Hook {
        secret: "other".into(),
        ..project.hook
    };
    send_bitbucket(&forged, &all)?.expect(401)?;
    Ok(())
}

#[test]
fn push_of_gitea_and_of_forgejo_is_queued_and_filtered() -> Result<()> {
    let here = Alone::start()?;
    for (name, forgejo) in [("gitea", false), ("forgejo", true)] {
        let project = here.project(name, &json!({"provider": "gitea", "path_filter": ["app/**"]}))?;
        let docs = push("refs/heads/main", A, B, "Words", &["docs/a.md"]);
        send_gitea(&project.hook, &docs, forgejo)?.expect(200)?;
        let code = push("refs/heads/main", B, &"3".repeat(40), "Fix", &["app/a.php"]);
        send_gitea(&project.hook, &code, forgejo)?.expect(202)?;
        assert_eq!(count(&here, &project, "deployments")?, 1);
        assert_eq!(count(&here, &project, "deliveries")?, 2);
        let gone = push("refs/heads/main", B, ZEROS, "", &[]);
        let answer = send_gitea(&project.hook, &gone, forgejo)?.expect(200)?;
        assert_eq!(answer["reason"], "refs/heads/main was deleted.");
        let forged = Hook {
            secret: "other".into(),
            ..project.hook
        };
        send_gitea(&forged, &code, forgejo)?.expect(401)?;
    }
    Ok(())
}

#[test]
fn push_of_a_newer_commit_takes_the_place_of_a_queued_one() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({}))?;
    let c = "3".repeat(40);
    Delivery::push(&push("refs/heads/main", A, B, "One", &["a.php"]))
        .send(&project.hook)?
        .expect(202)?;
    Delivery::push(&push("refs/heads/main", B, &c, "Two", &["a.php"]))
        .send(&project.hook)?
        .expect(202)?;
    let list = here.api.get(&format!("/projects/{}/deployments", project.id))?;
    let states: Vec<(&str, &str)> = list["items"]
        .as_array()
        .context("items")?
        .iter()
        .map(|item| {
            (
                item["commit"].as_str().unwrap_or_default(),
                item["state"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(states, [(c.as_str(), "queued"), (B, "superseded")]);
    Ok(())
}

#[test]
fn push_as_a_form_is_read_as_the_json_in_it() -> Result<()> {
    let here = Alone::start()?;
    let project = here.project("shop", &json!({}))?;
    let body = push_body(&push("refs/heads/main", A, B, "Fix", &["index.php"])).to_string();
    let mut encoded = String::new();
    for byte in body.bytes() {
        write!(encoded, "%{byte:02x}")?;
    }
    let form = format!("payload={encoded}");
    let signature = format!(
        "sha256={}",
        devflow_tests::webhook::hmac_hex(project.hook.secret.as_bytes(), form.as_bytes())
    );
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
        ("x-github-delivery", "0b989ba4-242f-11e5-81e1-c7b6966d2516"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    let answer = devflow_tests::http::Client::default().send(
        "POST",
        &project.hook.url,
        &headers,
        Some(form.as_bytes()),
    )?;
    assert_eq!(
        answer.expect(202)?["deployments"].as_array().map(Vec::len),
        Some(1)
    );
    Ok(())
}
