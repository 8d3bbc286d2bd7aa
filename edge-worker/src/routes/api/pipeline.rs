//! What a deployment of a project will do, before it runs.

use crate::answer::Versioned;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Id;
use crate::service::projects;
use axum::extract::State;
use devflow_domain::packages::describe;
use devflow_domain::plan::{Planned, What, plan};
use devflow_protocol::ProjectId;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::project::Process;
use serde::Serialize;

/// The steps of a deployment, in order, and what a release runs beside the site.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Pipeline {
    steps: Vec<PlannedStep>,
    processes: Vec<Process>,
}

/// Who a step comes from.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum StepKind {
    /// Every deployment has it.
    Own,
    /// A command of the pipeline.
    Command,
    /// A command of a hook.
    Hook,
}

/// A step of a deployment.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlannedStep {
    name: String,
    /// Where the deployment stands meanwhile.
    state: DeploymentState,
    kind: StepKind,
    /// What a step of kind `own` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'static str>,
    /// Program and arguments of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    /// Longest time of a command, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_s: Option<u32>,
    /// Files without which a command is skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<String>,
    /// What else a command is skipped without, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    only_where: Vec<String>,
}

impl From<&Planned<'_>> for PlannedStep {
    fn from(step: &Planned<'_>) -> Self {
        let (kind, what, command) = match step.what {
            What::Own(what) => (StepKind::Own, Some(what), None),
            What::Command(command) => (StepKind::Command, None, Some(command)),
            What::Hook(command) => (StepKind::Hook, None, Some(command)),
        };
        Self {
            name: step.name.to_owned(),
            state: step.state,
            kind,
            what,
            argv: command.map(|command| command.argv.clone()),
            timeout_s: command.map(|command| command.timeout_s),
            needs: command
                .map(|command| command.needs.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
            only_where: command
                .map(|command| command.gates.iter().map(describe).collect())
                .unwrap_or_default(),
        }
    }
}

/// `GET /api/v1/projects/{id}/pipeline`
#[worker::send]
pub(super) async fn show(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Versioned<Pipeline>, ApiError> {
    let row = projects::get(&state, &id).await?;
    let spec = row.settings()?.to_spec(row.slug.clone());
    let shown = Pipeline {
        steps: plan(&spec).iter().map(PlannedStep::from).collect(),
        processes: spec.processes,
    };
    Ok(Versioned::new(row.updated_at.0, shown))
}
