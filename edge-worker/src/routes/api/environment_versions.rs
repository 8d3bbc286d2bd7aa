//! What a project's environment was before: who changed which names, and since when that is live. No values.

use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Id;
use crate::service::{environments, projects};
use crate::store::environments::{LiveRow, PastVersion};
use crate::store::{Page, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_domain::environment::Changes;
use devflow_protocol::text::EnvName;
use devflow_protocol::{DeploymentId, ProjectId, UnixMillis};
use serde::Serialize;

pub(super) fn router() -> Routes {
    Routes::new().api(
        Method::GET,
        "/api/v1/projects/{id}/environment/versions",
        Needs::project(Action::SeeProject),
        "List the newest 20 versions of a project's variables, newest first: which names each changed",
        list,
    )
}

/// What a version changed, by name.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EnvironmentVersion {
    version: u32,
    created_at: UnixMillis,
    /// Who made it: an e-mail address or the name of an API key; null where they are gone.
    changed_by: Option<String>,
    added: Vec<EnvName>,
    changed: Vec<EnvName>,
    removed: Vec<EnvName>,
    /// The first of the newest 50 deployments that went live with it.
    deployment: Option<DeploymentId>,
    /// When that went live.
    live_at: Option<UnixMillis>,
}

impl TryFrom<(PastVersion, Option<LiveRow>)> for EnvironmentVersion {
    type Error = StoreError;

    fn try_from((row, live): (PastVersion, Option<LiveRow>)) -> Result<Self, StoreError> {
        let changes: Changes = serde_json::from_str(&row.changes)
            .map_err(|error| StoreError::unreadable("environments.changes", &error))?;
        Ok(Self {
            version: row.version,
            created_at: row.created_at,
            changed_by: row.actor_name,
            added: changes.added,
            changed: changes.changed,
            removed: changes.removed,
            live_at: live.as_ref().and_then(|live| live.finished_at),
            deployment: live.map(|live| live.id),
        })
    }
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    _caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Json<Page<EnvironmentVersion>>, ApiError> {
    projects::get(&state, &id).await?;
    let versions = environments::history(&state, &id).await?;
    let items = versions.into_iter().map(EnvironmentVersion::try_from);
    Ok(Json(Page {
        items: items.collect::<Result<_, _>>()?,
        next: None,
    }))
}
