//! Releases that must not get traffic: each fails at another step, and the one before it serves on.

use super::lab::{Lab, commit, eventually, sh, version};
use crate::deploy;
use devflow_protocol::job::{Rollback, Trigger, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, Phase, Process, ProcessKind, ProjectSpec, Step};
use std::fs;
use std::path::PathBuf;

async fn live(lab: &Lab, slug: &str) -> (PathBuf, ProjectSpec) {
    let work = lab.repository("php");
    let spec = Lab::spec(slug, Framework::Php, &work);
    let outcome = lab.deploy(&spec, &[]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    version(&work, "2");
    (work, spec)
}

fn step(name: &str, phase: Phase, script: &str) -> Step {
    Step {
        name: name.parse().expect("a name"),
        phase,
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        needs: vec![],
        gates: vec![],
        cache: None,
        timeout_s: 20,
        tenants: None,
        beside: false,
    }
}

/// Version 1 serves and nothing is left of the release that failed.
async fn assert_first_serves(lab: &Lab, slug: &str) {
    assert_eq!(lab.get(slug, "/").await.body, "Plain PHP, version 1\n");
    assert_eq!(lab.running(slug).await, ["Web"]);
    assert_eq!(lab.releases(slug).len(), 1);
}

fn failed(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed {
            step: Some(step),
            reason,
        } => (step.to_string(), reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn commands_that_fail_leave_the_old_release_and_name_the_step() {
    let lab = Lab::new();
    let (_, spec) = live(&lab, "steps").await;
    for (phase, name) in [
        (Phase::Build, "bundle"),
        (Phase::Boot, "boot"),
        (Phase::Migrate, "migrate"),
    ] {
        let mut bad = spec.clone();
        bad.steps
            .push(step(name, phase, "echo going; echo it is broken >&2; exit 3"));
        let (at, reason) = failed(lab.deploy(&bad, &[]).await);
        assert_eq!(at, name);
        assert!(
            reason.contains("it is broken") && reason.ends_with("the release before it serves on"),
            "{reason}"
        );
        assert_first_serves(&lab, "steps").await;
    }
    let mut slow = spec.clone();
    slow.steps.push(Step {
        timeout_s: 1,
        ..step("slow", Phase::Build, "sleep 30")
    });
    let (at, reason) = failed(lab.deploy(&slow, &[]).await);
    assert_eq!(
        (at.as_str(), reason.contains("its limit of 1 s")),
        ("slow", true),
        "{reason}"
    );
    assert_first_serves(&lab, "steps").await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn release_that_is_not_ready_gets_no_traffic() {
    let lab = Lab::new();
    let (work, mut spec) = live(&lab, "ready").await;
    spec.release.ready_s = 1;
    fs::write(
        work.join("public/index.php"),
        "<?php http_response_code(500); error_log('no database');",
    )
    .expect("a file");
    commit(&work, "Broken");
    let (at, reason) = failed(lab.deploy(&spec, &[]).await);
    assert_eq!(at, "ready");
    assert!(reason.contains("`/` answers 500 (no database)"), "{reason}");
    assert_first_serves(&lab, "ready").await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn release_that_turns_bad_while_observed_goes_back() {
    let lab = Lab::new();
    let (work, mut spec) = live(&lab, "observed").await;
    spec.release.observe_s = 20;
    let page = "<?php echo 'bad'; if (time() > filemtime(__DIR__ . '/../VERSION') + 4 || isset($_SERVER['HTTP_CONNECTION'])) http_response_code(500);";
    fs::write(work.join("public/index.php"), page).expect("a file");
    commit(&work, "Turns bad");
    let outcome = lab.deploy(&spec, &[]).await;
    let Outcome::RolledBack { reason } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        reason.contains("answers 500 through Nginx") && reason.ends_with("serves again"),
        "{reason}"
    );
    assert_first_serves(&lab, "observed").await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn worker_that_crashes_sends_the_release_back() {
    let lab = Lab::new();
    let (_, mut spec) = live(&lab, "worker").await;
    spec.release.observe_s = 20;
    spec.processes = vec![Process {
        name: "queue".parse().expect("a name"),
        kind: ProcessKind::Worker,
        argv: ["sh", "-c", "echo no queue here >&2; exit 1"]
            .map(str::to_owned)
            .into(),
        count: 1,
        stop_wait_s: 1,
    }];
    let outcome = lab.deploy(&spec, &[]).await;
    let Outcome::RolledBack { reason } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("no queue here"), "{reason}");
    assert_first_serves(&lab, "worker").await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn cancelled_deployment_ends_its_build_at_once() {
    let lab = Lab::new();
    let (_, mut spec) = live(&lab, "cancel").await;
    spec.steps.push(Step {
        timeout_s: 600,
        ..step("long", Phase::Build, "sleep 600")
    });
    let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
    let begun = std::time::Instant::now();
    let (outcome, ()) = tokio::join!(lab.deploy_in(&context, &[]), async {
        eventually("the long step", async || {
            lab.transcript(&context).contains("> long")
        })
        .await;
        context.cancel.cancel();
    });
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_first_serves(&lab, "cancel").await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn push_older_than_what_is_live_is_superseded_unless_forced_back() {
    let lab = Lab::new();
    let (work, spec) = live(&lab, "older").await;
    let first = head(&work, "HEAD~1");
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let push = |commit: &str| {
        let mut push = lab.work(&spec);
        push.trigger = Trigger::Push;
        push.commit = Some(commit.parse().expect("a commit"));
        lab.context(Work::Deploy(Box::new(push)))
    };
    let outcome = lab.deploy_in(&push(&first), &[]).await;
    assert!(matches!(outcome, Outcome::Superseded { .. }), "{outcome:?}");
    assert_eq!(lab.get("older", "/").await.body, "Plain PHP, version 2\n");
    assert_eq!(lab.releases("older").len(), 2);
    // The ref is moved back by force: now the older commit is what the ref says.
    sh(&work, "git reset -q --hard HEAD~1");
    let outcome = lab.deploy_in(&push(&first), &[]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(lab.get("older", "/").await.body, "Plain PHP, version 1\n");
}

fn head(work: &std::path::Path, name: &str) -> String {
    let out = std::process::Command::new("git")
        .args(["rev-parse", name])
        .current_dir(work)
        .output()
        .expect("git");
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn rollback_serves_the_kept_release_and_stop_and_restart_keep_it() {
    let lab = Lab::new();
    let (_, spec) = live(&lab, "back").await;
    let first = deploy::report(&lab.host, &spec.slug)
        .expect("a report")
        .live
        .expect("a release");
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let work = Rollback {
        deployment: lab.deployment(),
        release: first.clone(),
        force: false,
        spec: spec.clone(),
    };
    let context = lab.context(Work::Rollback(Box::new(work.clone())));
    let outcome = deploy::rollback(&context, &work).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(lab.get("back", "/").await.body, "Plain PHP, version 1\n");
    let report = deploy::report(&lab.host, &spec.slug).expect("a report");
    assert_eq!((report.live, report.kept.len()), (Some(first), 2));

    let only = devflow_protocol::job::ProjectOnly {
        slug: spec.slug.clone(),
    };
    let whole = devflow_protocol::job::Restart {
        slug: spec.slug.clone(),
        only: None,
    };
    let context = lab.context(Work::Stop(only.clone()));
    assert_eq!(
        deploy::stop(&context, &only).await,
        Outcome::Succeeded { manifest: None }
    );
    eventually("503", async || lab.get("back", "/").await.status == 503).await;
    assert!(lab.running("back").await.is_empty());
    deploy::bring_up(&lab.host, &spec.slug, &[])
        .await
        .expect("nothing to do");
    assert!(
        lab.running("back").await.is_empty(),
        "a stopped project stays stopped"
    );
    assert_eq!(
        deploy::restart(&context, &whole).await,
        Outcome::Succeeded { manifest: None }
    );
    eventually("the page", async || {
        lab.get("back", "/").await.body == "Plain PHP, version 1\n"
    })
    .await;
    assert_eq!(
        deploy::restart(&context, &whole).await,
        Outcome::Succeeded { manifest: None }
    );
    eventually("the page", async || {
        lab.get("back", "/").await.body == "Plain PHP, version 1\n"
    })
    .await;

    let remove = devflow_protocol::job::RemoveProject {
        slug: spec.slug.clone(),
        purge: true,
    };
    assert_eq!(
        deploy::remove(&context, &remove).await,
        Outcome::Succeeded { manifest: None }
    );
    assert!(!lab.project("back").exists());
    eventually("no such host", async || lab.try_get("back", "/").await.is_err()).await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn project_whose_first_release_fails_tells_visitors_to_come_again() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let mut spec = Lab::spec("new", Framework::Php, &work);
    spec.steps
        .push(step("boot", Phase::Boot, "echo 'no database' >&2; exit 1"));
    let (failed_step, reason) = failed(lab.deploy(&spec, &[]).await);
    assert_eq!(failed_step, "boot", "{reason}");
    assert!(reason.contains("there is no release before it"), "{reason}");
    eventually("503", async || {
        lab.try_get("new", "/")
            .await
            .is_ok_and(|page| page.status == 503 && page.body.contains("not available"))
    })
    .await;
    spec.steps.pop();
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    assert_eq!(lab.get("new", "/").await.body, "Plain PHP, version 1\n");
}
