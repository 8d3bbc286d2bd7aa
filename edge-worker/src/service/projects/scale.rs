//! How many processes a project runs, and what they may use: saved as settings, and brought to the live release by a job.

use super::queue_job_with;
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::store::lease::Arguments;
use crate::store::projects::ProjectState;
use devflow_protocol::job::Part;
use devflow_protocol::project::ProcessKind;
use devflow_protocol::text::StepName;
use devflow_protocol::{JobId, ProjectId, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is to be another way; the rest stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    /// How many of each worker, by its name; 0 lets it rest.
    pub(crate) workers: BTreeMap<StepName, u8>,
    /// Fields of the project's `limits`; `null` takes one back to its default.
    pub(crate) limits: Map<String, Value>,
}

/// Saves it for the version that `seen` accepts, and asks the server to bring the live release to it. No job where nothing
/// runs: the next deployment, or the next start, takes it up.
pub(crate) async fn scale(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    seen: impl Fn(UnixMillis) -> Result<(), ApiError>,
    wanted: Wanted,
) -> Result<Option<JobId>, ApiError> {
    let row = super::get(state, id).await?;
    if row.state == ProjectState::Removing {
        return Err(super::removing());
    }
    let processes = row
        .settings()?
        .scaled(&wanted.workers)
        .map_err(|problem| ApiError::invalid(problem.field, problem.message))?;
    let fields = [
        ("processes".to_owned(), json!(processes)),
        ("limits".to_owned(), Value::Object(wanted.limits)),
    ];
    let row = super::update(state, actor, id, seen, Map::from_iter(fields)).await?;
    if row.live_deployment.is_none() {
        return Ok(None);
    }
    queue_job_with(state, actor, id, "scale", &Arguments::default())
        .await
        .map(Some)
}

/// Asks the server to start one part of a project anew.
pub(crate) async fn restart_part(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    part: Part,
) -> Result<JobId, ApiError> {
    let row = super::get(state, id).await?;
    if row.state == ProjectState::Stopped {
        return Err(ApiError::Conflict(
            "stopped",
            "The project is stopped; start it first.".to_owned(),
        ));
    }
    if let Part::Worker { name } = &part {
        let processes = row.settings()?.all_processes();
        let mut workers = processes.iter().filter(|it| it.kind == ProcessKind::Worker);
        if !workers.any(|it| it.name == *name) {
            return Err(ApiError::invalid(
                "worker",
                format!("the project has no worker `{name}`"),
            ));
        }
    }
    let arguments = Arguments {
        only: Some(part),
        ..Arguments::default()
    };
    queue_job_with(state, actor, id, "restart", &arguments).await
}
