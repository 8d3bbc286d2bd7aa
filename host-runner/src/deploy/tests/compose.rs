//! Projects with a compose file: services of a release and services that are kept, started in order, refused where they
//! are bad.

use super::Lab;
use super::lab::{commit, eventually, names_in, version};
use super::load::{CLOSE, KEEP, MANY, visitors};
use super::recovery::die_at;
use crate::deploy;
use crate::host::docker::Role;
use devflow_protocol::job::{ProjectOnly, RemoveProject, Restart, Rollback, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{ComposeSpec, ContainerSpec, Framework, ProjectSpec};
use std::fs;
use std::path::{Path, PathBuf};

const ALL: [&str; 4] = ["Kept", "Relay", "Service", "Web"];
const DONE: Outcome = Outcome::Succeeded { manifest: None };

fn spec(lab: &Lab, slug: &str) -> (ProjectSpec, PathBuf) {
    let work = lab.repository("compose");
    let mut spec = Lab::spec(slug, Framework::Compose, &work);
    spec.web.health_path = "/up".parse().expect("a path");
    spec.release.drain_s = 5;
    spec.container = Some(ContainerSpec {
        compose: Some(ComposeSpec {
            file: None,
            service: "web".parse().expect("a name"),
        }),
        ..ContainerSpec::default()
    });
    (spec, work)
}

/// Commits the compose file with one text in the place of another.
fn change(work: &Path, from: &str, to: &str) {
    let path = work.join("compose.yaml");
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(&path, text.replace(from, to)).expect("written");
    commit(work, "Changed");
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { reason, .. } | Outcome::RolledBack { reason } => reason,
        other => panic!("{other:?}"),
    }
}

async fn worker(lab: &Lab, slug: &str, version: &str) {
    eventually("the worker", async || {
        lab.get(slug, "/worker").await.body == version
    })
    .await;
}

/// Waits until the store answers with what it was told to keep: who starts it does not wait for it where nothing asks for that.
async fn kept(lab: &Lab, slug: &str) {
    eventually("the store", async || {
        lab.get(slug, "/kept").await.body == "flowers"
    })
    .await;
}

/// How many networks a project has.
fn networks(lab: &Lab, slug: &str) -> usize {
    let socket = format!("unix://{}", lab.host.config.docker.socket.display());
    let root = format!("label=devflow.root={}", lab.path().join("p").display());
    let listed = super::services::said(
        "docker",
        &[
            "-H",
            &socket,
            "network",
            "ls",
            "--filter",
            &root,
            "--format",
            "{{.Name}}",
        ],
    );
    listed.lines().filter(|name| name.contains(slug)).count()
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn compose_goes_live_back_away_and_leaves_nothing_but_its_volumes() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "comp");
    let environment = [("PASSED", "a \"b\" $c"), ("SECRET", "s3cret")];
    let first = lab.deploy_live(&spec, &environment).await;
    assert_eq!(lab.get("comp", "/").await.body, "Compose, version 1\n");
    assert_eq!(lab.running("comp").await, ALL);
    let about: serde_json::Value = serde_json::from_str(&lab.get("comp", "/about").await.body).expect("JSON");
    assert_eq!(
        about,
        serde_json::json!({ "uid": lab.host.config.uid_base, "greeting": "nobody", "passed": "a \"b\" $c",
            "built": "hello", "secret": false })
    );
    let told: Vec<String> = first
        .services
        .iter()
        .map(|it| format!("{} {:?}", it.name, it.kind))
        .collect();
    assert_eq!(told, ["store Kept", "prepare Task", "web Web", "queue Release"]);
    worker(&lab, "comp", "1").await;
    assert_eq!(lab.get("comp", "/kept?set=flowers").await.body, "flowers");
    assert_eq!(
        lab.send("comp", "POST", "/upload", "a picture").await.body,
        "a picture"
    );
    let boot = lab.get("comp", "/boot").await.body;

    version(&work, "2");
    lab.deploy_live(&spec, &environment).await;
    assert_eq!(lab.get("comp", "/").await.body, "Compose, version 2\n");
    assert_eq!(lab.get("comp", "/peer").await.body, "2");
    assert_eq!(lab.running("comp").await, ALL);
    worker(&lab, "comp", "2").await;
    // What is kept went on, and its volume with it.
    assert_eq!(lab.get("comp", "/boot").await.body, boot);
    assert_eq!(lab.get("comp", "/kept").await.body, "flowers");
    assert_eq!(lab.get("comp", "/upload").await.body, "a picture");
    assert_eq!(lab.get("comp", "/tasks").await.body, "1 2");
    assert_eq!(networks(&lab, "comp"), 2);

    let rollback = Rollback {
        deployment: lab.deployment(),
        release: first.release.clone(),
        force: false,
        spec: spec.clone(),
    };
    let context = lab.context(Work::Rollback(Box::new(rollback.clone())));
    let outcome = deploy::rollback(&context, &rollback).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(lab.get("comp", "/").await.body, "Compose, version 1\n");
    worker(&lab, "comp", "1").await;
    assert_eq!(lab.get("comp", "/boot").await.body, boot);
    // A task is not run again.
    assert_eq!(lab.get("comp", "/tasks").await.body, "1 2");

    let slug = spec.slug.clone();
    let restart = Restart { slug, only: None };
    let queue = async || {
        let found = lab.host.docker.list(Some("comp")).await.expect("a list");
        let queue = found.into_iter().find(|it| it.role == Role::Service);
        queue.expect("the queue").id
    };
    let before = queue().await;
    let context = lab.context(Work::Restart(restart.clone()));
    assert_eq!(deploy::restart(&context, &restart).await, DONE);
    assert_ne!(queue().await, before);
    assert_eq!(lab.get("comp", "/boot").await.body, boot);

    spec.release.keep = 1;
    version(&work, "3");
    lab.deploy_live(&spec, &environment).await;
    assert_eq!((lab.images("comp").await, lab.releases("comp").len()), (1, 1));

    let only = ProjectOnly {
        slug: spec.slug.clone(),
    };
    let context = lab.context(Work::Stop(only.clone()));
    assert_eq!(deploy::stop(&context, &only).await, DONE);
    assert_eq!(lab.get("comp", "/").await.status, 503);
    assert_eq!(lab.running("comp").await, Vec::<String>::new());
    let context = lab.context(Work::Restart(restart.clone()));
    assert_eq!(deploy::restart(&context, &restart).await, DONE);
    eventually("the site", async || {
        lab.get("comp", "/kept").await.body == "flowers"
    })
    .await;
    assert_ne!(lab.get("comp", "/boot").await.body, boot);
    assert_eq!(lab.running("comp").await, ALL);

    for purge in [false, true] {
        let remove = RemoveProject {
            slug: spec.slug.clone(),
            purge,
        };
        let context = lab.context(Work::RemoveProject(remove.clone()));
        assert_eq!(deploy::remove(&context, &remove).await, DONE);
        assert_eq!((lab.images("comp").await, networks(&lab, "comp")), (0, 0));
        let left = lab.host.docker.list(Some("comp")).await.expect("a list");
        assert_eq!(left, []);
        let volumes = lab.project("comp").join("volumes");
        assert_eq!(volumes.exists(), !purge);
        if !purge {
            assert_eq!(names_in(&volumes), ["data", "uploads"]);
        }
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn bad_compose_files_leave_the_live_release_and_what_is_kept_alone() {
    let lab = Lab::new();
    let (spec, work) = spec(&lab, "comp-bad");
    lab.deploy_live(&spec, &[]).await;
    let boot = lab.get("comp-bad", "/boot").await.body;
    let good = fs::read_to_string(work.join("compose.yaml")).expect("a file");
    for (from, to, expected) in [
        (
            "    ports:",
            "    privileged: true\n    ports:",
            "step `image` failed: `compose.yaml` cannot be deployed: line 16: service `web`: `privileged` is refused",
        ),
        (
            "uploads:/uploads",
            "/var/run/docker.sock:/var/run/docker.sock",
            "service `web`: `volumes` mounts a file or folder from outside",
        ),
        (
            "image: devflow/php:8.4",
            "image: evil/php:8.4",
            "step `image` failed: service `store` takes the image evil/php:8.4, which this server's policy does not allow; see \
             `images` in its policy.toml",
        ),
        (
            "image: devflow/php:8.4",
            "image: devflow/php:9.9",
            "step `image` failed: could not get the image `devflow/php:9.9`, which is not on this server",
        ),
        ("context: .", "context: ./nowhere", "no file `nowhere/Dockerfile`"),
        (
            "command: php prepare.php",
            "command: php -r 'echo \"no way\\n\"; exit(3);'",
            "step `services` failed: the task `prepare` ended with status 3: no way",
        ),
        (
            "command: php queue.php",
            "command: php -r 'exit(1);'",
            "ended 3 times",
        ),
        (
            "0.0.0.0:8080 index.php",
            "0.0.0.0:8081 index.php",
            "step `start` failed: container 1 does not answer on port 8080: ",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(work.join("compose.yaml"), good.replace(from, to)).expect("written");
        commit(
            &work,
            to.lines().next().expect("a line").replace('\'', "").as_str(),
        );
        let mut spec = spec.clone();
        spec.release.observe_s = if expected.starts_with("ended") { 10 } else { 1 };
        let outcome = lab.deploy(&spec, &[]).await;
        assert!(reason(&outcome).contains(expected), "{to}: {}", reason(&outcome));
        assert_eq!(lab.get("comp-bad", "/").await.body, "Compose, version 1\n");
        assert_eq!(lab.running("comp-bad").await, ALL, "{to}");
        assert_eq!(lab.get("comp-bad", "/boot").await.body, boot, "{to}");
        assert_eq!(networks(&lab, "comp-bad"), 2, "{to}");
        assert_eq!(lab.images("comp-bad").await, 1, "{to}");
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn kept_service_is_made_anew_where_its_definition_changed_and_put_back_with_its_release() {
    let lab = Lab::new();
    let (spec, work) = spec(&lab, "comp-kept");
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(lab.get("comp-kept", "/kept?set=flowers").await.body, "flowers");
    let boot = async || lab.get("comp-kept", "/boot").await.body;
    let kind = async || {
        let socket = format!("unix://{}", lab.host.config.docker.socket.display());
        let found = lab.host.docker.list(Some("comp-kept")).await.expect("a list");
        let store = found
            .into_iter()
            .find(|it| it.role == Role::Kept)
            .expect("the store");
        let said = super::services::said(
            "docker",
            &[
                "-H",
                &socket,
                "inspect",
                "--format",
                "{{json .Config.Env}}",
                &store.id,
            ],
        );
        ["plain", "fast", "bad"]
            .into_iter()
            .find(|kind| said.contains(&format!("KIND={kind}")))
    };
    let first = boot().await;
    // Variables are part of it; limits are not, they are changed while it runs.
    let mut larger = spec.clone();
    larger.limits.memory_mib += 64;
    lab.deploy_live(&larger, &[("STORE_KIND", "plain"), ("OTHER", "x")])
        .await;
    assert_eq!(boot().await, first);
    lab.deploy_live(&larger, &[("STORE_KIND", "fast")]).await;
    let second = boot().await;
    assert_ne!(second, first);
    assert_eq!(lab.get("comp-kept", "/kept").await.body, "flowers");
    assert_eq!(kind().await, Some("fast"));

    // One that turns bad leaves what is kept as the release before it had it.
    version(&work, "unwell");
    let outcome = lab.deploy(&larger, &[("STORE_KIND", "bad")]).await;
    assert!(reason(&outcome).contains("answers 500"), "{outcome:?}");
    assert_eq!(kind().await, Some("fast"));
    kept(&lab, "comp-kept").await;

    // What no release names any more ends, and its volume stays.
    version(&work, "4");
    change(
        &work,
        "  mail:\n",
        "  other:\n    image: devflow/php:8.4\n    command: sleep 1000\n    volumes: [\"data:/data\"]\n  mail:\n",
    );
    lab.deploy_live(&larger, &[]).await;
    assert_eq!(
        lab.running("comp-kept").await,
        ["Kept", "Kept", "Relay", "Service", "Web"]
    );
    change(
        &work,
        "  other:\n    image: devflow/php:8.4\n    command: sleep 1000\n    volumes: [\"data:/data\"]\n",
        "",
    );
    lab.deploy_live(&larger, &[]).await;
    assert_eq!(lab.running("comp-kept").await, ALL);
    assert_eq!(lab.get("comp-kept", "/kept").await.body, "flowers");

    // A server that lost its containers gets all of them back.
    for found in lab.host.docker.list(Some("comp-kept")).await.expect("a list") {
        lab.host.docker.remove(&found.id).await.expect("removed");
    }
    deploy::bring_up(&lab.host, &spec.slug, &[])
        .await
        .expect("it comes up");
    kept(&lab, "comp-kept").await;
    assert_eq!(lab.running("comp-kept").await, ALL);
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn runner_killed_during_a_compose_deployment_finishes_or_undoes() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "comp-dies");
    spec.release.keep = 1;
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(lab.get("comp-dies", "/kept?set=flowers").await.body, "flowers");
    let boot = lab.get("comp-dies", "/boot").await.body;
    for (next, step, serves) in [
        (2, "image", 1),
        (3, "services", 1),
        (4, "start", 1),
        (5, "ready", 1),
        (6, "observe", 6),
    ] {
        version(&work, &next.to_string());
        let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
        die_at(&lab, &context, step).await;
        let outcome = deploy::recover(&lab.context_of(context.job.clone()), None).await;
        let switched = matches!(outcome, Outcome::Succeeded { .. });
        assert_eq!(switched, serves == next, "{step}: {outcome:?}");
        assert_eq!(
            lab.get("comp-dies", "/").await.body,
            format!("Compose, version {serves}\n"),
            "{step}"
        );
        assert_eq!(lab.running("comp-dies").await, ALL, "{step}");
        assert_eq!(lab.get("comp-dies", "/boot").await.body, boot, "{step}");
        assert_eq!(lab.get("comp-dies", "/kept").await.body, "flowers", "{step}");
        assert_eq!(networks(&lab, "comp-dies"), 2, "{step}");
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, wrk and root"]
async fn compose_deployments_under_load_fail_no_request() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "comp-load");
    spec.container.as_mut().expect("a container").replicas = 2;
    lab.deploy_live(&spec, &[]).await;
    let kinds = [
        // Each of them asks the store.
        ("/kept", &KEEP[..], 500),
        ("/", &CLOSE[..], 500),
        // 40 requests of 300 ms: most wait in a queue at the switch.
        ("/?wait_ms=300", &MANY[..], 50),
    ];
    let mut newest = 1;
    for (path, options, least) in kinds {
        newest += 1;
        version(&work, &newest.to_string());
        let deployment = async { drop(lab.deploy_live(&spec, &[]).await) };
        let requests = visitors(&lab, &spec, path, options, deployment).await;
        assert!(requests >= least, "only {requests} requests of {path}");
        println!("{path} {options:?}: {requests} requests over a switch, 0 failed");
    }
}
