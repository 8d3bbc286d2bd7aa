//! Projects with a Dockerfile: built, served by several containers behind the relay, refused where they are bad.

use super::Lab;
use super::lab::{commit, eventually, sh, version};
use super::load::{KEEP, visitors};
use super::recovery::die_at;
use crate::deploy;
use crate::policy::Policy;
use devflow_protocol::job::{Part, ProjectOnly, RemoveProject, Restart, Rollback, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, Process, ProcessKind, ProjectSpec};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

/// The runner's program, which is built beside the tests.
pub(super) fn runner() -> std::path::PathBuf {
    let mut path = std::env::current_exe().expect("this program");
    while path.pop() {
        let program = path.join("host-runner");
        if program.is_file() {
            return program;
        }
    }
    panic!("the runner is not built; `cargo build -p host-runner` does that");
}

fn spec(lab: &Lab, slug: &str, replicas: u8) -> (ProjectSpec, std::path::PathBuf) {
    let work = lab.repository("container");
    let mut spec = Lab::spec(slug, Framework::Dockerfile, &work);
    spec.web.health_path = "/up".parse().expect("a path");
    spec.release.drain_s = 5;
    spec.container.as_mut().expect("a container").replicas = replicas;
    (spec, work)
}

fn failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Which containers answer, over some requests.
async fn answering(lab: &Lab, slug: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..12 {
        let page = lab.get(slug, "/container").await;
        assert_eq!(page.status, 200, "{page:?}");
        names.insert(page.body);
    }
    names
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn dockerfile_goes_live_back_away_and_leaves_nothing() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "boxed", 2);
    let process = |name: &str, kind, argv: &[&str]| Process {
        name: name.parse().expect("a name"),
        kind,
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        count: 1,
        stop_wait_s: 5,
    };
    let script = "echo -n at work > /shared/worker.txt; sleep 1000";
    spec.processes = vec![process("queue", ProcessKind::Worker, &["sh", "-c", script])];
    let first = lab.deploy_live(&spec, &[("GREETING", "a \"b\" $c\nd")]).await;
    assert_eq!(lab.get("boxed", "/").await.body, "Container, version 1\n");
    assert_eq!(lab.get("boxed", "/?env=GREETING").await.body, "YSAiYiIgJGMKZA==");
    assert_eq!(lab.get("boxed", "/?env=PORT").await.body, "ODA4MA==");
    let about = lab.send("boxed", "POST", "/about", &"x".repeat(100_000)).await;
    let about: serde_json::Value = serde_json::from_str(&about.body).expect("JSON");
    assert_eq!(
        about,
        serde_json::json!({ "uid": lab.host.config.uid_base, "secret": false, "host": "boxed.test", "proto": "http",
            "for": "127.0.0.1", "body": 100_000 })
    );
    assert_eq!(answering(&lab, "boxed").await.len(), 2);
    assert_eq!(lab.running("boxed").await, ["Relay", "Web", "Web", "Worker"]);
    assert_eq!(lab.send("boxed", "POST", "/kept", "kept").await.body, "kept");
    let at_work = lab.project("boxed").join("shared/worker.txt");
    eventually("the worker", async || {
        fs::read_to_string(&at_work).is_ok_and(|text| text == "at work")
    })
    .await;

    version(&work, "2");
    let second = lab.deploy_live(&spec, &[]).await;
    assert_eq!(lab.get("boxed", "/").await.body, "Container, version 2\n");
    assert_eq!(lab.get("boxed", "/kept").await.body, "kept");
    assert_eq!(lab.get("boxed", "/?env=GREETING").await.body, "");
    assert_ne!(first.image_digest, second.image_digest);
    assert_eq!(lab.images("boxed").await, 2);

    let rollback = Rollback {
        deployment: lab.deployment(),
        release: first.release.clone(),
        force: false,
        spec: spec.clone(),
    };
    let context = lab.context(Work::Rollback(Box::new(rollback.clone())));
    let outcome = deploy::rollback(&context, &rollback).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(lab.get("boxed", "/").await.body, "Container, version 1\n");
    assert_eq!(lab.get("boxed", "/?env=GREETING").await.body, "YSAiYiIgJGMKZA==");

    // A release that is pruned takes its image along.
    spec.release.keep = 1;
    version(&work, "3");
    lab.deploy_live(&spec, &[]).await;
    assert_eq!((lab.images("boxed").await, lab.releases("boxed").len()), (1, 1));

    let only = ProjectOnly {
        slug: spec.slug.clone(),
    };
    let done = Outcome::Succeeded { manifest: None };
    let context = lab.context(Work::Stop(only.clone()));
    assert_eq!(deploy::stop(&context, &only).await, done);
    assert_eq!(lab.get("boxed", "/").await.status, 503);
    assert_eq!(lab.running("boxed").await, Vec::<String>::new());
    let restart = Restart {
        slug: spec.slug.clone(),
        only: None,
    };
    let context = lab.context(Work::Restart(restart.clone()));
    assert_eq!(deploy::restart(&context, &restart).await, done);
    // Nginx takes its configuration up behind the caller's back.
    eventually("the site", async || {
        lab.get("boxed", "/").await.body == "Container, version 3\n"
    })
    .await;

    let remove = RemoveProject {
        slug: spec.slug.clone(),
        purge: true,
    };
    let context = lab.context(Work::RemoveProject(remove.clone()));
    assert_eq!(deploy::remove(&context, &remove).await, done);
    assert_eq!(lab.images("boxed").await, 0);
    assert!(
        lab.host
            .docker
            .list(Some("boxed"))
            .await
            .expect("a list")
            .is_empty()
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn bad_dockerfiles_leave_the_live_release_alone() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "box-bad", 1);
    lab.deploy_live(&spec, &[]).await;
    let good = fs::read_to_string(work.join("Dockerfile")).expect("a file");
    let put = |text: &str| {
        fs::write(work.join("Dockerfile"), text).expect("a file");
        commit(&work, "Changed");
    };
    for (text, expected) in [
        (
            good.replace("RUN php", "RUN echo it goes wrong >&2; exit 3; php"),
            "step `image` failed: the build of `Dockerfile` failed: ",
        ),
        (
            good.replace("FROM devflow/php:8.4", "FROM evil/php:8.4"),
            "step `image` failed: line 1 of the Dockerfile takes the image evil/php:8.4, which this server's policy does not \
             allow; see `images` in its policy.toml; the release before it serves on",
        ),
        (
            good.replace("0.0.0.0:8080", "0.0.0.0:8081"),
            "step `start` failed: container 1 does not answer on port 8080: ",
        ),
        (
            good.replace("CMD [", "CMD [\"sh\", \"-c\", \"echo no such thing; exit 7\", "),
            "step `start` failed: container 1 ended at once on port 8080: no such thing",
        ),
        (
            good.replace("cp VERSION built-version", "echo unwell > built-version"),
            "step `ready` failed: not ready after 5 s: `/up` answers 500 in container 1; see the application's log",
        ),
        (
            "FROM scratch\nCOPY VERSION /\nCMD [\"/nothing\"]\n".to_owned(),
            "exec /nothing failed: No such file or directory",
        ),
    ] {
        put(&text);
        let outcome = lab.deploy(&spec, &[]).await;
        let reason = failed(&outcome);
        assert!(reason.contains(expected), "{reason}");
        assert!(reason.ends_with("; the release before it serves on"), "{reason}");
        assert_eq!(lab.get("box-bad", "/").await.body, "Container, version 1\n");
        assert_eq!(lab.running("box-bad").await, ["Relay", "Web"]);
        assert_eq!(lab.images("box-bad").await, 1);
    }
    put(&good);
    spec.container.as_mut().expect("a container").dockerfile = "docker/Dockerfile".parse().expect("a path");
    assert!(failed(&lab.deploy(&spec, &[]).await).contains(
        "the repository has no file `docker/Dockerfile`, which the settings name as its Dockerfile"
    ));
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn build_shows_its_output_and_ends_with_a_cancellation() {
    let lab = Lab::new();
    let (spec, work) = spec(&lab, "box-log", 1);
    let work_of = |spec: &ProjectSpec| Work::Deploy(Box::new(lab.work(spec)));
    // What was built once is kept, also for the next run of this test.
    let fresh = lab.path().display();
    sh(
        &work,
        &format!("echo 'RUN echo it is built as $(id -u) for {fresh}' >> Dockerfile"),
    );
    commit(&work, "Talks");
    let context = lab.context(work_of(&spec));
    let outcome = lab.deploy_in(&context, &[("TOKEN", "s3cret-value")]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let text = lab.transcript(&context);
    for part in [
        "> image",
        "  image: it is built as 0",
        "  image: [3/",
        "< image ok",
        "= building",
        "< switch ok",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let tag = lab
        .host
        .docker
        .images("box-log", None)
        .await
        .expect("a list")
        .remove(0);
    let history = super::services::said(
        "docker",
        &[
            "-H",
            &format!("unix://{}", lab.host.config.docker.socket.display()),
            "inspect",
            &tag,
        ],
    );
    assert!(
        history.contains("PHP_CLI_SERVER_WORKERS") && !history.contains("s3cret-value"),
        "{history}"
    );

    sh(&work, "echo 'RUN echo it sleeps && sleep 600' >> Dockerfile");
    commit(&work, "Sleeps");
    let context = lab.context(work_of(&spec));
    let cancelled = async {
        eventually("the build", async || {
            lab.transcript(&context).contains("image: it sleeps")
        })
        .await;
        context.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(lab.deploy_in(&context, &[]), cancelled);
    assert_eq!(outcome, Outcome::Cancelled);
    assert_eq!(lab.get("box-log", "/").await.status, 200);
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn rollback_asks_the_policy_about_the_images_again() {
    let lab = Lab::new();
    let (spec, work) = spec(&lab, "box-old", 1);
    let first = lab.deploy_live(&spec, &[]).await;
    version(&work, "2");
    lab.deploy_live(&spec, &[]).await;
    // The relay is no part of the Dockerfile, so that its image alone is not enough.
    let dockerfile = lab
        .project("box-old")
        .join(format!("releases/{}/app/Dockerfile", first.release));
    fs::write(dockerfile, "FROM debian:12\n").expect("written");
    let rollback = Rollback {
        deployment: lab.deployment(),
        release: first.release,
        force: false,
        spec,
    };
    let mut context = lab.context(Work::Rollback(Box::new(rollback.clone())));
    let ended = deploy::rollback(&context, &rollback).await;
    assert!(
        matches!(&ended, Outcome::Refused { reason } if reason.contains("takes the image debian:12")),
        "{ended:?}"
    );
    let policy = "[allow]\nimages = [\"devflow/php:*\", \"debian:*\"]";
    context.policy = Arc::new(Policy::parse(policy).expect("a policy"));
    let ended = deploy::rollback(&context, &rollback).await;
    assert!(matches!(ended, Outcome::Succeeded { .. }), "{ended:?}");
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn runner_killed_during_a_dockerfile_deployment_finishes_or_undoes() {
    let lab = Lab::new();
    let (mut spec, work) = spec(&lab, "box-dies", 1);
    spec.release.keep = 1;
    lab.deploy_live(&spec, &[]).await;
    for (next, step, serves) in [
        (2, "image", 1),
        (3, "start", 1),
        (4, "ready", 1),
        (5, "observe", 5),
    ] {
        version(&work, &next.to_string());
        let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
        die_at(&lab, &context, step).await;
        let outcome = deploy::recover(&lab.context_of(context.job.clone()), None).await;
        let switched = matches!(outcome, Outcome::Succeeded { .. });
        assert_eq!(switched, serves == next, "{step}: {outcome:?}");
        assert_eq!(
            lab.get("box-dies", "/").await.body,
            format!("Container, version {serves}\n"),
            "{step}"
        );
        assert_eq!(lab.running("box-dies").await, ["Relay", "Web"], "{step}");
        assert_eq!(lab.images("box-dies").await, 1, "{step}");
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, MariaDB and root"]
async fn dockerfile_reaches_its_database_by_the_socket() {
    let mariadb = super::services::mariadb().await;
    let lab = Lab::with(&format!(
        "[mariadb]\nsocket = \"{}\"\n",
        mariadb.socket("db.sock").display()
    ));
    let (mut spec, _work) = spec(&lab, "box-db", 1);
    spec.services.mariadb = true;
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(lab.get("box-db", "/tables").await.body, "df_box_db");
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, wrk and root"]
async fn dockerfile_restarts_under_load_fail_no_request() {
    for (slug, replicas, path) in [("box-one", 1, "/"), ("box-two", 2, "/?wait_ms=300")] {
        let lab = Lab::new();
        let (spec, _work) = spec(&lab, slug, replicas);
        lab.deploy_live(&spec, &[]).await;
        let restarts = async {
            for _ in 0..4 {
                let restart = Restart {
                    slug: spec.slug.clone(),
                    only: Some(Part::Web),
                };
                let context = lab.context(Work::Restart(restart.clone()));
                let done = Outcome::Succeeded { manifest: None };
                assert_eq!(deploy::restart(&context, &restart).await, done);
            }
        };
        let requests = visitors(&lab, &spec, path, &KEEP, restarts).await;
        assert!(requests > 50, "only {requests} requests");
        assert_eq!(answering(&lab, slug).await.len(), usize::from(replicas));
        println!("{replicas} containers, {path}: {requests} requests over 4 restarts, 0 failed");
    }
}
