//! Shopware's pipeline. A Symfony console application stands in for Shopware's code: its commands are called as Shopware's
//! and note that they ran.

use super::lab::{Lab, commit, eventually, sh};
use crate::deploy;
use devflow_protocol::job::{Rollback, Work};
use devflow_protocol::outcome::Manifest;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Framework;
use std::path::Path;

/// What the console has run since it was asked last; the workers, which start by themselves, left out.
fn ran(lab: &Lab, slug: &str) -> Vec<String> {
    let file = lab.project(slug).join("shared/files/console.log");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, "").expect("a file");
    text.lines()
        .filter(|line| !line.starts_with("messenger:consume") && !line.starts_with("scheduled-task:run"))
        .map(str::to_owned)
        .collect()
}

fn other_core(work: &Path, version: &str) {
    sh(
        work,
        &format!("sed -i 's/6\\.[0-9]*\\.[0-9]*\\.[0-9]*/{version}/' stand-in/*/composer.json composer.lock"),
    );
    commit(work, &format!("Core {version}"));
}

const ALWAYS: [&str; 2] = ["assets:install", "cache:warmup"];
const AFTER: [&str; 2] = [
    "cache:pool:clear cache.http cache.object",
    "messenger:stop-workers",
];

/// The version of Shopware that a manifest tells.
fn told_core(manifest: &Manifest) -> Option<&str> {
    let mut packages = manifest.packages.composer.iter();
    let core = packages.find(|(name, _)| name.as_str() == "shopware/core")?;
    Some(core.1.as_str())
}

fn list(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn shop_without_the_helper_is_updated_where_its_version_changed_and_checked_before_the_switch() {
    let lab = Lab::new();
    let work = lab.repository("shopware");
    let spec = Lab::spec("shop", Framework::Shopware, &work);
    let first = lab
        .deploy_live(&spec, &[("APP_SECRET", "a-secret-of-no-worth")])
        .await;
    assert_eq!(told_core(&first), Some("6.6.10.3"));
    assert_eq!(lab.get("shop", "/").await.body, "Shop 1 on 6.6.10.3 in prod\n");
    assert_eq!(lab.running("shop").await, ["Web", "Worker", "Worker"]);
    let register: &[&str] = &["plugin:refresh", "theme:refresh", "scheduled-task:register"];
    let theme: &[&str] = &["theme:compile --active-only"];
    let check: &[&str] = &["system:check --context=pre_rollout"];
    assert_eq!(
        ran(&lab, "shop"),
        list(&[
            &ALWAYS,
            &["about", "messenger:setup-transports", "system:update:finish"],
            register,
            theme,
            &["dal:refresh:index --use-queue"],
            check,
            &AFTER
        ])
    );
    // The compiled theme outlives the release, and install.lock is there.
    let shared = lab.project("shop").join("shared");
    assert_eq!(
        std::fs::read_dir(shared.join("public/theme"))
            .expect("a folder")
            .count(),
        1
    );
    assert!(shared.join("install.lock").is_file());

    // Unchanged packages: no update and no index.
    commit(&work, "The same packages");
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(
        ran(&lab, "shop"),
        list(&[
            &ALWAYS,
            &["about", "messenger:setup-transports"],
            register,
            theme,
            check,
            &AFTER
        ])
    );

    // A shop that says that it is unwell gets no visitors.
    sh(&work, "touch UNWELL");
    commit(&work, "Unwell");
    match lab.deploy(&spec, &[]).await {
        Outcome::Failed {
            step: Some(step),
            reason,
        } => {
            assert_eq!(step.as_str(), "check");
            assert!(
                reason.contains("the payment provider does not answer"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    sh(&work, "rm UNWELL");
    let _ = ran(&lab, "shop");

    // Another version of the core, of a time before `system:check` and `--active-only`.
    other_core(&work, "6.4.20.2");
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(
        ran(&lab, "shop"),
        list(&[
            &ALWAYS,
            &["about", "system:update:finish"],
            register,
            &[
                "theme:compile",
                "dal:refresh:index --use-queue",
                "messenger:stop-workers"
            ]
        ])
    );

    // Going back over an update asks for force.
    let back = async |force| {
        let work = Rollback {
            deployment: lab.deployment(),
            release: first.release.clone(),
            force,
            spec: spec.clone(),
        };
        let context = lab.context(Work::Rollback(Box::new(work.clone())));
        deploy::rollback(&context, &work).await
    };
    match back(false).await {
        Outcome::Failed { reason, .. } => assert!(
            reason.contains("system:update:finish") && reason.contains("force"),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    let forced = back(true).await;
    assert!(matches!(forced, Outcome::Succeeded { .. }), "{forced:?}");
    eventually("the first shop", async || {
        lab.get("shop", "/").await.body == "Shop 1 on 6.6.10.3 in prod\n"
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn shop_with_the_helper_leaves_the_update_to_it() {
    let lab = Lab::new();
    let work = lab.repository("shopware");
    sh(&work, "cp helper/composer.json helper/composer.lock .");
    commit(&work, "With the deployment helper");
    let spec = Lab::spec("helped", Framework::Shopware, &work);
    lab.deploy_live(&spec, &[]).await;
    assert_eq!(
        ran(&lab, "helped"),
        list(&[
            &ALWAYS,
            &[
                "about",
                "helper run --timeout=3500",
                "system:check --context=pre_rollout"
            ],
            &AFTER
        ])
    );
}
