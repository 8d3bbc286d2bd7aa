//! Laravel: migrations, workers and scheduler, caches, assets carried over, and how long a warm deployment takes.

use super::lab::{Lab, commit, eventually, names_in, sh, version};
use crate::deploy;
use devflow_protocol::job::Work;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Framework;

/// A key that encrypts nothing of worth.
pub(super) const KEY: (&str, &str) = ("APP_KEY", "base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn laravel_second_release_takes_over_with_its_workers_and_scheduler() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("whole", Framework::Laravel, &work);
    let manifest = lab.deploy_live(&spec, &[KEY]).await;
    assert_eq!(manifest.migrations, ["2026_01_01_000000_create_order_tables"]);
    assert_eq!(manifest.framework, Some(Framework::Laravel));
    assert!(manifest.answer_ms.is_some(), "it was watched: {manifest:?}");
    let page = lab.get("whole", "/").await;
    assert!(page.body.contains("Orders, version 1"), "{page:?}");
    let style = page
        .body
        .split('"')
        .find(|part| part.starts_with("/build/"))
        .expect("a style sheet")
        .to_owned();
    assert_eq!(lab.get("whole", &style).await.status, 200);
    assert_eq!(lab.get("whole", "/build/missing.css").await.status, 404);
    assert_eq!(lab.get("whole", "/.env").await.status, 404);

    version(&work, "2");
    sh(
        &work,
        "echo 'h1 { color: #7c2d12; }' >> resources/assets/site.css",
    );
    commit(&work, "Another colour");
    let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
    let outcome = lab.deploy_in(&context, &[KEY]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let page = lab.get("whole", "/").await;
    assert!(
        page.body.contains("Orders, version 2") && !page.body.contains(&style),
        "{page:?}"
    );
    assert_eq!(
        lab.get("whole", &style).await.status,
        200,
        "a page loaded before still gets its style sheet"
    );
    let mut third = spec.clone();
    third.release.keep = 1;
    commit(&work, "Nothing new");
    lab.deploy_live(&third, &[KEY]).await;
    commit(&work, "Nothing new again");
    lab.deploy_live(&third, &[KEY]).await;
    assert_eq!(
        lab.get("whole", &style).await.status,
        404,
        "assets go with the last kept release that made them"
    );
    assert_eq!(lab.running("whole").await, ["Web", "Worker"]);

    assert_eq!(lab.get("whole", "/queue").await.status, 200);
    eventually("the job", async || {
        lab.get("whole", "/recorded")
            .await
            .body
            .contains("job-of-version-2")
    })
    .await;
    deploy::run_scheduler(&lab.host, &spec.slug)
        .await
        .expect("the scheduler starts");
    eventually("the schedule", async || {
        lab.get("whole", "/recorded")
            .await
            .body
            .contains("scheduled-by-version-2")
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn laravel_deployment_with_unchanged_lock_files_is_warm() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("warm", Framework::Laravel, &work);
    lab.deploy_live(&spec, &[KEY]).await;
    version(&work, "2");
    // The link is watched, not the page: 20 requests a second would take the build a whole core.
    let current = lab.project("warm").join("current");
    let before = std::fs::read_link(&current).expect("a link");
    let begun = std::time::Instant::now();
    let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
    let (outcome, switched) = tokio::join!(lab.deploy_in(&context, &[KEY]), async {
        let moved = async || std::fs::read_link(&current).expect("a link") != before;
        eventually("the switch", moved).await;
        begun.elapsed()
    });
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert!(lab.get("warm", "/").await.body.contains("version 2"));
    println!("warm deployment: {} ms to the switch", switched.as_millis());
    assert!(
        lab.transcript(&context).contains("< assets skipped"),
        "{}",
        lab.transcript(&context)
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn packages_of_the_next_release_are_a_copy_of_their_own() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("spare", Framework::Laravel, &work);
    let entries = |folder: &str| names_in(&lab.project("spare").join("cache").join(folder));
    let mut bytecode = Vec::new();
    for version_now in 1..=3 {
        version(&work, &version_now.to_string());
        lab.deploy_live(&spec, &[KEY]).await;
        // What one release does to its packages, neither the next one nor the cache sees.
        let vendor = lab.project("spare").join("current/app/vendor");
        assert!(!vendor.join("mark").exists(), "version {version_now}");
        std::fs::write(vendor.join("mark"), "").expect("a file");
        assert_eq!(entries("spares/composer"), entries("trees/composer"));
        assert_eq!(entries("spares/assets").len(), 1);
        let folder = entries("bytecode");
        assert_eq!(folder.len(), 1, "{folder:?}");
        assert!(version_now == 1 || folder == bytecode, "{folder:?}");
        bytecode = folder;
    }
    // Other packages: what was compiled of the old ones is out of the way.
    sh(
        &work,
        "sed -i 's/A small order book/An order book/' composer.json",
    );
    commit(&work, "Another composer.json");
    lab.deploy_live(&spec, &[KEY]).await;
    let folder = entries("bytecode");
    assert!(folder.len() == 1 && folder != bytecode, "{folder:?}");
    assert_eq!(entries("spares/composer").len(), 1);
    assert_eq!(entries("trees/composer").len(), 2);
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn rollback_over_a_sqlite_migration_asks_for_force_where_it_removes() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("schema", Framework::Laravel, &work);
    let change = |number: u32, what: &str| {
        // A class with a name, as before Laravel 9.
        let file = format!("database/migrations/2026_02_01_00000{number}_change{number}.php");
        let body = format!(
            "<?php\nclass Change{number} extends Illuminate\\Database\\Migrations\\Migration {{ public function up() {{ \
             Illuminate\\Support\\Facades\\Schema::table('orders', function ($table) {{ {what} }}); }} }}\n"
        );
        std::fs::write(work.join(file), body).expect("a file");
        commit(&work, "A migration");
    };
    let mut manifests = Vec::new();
    for (number, what) in [
        (1, "$table->string('note')->nullable();"),
        (2, "$table->renameColumn('note', 'remark');"),
    ] {
        manifests.push(lab.deploy_live(&spec, &[KEY]).await);
        change(number, what);
    }
    let last = lab.deploy_live(&spec, &[KEY]).await;
    assert_eq!(
        last.destructive.keys().collect::<Vec<_>>(),
        ["2026_02_01_000002_change2"],
        "{last:?}"
    );
    let back = async |to: &devflow_protocol::outcome::Manifest, force| {
        let work = devflow_protocol::job::Rollback {
            deployment: lab.deployment(),
            release: to.release.clone(),
            force,
            spec: spec.clone(),
        };
        let context = lab.context(Work::Rollback(Box::new(work.clone())));
        deploy::rollback(&context, &work).await
    };
    match back(&manifests[1], false).await {
        Outcome::Failed { reason, .. } => assert!(
            reason.contains("change2") && reason.contains("rename") && reason.contains("force"),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    let forced = back(&manifests[1], true).await;
    assert!(matches!(forced, Outcome::Succeeded { .. }), "{forced:?}");
    // Between these two only something was added.
    let free = back(&manifests[0], false).await;
    assert!(matches!(free, Outcome::Succeeded { .. }), "{free:?}");
}
