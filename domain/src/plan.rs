//! What a deployment of a project will do, step by step and in its order, told before it runs.
//!
//! The steps of the deployment itself are named here; a runner does them in this order (a test of it compares).

use devflow_protocol::event::DeploymentState;
use devflow_protocol::project::{Phase, ProcessKind, ProjectSpec, Step};
use devflow_protocol::text::StepName;

/// What stands behind a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'s> {
    /// The deployment's own: what it does, as a sentence.
    Own(&'static str),
    /// A command of the pipeline.
    Command(&'s Step),
    /// A command of a hook.
    Hook(&'s Step),
}

/// One step of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned<'s> {
    /// Its name, as events and pages have it.
    pub name: &'s str,
    /// Where the deployment stands meanwhile.
    pub state: DeploymentState,
    /// What it does.
    pub what: What<'s>,
}

/// Names of steps that every deployment has, and of what its journal notes beside them: no command may be called so.
const RESERVED: [&str; 17] = [
    "schema",
    "fetch",
    "checkout",
    "image",
    "link",
    "services",
    "start",
    "pretend",
    "ready",
    "vhost",
    "switch",
    "switched",
    "going-back",
    "workers",
    "observe",
    "retire",
    "prune",
];

/// True where a command of a project cannot be called so.
pub fn is_reserved(name: &StepName) -> bool {
    RESERVED.contains(&name.as_str()) || is_hook(name)
}

/// True for the step that a hook becomes.
fn is_hook(name: &StepName) -> bool {
    name.as_str().starts_with("hook:")
}

/// The steps of a deployment of `spec`. One whose files are not in the repository is skipped when it runs.
pub fn plan(spec: &ProjectSpec) -> Vec<Planned<'_>> {
    use DeploymentState as S;
    let own = |name, state, what| Planned {
        name,
        state,
        what: What::Own(what),
    };
    let mut planned = vec![
        own("fetch", S::Preparing, "Gets the commit from the repository."),
        own("checkout", S::Preparing, "Writes its files into a new release."),
    ];
    let compose = spec
        .container
        .as_ref()
        .map(|container| container.compose.is_some());
    match compose {
        Some(true) => planned.push(own(
            "image",
            S::Building,
            "Reads the compose file; builds and gets the images of its services.",
        )),
        Some(false) => planned.push(own(
            "image",
            S::Building,
            "Builds the image from the repository's Dockerfile.",
        )),
        None => {}
    }
    planned.extend(commands(spec, Phase::Dependencies, S::Building));
    planned.extend(commands(spec, Phase::Build, S::Building));
    planned.push(own(
        "link",
        S::Building,
        "Puts environment and shared folders in place.",
    ));
    if compose == Some(true) {
        planned.push(own(
            "services",
            S::Building,
            "Starts what the web service waits for: kept services where they changed, tasks, and the release's own.",
        ));
    }
    planned.extend(commands(spec, Phase::Prepare, S::Building));
    planned.push(own(
        "start",
        S::Starting,
        "Starts the release beside the one that serves.",
    ));
    planned.extend(commands(spec, Phase::Boot, S::Starting));
    if spec.framework.is_laravel() && has(spec, Phase::Migrate) {
        planned.push(own(
            "pretend",
            S::Starting,
            "Asks what new migrations will do; not where there are none.",
        ));
    }
    planned.extend(commands(spec, Phase::Migrate, S::Migrating));
    planned.extend(commands(spec, Phase::BeforeSwitch, S::Checking));
    planned.extend([
        own(
            "ready",
            S::Checking,
            "Asks the health path until it answers well.",
        ),
        own(
            "vhost",
            S::Checking,
            "Tests and applies the web server's configuration.",
        ),
        own("switch", S::Switching, "Moves visitors to the release, at once."),
    ]);
    planned.extend(commands(spec, Phase::AfterSwitch, S::Observing));
    if spec
        .processes
        .iter()
        .any(|process| process.kind == ProcessKind::Worker)
    {
        planned.push(own("workers", S::Observing, "Starts the release's workers."));
    }
    planned.extend([
        own(
            "observe",
            S::Observing,
            "Watches the release; goes back when it turns bad.",
        ),
        own(
            "retire",
            S::Observing,
            "Lets the old release answer what it has begun, then ends it.",
        ),
        own(
            "prune",
            S::Observing,
            "Removes releases beyond the number to keep.",
        ),
    ]);
    planned
}

fn has(spec: &ProjectSpec, phase: Phase) -> bool {
    spec.steps.iter().any(|step| step.phase == phase)
}

fn commands(spec: &ProjectSpec, phase: Phase, state: DeploymentState) -> impl Iterator<Item = Planned<'_>> {
    let steps = spec.steps.iter().filter(move |step| step.phase == phase);
    steps.map(move |step| Planned {
        name: step.name.as_str(),
        state,
        what: if is_hook(&step.name) {
            What::Hook(step)
        } else {
            What::Command(step)
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ProjectSettings;
    use devflow_protocol::project::{ComposeSpec, ContainerSpec};
    use std::fmt::Write as _;

    fn spec(more: &str) -> ProjectSpec {
        let text = format!(
            r#"{{"framework":"laravel","repository":"https://h.test/a.git","domains":["shop.test"]{more}}}"#
        );
        let settings: ProjectSettings = serde_json::from_str(&text).expect("settings");
        assert_eq!(settings.problems(), vec![]);
        settings.to_spec("shop".parse().expect("a slug"))
    }

    #[test]
    fn plan_tells_the_steps_of_a_deployment_in_order() {
        let spec = spec(
            r#","hooks":[{"name":"warm","at":"before_switch","argv":["php","artisan","app:warm"]},
            {"name":"purge-cdn","at":"after_switch","argv":["sh","-c","curl -X PURGE https://cdn.test"],"timeout_s":30}]"#,
        );
        let mut text = String::new();
        for step in plan(&spec) {
            let what = match step.what {
                What::Own(what) => what.to_owned(),
                What::Command(step) => format!("$ {}", step.argv.join(" ")),
                What::Hook(step) => format!("hook, {} s: {:?}", step.timeout_s, step.argv),
            };
            writeln!(text, "{} {}: {what}", step.state.as_str(), step.name).expect("writes to a string");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn states_of_a_plan_only_go_on() {
        assert!(plan(&spec("")).is_sorted_by_key(|step| step.state));
    }

    #[test]
    fn every_step_of_the_deployment_itself_is_reserved() {
        let plain = spec("");
        let mut image = plain.clone();
        image.container = Some(ContainerSpec::default());
        let mut services = image.clone();
        services.container.as_mut().expect("a container").compose = Some(ComposeSpec {
            file: None,
            service: "web".parse().expect("a name"),
        });
        let plans = [plan(&plain), plan(&image), plan(&services)];
        for step in plans.into_iter().flatten() {
            let name = step.name.parse().expect("a name");
            assert_eq!(is_reserved(&name), matches!(step.what, What::Own(_)), "{name}");
        }
    }
}
