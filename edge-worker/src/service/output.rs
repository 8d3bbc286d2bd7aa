//! The events of a deployment, for who watches it.

use crate::app::AppState;
use crate::error::ApiError;
use crate::store::events::BatchRow;
use crate::store::{StoreError, events, jobs};
use devflow_protocol::DeploymentId;
use devflow_protocol::event::Event;

/// Batches that one answer reads at most: 2 MB.
const BATCHES: i64 = 8;

/// Events of the newest attempt after number `after`, and the number of the last one; ask again from there.
pub(crate) async fn after(
    state: &AppState,
    id: &DeploymentId,
    after: u64,
) -> Result<(Vec<Event>, u64), ApiError> {
    super::deployments::get(state, id).await?;
    let Some(work) = state.db.first::<jobs::JobRow>(jobs::of_deployment(id)).await? else {
        return Ok((vec![], after));
    };
    let from = i64::try_from(after).unwrap_or(i64::MAX).min(1 << 52);
    let stored: Vec<BatchRow> = state
        .logs
        .all(events::after(&work.id, work.attempt, from, BATCHES))
        .await?;
    let mut found: Vec<Event> = Vec::new();
    for batch in stored {
        let told: Vec<Event> = serde_json::from_str(&batch.body)
            .map_err(|error| StoreError::unreadable("deployment_events.body", &error))?;
        let last = found.last().map_or(after, |event| event.n);
        found.extend(told.into_iter().filter(|event| event.n > last));
    }
    let last = found.last().map_or(after, |event| event.n);
    Ok((found, last))
}
