//! The runner dies in the middle: what a restarted one makes of it, at every step.

use super::lab::{Lab, commit, version};
use crate::deploy;
use crate::deploy::back::GOING_BACK;
use devflow_protocol::event::Happening;
use devflow_protocol::job::Work;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Framework;
use std::time::Duration;

/// Runs a deployment until a step begins, and drops it there: nothing of it goes on in this process.
pub(super) async fn die_at(lab: &Lab, context: &crate::job::JobContext, step: &str) {
    let begun = async {
        loop {
            let started =
                |what: &Happening| matches!(what, Happening::StepStarted { step: at } if at.as_str() == step);
            if lab.events(context).iter().any(|event| started(&event.what)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = begun => {}
        outcome = lab.deploy_in(context, &[]) => panic!("ended before `{step}`: {outcome:?}"),
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn runner_killed_at_any_step_finishes_or_undoes() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let mut spec = Lab::spec("killed", Framework::Php, &work);
    spec.release.keep = 2;
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let mut serving = 1;
    let steps = [
        "fetch", "checkout", "composer", "link", "start", "ready", "vhost", "switch", "observe", "retire",
        "prune",
    ];
    for (n, step) in steps.into_iter().enumerate() {
        let next = n + 2;
        version(&work, &next.to_string());
        let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
        die_at(&lab, &context, step).await;
        let page = lab.get("killed", "/").await.body;
        assert!(page.contains("Plain PHP, version"), "after {step}: {page}");

        let again = lab.context_of(context.job.clone());
        let outcome = deploy::recover(&again, None).await;
        let twice = deploy::recover(&lab.context_of(context.job.clone()), None).await;
        match &outcome {
            Outcome::Failed { reason, .. } => {
                assert!(
                    reason.contains(&format!("restarted during `{step}`")),
                    "{step}: {reason}"
                );
                assert!(matches!(twice, Outcome::Failed { .. }), "{step}: {twice:?}");
            }
            Outcome::Succeeded { manifest: Some(_) } => {
                assert!(matches!(twice, Outcome::Succeeded { .. }), "{step}: {twice:?}");
                serving = next;
            }
            other => panic!("{step}: {other:?}"),
        }
        assert_eq!(
            lab.get("killed", "/").await.body,
            format!("Plain PHP, version {serving}\n"),
            "after {step}"
        );
        assert_eq!(lab.running("killed").await, ["Web"], "after {step}");
        assert!(
            lab.releases("killed").len() <= 2,
            "after {step}: {:?}",
            lab.releases("killed")
        );
    }
    assert_eq!(serving, steps.len() + 1, "what was switched is finished");
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn runner_killed_on_the_way_back_goes_on_with_it() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("back", Framework::Php, &work);
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    version(&work, "2");
    let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
    die_at(&lab, &context, "observe").await;
    assert_eq!(lab.get("back", "/").await.body, "Plain PHP, version 2\n");
    context.checkpoints.mark(GOING_BACK).expect("marked");
    for _ in 0..2 {
        let outcome = deploy::recover(&lab.context_of(context.job.clone()), None).await;
        let Outcome::RolledBack { reason } = &outcome else {
            panic!("{outcome:?}");
        };
        assert!(reason.contains("restarted while it went back"), "{reason}");
        assert_eq!(lab.get("back", "/").await.body, "Plain PHP, version 1\n");
        assert_eq!(lab.running("back").await, ["Web"]);
        assert_eq!(lab.releases("back").len(), 1);
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn reconcile_ends_what_a_deployment_left_behind() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("left", Framework::Php, &work);
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let live = lab.releases("left");
    for containers_are_gone in [false, true] {
        version(&work, "2");
        let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
        die_at(&lab, &context, "ready").await;
        assert_eq!(lab.running("left").await, ["Build", "Web", "Web"]);
        if containers_are_gone {
            for found in lab.host.docker.list(Some("left")).await.expect("a list") {
                if !live.contains(&found.release) {
                    lab.host.docker.remove(&found.id).await.expect("removed");
                }
            }
        }
        let seen = lab.host.docker.list(None).await.expect("a list");
        deploy::bring_up(&lab.host, &spec.slug, &seen)
            .await
            .expect("it is cleaned up");
        assert_eq!(lab.running("left").await, ["Web"]);
        assert_eq!(lab.releases("left"), live);
        assert_eq!(lab.get("left", "/").await.body, "Plain PHP, version 1\n");
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn reconcile_brings_back_what_is_gone() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("gone", Framework::Php, &work);
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    commit(&work, "Nothing");
    for removed in [false, true] {
        for found in lab.host.docker.list(Some("gone")).await.expect("a list") {
            if removed {
                lab.host.docker.remove(&found.id).await.expect("removed");
            } else {
                lab.host.docker.stop(&found.id, 1).await.expect("stopped");
            }
        }
        assert_eq!(lab.get("gone", "/").await.status, 502);
        std::fs::remove_file(lab.path().join("nginx/vhosts/gone.conf")).expect("a vhost");
        let seen = lab.host.docker.list(None).await.expect("a list");
        deploy::bring_up(&lab.host, &spec.slug, &seen)
            .await
            .expect("it comes up");
        super::lab::eventually("the page", async || lab.get("gone", "/").await.status == 200).await;
    }
}
