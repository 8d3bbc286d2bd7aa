//! Repositories that try to get out of their release, and commands that look around.

use super::lab::{Lab, commit, sh};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, Phase, SharedKind, SharedPath, Step};
use std::fs;
use std::os::unix::fs::MetadataExt;

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn links_and_files_in_the_runners_way_lead_nowhere() {
    let lab = Lab::new();
    let target = lab.path().join("outside");
    fs::create_dir(&target).expect("a folder");
    fs::write(target.join("secret.txt"), "of another project").expect("a file");
    let work = lab.repository("php");
    let mut spec = Lab::spec("hostile", Framework::Laravel, &work);
    spec.web.health_path = "/".parse().expect("a path");
    spec.web.scripts = true;
    spec.steps.retain(|step| step.name.as_str() == "composer");
    spec.processes.clear();
    let out = target.display();
    sh(
        &work,
        &format!(
            "ln -s {out}/secret.txt public/secret.txt; ln -s {out} public/folder; ln -s {out} storage; \
             mkdir .env && echo x > .env/y; ln -s {out} bootstrap; ln -s ../VERSION public/own.txt"
        ),
    );
    commit(&work, "Hostile");
    let outcome = lab.deploy(&spec, &[("A", "b")]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let names: Vec<_> = fs::read_dir(&target)
        .expect("a folder")
        .map(|it| it.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["secret.txt"], "nothing was written outside");
    assert_eq!(
        fs::metadata(target.join("secret.txt")).expect("a file").uid(),
        0,
        "nothing outside was given away"
    );
    assert_eq!(lab.get("hostile", "/secret.txt").await.status, 403);
    assert_eq!(lab.get("hostile", "/folder/secret.txt").await.status, 403);
    assert_eq!(
        lab.get("hostile", "/own.txt").await.status,
        200,
        "links to the project's own files work"
    );
    let env = lab.project("hostile").join("current/app/.env");
    assert!(fs::symlink_metadata(&env).expect("a file").is_file());
    assert_eq!(fs::metadata(&env).expect("a file").mode() & 0o777, 0o600);

    // The document root itself is a link.
    sh(&work, &format!("mv public real && ln -s {out} public"));
    commit(&work, "Worse");
    let outcome = lab.deploy(&spec, &[]).await;
    let Outcome::Failed { reason, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("no folder `public`"), "{reason}");
    // A running application replaces it later.
    let public = lab.project("hostile").join("current/app/public");
    fs::rename(&public, public.with_extension("old")).expect("renamed");
    std::os::unix::fs::symlink(&target, &public).expect("a link");
    let uid = fs::metadata(lab.project("hostile").join("current/app"))
        .expect("a folder")
        .uid();
    std::os::unix::fs::lchown(&public, Some(uid), Some(uid)).expect("given");
    assert_eq!(lab.get("hostile", "/secret.txt").await.status, 403);
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn commands_of_a_project_see_neither_docker_nor_root_nor_others() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let mut spec = Lab::spec("nosy", Framework::Php, &work);
    let other = lab.project("other");
    fs::create_dir_all(&other).expect("a folder");
    fs::write(other.join("secret"), "x").expect("a file");
    let script = format!(
        "echo uid=$(id -u); find / -name docker.sock 2>/dev/null; ls {} ; ls {}; \
         grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; touch /etc/devflow/x /etc/x",
        other.display(),
        lab.project("").display()
    );
    spec.steps.push(Step {
        name: "look".parse().expect("a name"),
        phase: Phase::Build,
        argv: vec!["sh".into(), "-c".into(), format!("{{ {script} ; }} 2>&1 || true")],
        needs: vec![],
        gates: vec![],
        cache: None,
        timeout_s: 60,
        tenants: None,
        beside: false,
    });
    spec.shared.push(SharedPath {
        path: "uploads".parse().expect("a path"),
        kind: SharedKind::Dir,
    });
    let context = lab.context(devflow_protocol::job::Work::Deploy(Box::new(lab.work(&spec))));
    let outcome = lab.deploy_in(&context, &[]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let seen = lab.transcript(&context);
    assert!(seen.contains("uid=20000"), "{seen}");
    assert!(!seen.contains("docker.sock"), "{seen}");
    assert!(
        !seen.contains("secret") && seen.contains("No such file or directory"),
        "{seen}"
    );
    assert!(
        seen.contains("CapEff:\t0000000000000000") && seen.contains("NoNewPrivs:\t1"),
        "{seen}"
    );
    assert!(
        seen.contains("touch: cannot touch '/etc/devflow/x'")
            && seen.contains("touch: cannot touch '/etc/x'"),
        "{seen}"
    );
    assert!(
        fs::symlink_metadata(lab.project("nosy").join("shared/uploads"))
            .expect("a folder")
            .is_dir()
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn repository_with_submodule_or_lfs_is_refused_in_a_sentence() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("odd", Framework::Php, &work);
    sh(
        &work,
        "echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes",
    );
    commit(&work, "LFS");
    let outcome = lab.deploy(&spec, &[]).await;
    let Outcome::Failed { reason, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        reason.starts_with("step `checkout` failed: the repository keeps files in Git LFS"),
        "{reason}"
    );
    sh(
        &work,
        "git rm -q .gitattributes; git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),theme; git commit -q -m Sub",
    );
    let outcome = lab.deploy(&spec, &[]).await;
    let Outcome::Failed { reason, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("the submodule `theme`"), "{reason}");
    assert!(reason.ends_with("there is no release before it"), "{reason}");
    assert!(lab.releases("odd").is_empty());
}
