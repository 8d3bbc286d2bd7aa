//! The events of a deployment, for who watches it.

use crate::app::AppState;
use crate::error::ApiError;
use crate::store::events::ChunkRow;
use crate::store::{StoreError, events, jobs};
use devflow_protocol::event::{DeploymentState, Event};
use devflow_protocol::{DeploymentId, ServerId};
use serde::Serialize;

/// Chunks that one answer reads at most: 2 MB.
const CHUNKS: i64 = 8;

/// A piece of a deployment's output.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Output {
    /// Which attempt the events are of: they count anew with each. 0 before the first. The turns of several servers are
    /// attempts one after the other.
    pub(crate) attempt: u32,
    /// In order.
    pub(crate) events: Vec<Event>,
    /// The number of the last event; ask again from there.
    pub(crate) last: u64,
    /// Read before the events: once it is final and there are no more events, nothing follows.
    pub(crate) state: DeploymentState,
}

/// Events of the newest attempt after number `after`; with `server` of the newest there. Who asks while the job runs is taken
/// for somebody who follows it.
pub(crate) async fn after(
    state: &AppState,
    id: &DeploymentId,
    server: Option<&ServerId>,
    after: u64,
) -> Result<Output, ApiError> {
    let deployment = super::deployments::get(state, id).await?;
    let work: Option<jobs::WorkRow> = state.db.first(jobs::work_of(id, server)).await?;
    let output = |attempt, events, last| Output {
        attempt,
        events,
        last,
        state: deployment.state,
    };
    let Some(work) = work else {
        return Ok(output(0, vec![], after));
    };
    let from = i64::try_from(after).unwrap_or(i64::MAX).min(1 << 52);
    let stored: Vec<ChunkRow> = state
        .logs
        .all(events::after(&work.id, work.attempt, from, CHUNKS))
        .await?;
    let mut found: Vec<Event> = Vec::new();
    for batch in stored {
        let told: Vec<Event> = serde_json::from_str(&batch.body)
            .map_err(|error| StoreError::unreadable("deployment_events.body", &error))?;
        let last = found.last().map_or(after, |event| event.n);
        found.extend(told.into_iter().filter(|event| event.n > last));
    }
    let last = found.last().map_or(after, |event| event.n);
    if work.state == "running" {
        state.watch(id);
    }
    Ok(output(work.attempts_before + work.attempt, found, last))
}
