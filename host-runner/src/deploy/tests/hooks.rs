//! Hooks: commands of the person's own, at their points, and that a deployment does what its plan tells.

use super::lab::{Lab, version};
use super::laravel::KEY;
use crate::deploy;
use devflow_domain::hooks::{Hook, HookPoint, insert};
use devflow_domain::plan::plan;
use devflow_protocol::event::Happening;
use devflow_protocol::job::{Rollback, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, ProjectSpec};

fn hook(name: &str, at: HookPoint, script: &str) -> Hook {
    Hook {
        name: name.parse().expect("a name"),
        at,
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        timeout_s: 20,
    }
}

fn with(spec: &ProjectSpec, hooks: &[Hook]) -> ProjectSpec {
    ProjectSpec {
        steps: insert(spec.steps.clone(), hooks),
        ..spec.clone()
    }
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn hooks_run_at_their_points_and_the_deployment_does_what_its_plan_tells() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("hooked", Framework::Laravel, &work);
    let hooked = with(
        &spec,
        &[
            hook(
                "built",
                HookPoint::AfterBuild,
                "test -d vendor && test ! -e .env && echo built",
            ),
            hook(
                "migrated",
                HookPoint::BeforeSwitch,
                "php artisan migrate:status --no-ansi; id -u; echo before > storage/app/points",
            ),
            hook("live", HookPoint::AfterSwitch, "echo after >> storage/app/points"),
        ],
    );
    let context = lab.context(Work::Deploy(Box::new(lab.work(&hooked))));
    let outcome = lab.deploy_in(&context, &[KEY]).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let started: Vec<String> = lab
        .events(&context)
        .into_iter()
        .filter_map(|event| match event.what {
            Happening::StepStarted { step } => Some(step.to_string()),
            _ => None,
        })
        .collect();
    // There is no release before it whose migrations could be compared.
    let planned: Vec<&str> = plan(&hooked)
        .into_iter()
        .map(|step| step.name)
        .filter(|name| *name != "pretend")
        .collect();
    assert_eq!(started, planned);
    let said = lab.transcript(&context);
    assert!(said.contains("hook:built: built"), "{said}");
    assert!(said.contains("create_order_tables"), "{said}");
    // As the project's own user, not as root.
    assert!(!said.contains("hook:migrated: 0\n"), "{said}");
    let points = lab.project("hooked").join("shared/storage/app/points");
    assert_eq!(
        std::fs::read_to_string(points).expect("a file"),
        "before\nafter\n"
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn hook_that_fails_before_the_switch_keeps_the_old_release_and_after_it_goes_back() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("bad-hook", Framework::Php, &work);
    lab.deploy_live(&spec, &[]).await;
    version(&work, "2");
    let before = with(
        &spec,
        &[hook(
            "gate",
            HookPoint::BeforeSwitch,
            "echo not today >&2; exit 1",
        )],
    );
    match lab.deploy(&before, &[]).await {
        Outcome::Failed {
            step: Some(step),
            reason,
        } => {
            assert_eq!(step.as_str(), "hook:gate");
            assert!(
                reason.contains("not today") && reason.ends_with("the release before it serves on"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.get("bad-hook", "/").await.body, "Plain PHP, version 1\n");
    let after = with(
        &spec,
        &[hook(
            "tell",
            HookPoint::AfterSwitch,
            "echo nobody there >&2; exit 1",
        )],
    );
    match lab.deploy(&after, &[]).await {
        Outcome::RolledBack { reason } => assert!(
            reason.contains("hook:tell") && reason.contains("nobody there"),
            "{reason}"
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(lab.get("bad-hook", "/").await.body, "Plain PHP, version 1\n");
    assert_eq!(lab.running("bad-hook").await, ["Web"]);
    assert_eq!(lab.releases("bad-hook").len(), 1);
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn going_back_runs_the_hooks_around_the_switch_of_the_kept_release() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("back-hook", Framework::Php, &work);
    let hooked = with(
        &spec,
        &[
            hook("build", HookPoint::AfterBuild, "echo no"),
            hook("warm", HookPoint::BeforeSwitch, "echo warm of $(cat VERSION)"),
            hook("tell", HookPoint::AfterSwitch, "echo told of $(cat VERSION)"),
        ],
    );
    let first = lab.deploy_live(&hooked, &[]).await.release;
    version(&work, "2");
    lab.deploy_live(&spec, &[]).await;
    let back = Rollback {
        deployment: lab.deployment(),
        release: first,
        force: false,
        spec,
    };
    let context = lab.context(Work::Rollback(Box::new(back.clone())));
    let outcome = deploy::rollback(&context, &back).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    let said = lab.transcript(&context);
    assert!(
        said.contains("hook:warm: warm of 1") && said.contains("hook:tell: told of 1"),
        "{said}"
    );
    assert!(!said.contains("hook:build"), "{said}");
    assert_eq!(lab.get("back-hook", "/").await.body, "Plain PHP, version 1\n");
}
