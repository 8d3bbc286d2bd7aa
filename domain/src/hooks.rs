//! Hooks: a person's own commands at stated points of the pipeline.
//!
//! A hook is an argument list that runs in the deployment's container, with the limits of the build, never on the
//! server and through no shell: who wants one names it (`sh -c …`).

use devflow_protocol::project::{Phase, Step};
use devflow_protocol::text::StepName;
use serde::{Deserialize, Serialize};

/// Most hooks of a project.
pub const MOST: usize = 20;
/// Longest name of a hook: its step is called `hook:<name>`.
pub const NAME_CHARS: usize = 35;
/// Seconds that a hook may take where nothing else is said.
pub const TIMEOUT_S: u32 = 300;

/// Where in a deployment a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    /// Code, packages and assets are there; Laravel's `.env` and the shared folders are not yet.
    AfterBuild,
    /// The database is migrated and visitors are still with the release before. Also where a kept release is gone back to.
    BeforeSwitch,
    /// Visitors have the new release. A hook that fails here sends the release back.
    AfterSwitch,
}

impl HookPoint {
    /// All points, in the order of a deployment.
    pub const ALL: [Self; 3] = [Self::AfterBuild, Self::BeforeSwitch, Self::AfterSwitch];

    /// The name in the API and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterBuild => "after_build",
            Self::BeforeSwitch => "before_switch",
            Self::AfterSwitch => "after_switch",
        }
    }

    /// The phase at whose end the hook runs.
    pub fn phase(self) -> Phase {
        match self {
            Self::AfterBuild => Phase::Build,
            Self::BeforeSwitch => Phase::BeforeSwitch,
            Self::AfterSwitch => Phase::AfterSwitch,
        }
    }
}

/// A command of the person's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "PipelineHook")
)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Unique in the project.
    pub name: StepName,
    /// Where it runs.
    pub at: HookPoint,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Longest time, in seconds.
    #[serde(default = "default_timeout")]
    pub timeout_s: u32,
}

fn default_timeout() -> u32 {
    TIMEOUT_S
}

impl Hook {
    /// The step that it becomes. None where the name is too long.
    fn step(&self) -> Option<Step> {
        Some(Step {
            name: format!("hook:{}", self.name).parse().ok()?,
            phase: self.at.phase(),
            argv: self.argv.clone(),
            needs: vec![],
            gates: vec![],
            tenants: None,
            cache: None,
            timeout_s: self.timeout_s,
            beside: false,
        })
    }
}

/// The pipeline with the hooks in it: each behind the steps of its phase, in the order of the list.
pub fn insert(mut steps: Vec<Step>, hooks: &[Hook]) -> Vec<Step> {
    steps.extend(hooks.iter().filter_map(Hook::step));
    // Stable: within a phase the framework's own come first.
    steps.sort_by_key(|step| step.phase);
    steps
}

/// What is wrong with the names of hooks; the rest of them is checked as steps are.
pub(crate) fn name_problem(hooks: &[Hook]) -> Option<&'static str> {
    let mut names: Vec<&StepName> = hooks.iter().map(|hook| &hook.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Some("two hooks have the same name");
    }
    let short = hooks.iter().all(|hook| hook.name.as_str().len() <= NAME_CHARS);
    (!short).then_some("the name of a hook has at most 35 characters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::defaults;
    use devflow_protocol::project::Framework;

    fn hook(name: &str, at: HookPoint) -> Hook {
        Hook {
            name: name.parse().expect("a name"),
            at,
            argv: vec!["true".to_owned()],
            timeout_s: 5,
        }
    }

    #[test]
    fn insert_puts_hooks_behind_the_steps_of_their_phase() {
        let hooks = [
            hook("ping", HookPoint::AfterSwitch),
            hook("warm", HookPoint::BeforeSwitch),
            hook("docs", HookPoint::AfterBuild),
            hook("notes", HookPoint::AfterBuild),
        ];
        let steps = insert(defaults(Framework::Laravel).steps, &hooks);
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "composer",
                "assets",
                "hook:docs",
                "hook:notes",
                "config-cache",
                "storage-link",
                "event-cache",
                "route-cache",
                "view-cache",
                "boot",
                "migrate",
                "hook:warm",
                "queue-restart",
                "hook:ping",
            ]
        );
        assert!(steps.is_sorted_by_key(|step| step.phase));
    }

    #[test]
    fn points_are_called_as_they_are_written() {
        for at in HookPoint::ALL {
            assert_eq!(serde_json::to_value(at).expect("JSON"), at.as_str());
        }
    }
}
