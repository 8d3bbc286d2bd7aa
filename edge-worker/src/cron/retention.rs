//! Deletes what is past its time, a few projects and rows every ten minutes: deployments beyond the newest 50 of a
//! project or older than 6 months, deliveries older than 6 months, other jobs older than 30 days, tokens that are over.

use super::Stores;
use crate::platform;
use crate::store::IdRow;
use crate::store::retention::{self, PrunedRow};
use crate::store::{StoreError, events};
use devflow_protocol::{JobId, UnixMillis};

const SIX_MONTHS_MS: i64 = 183 * 24 * 3_600_000;
/// How long the audit trail says from where somebody signed in.
const NINETY_DAYS_MS: i64 = 90 * 24 * 3_600_000;
const THIRTY_DAYS_MS: i64 = 30 * 24 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

pub(super) async fn run(stores: &Stores) -> Result<(), StoreError> {
    let now = platform::now();
    stores.db.batch(retention::expired_tokens(now).into()).await?;
    stores
        .db
        .run(retention::personal(now.plus(-NINETY_DAYS_MS)))
        .await?;
    let cursor: Option<IdRow> = stores.db.first(retention::cursor()).await?;
    let cursor = cursor.map(|row| row.id).unwrap_or_default();
    let projects: Vec<IdRow> = stores.db.all(retention::projects_after(&cursor)).await?;
    for project in &projects {
        prune(stores, &project.id, now.plus(-SIX_MONTHS_MS)).await?;
    }
    // Reads every old job: once an hour is enough.
    if now.0.rem_euclid(HOUR_MS) < MINUTE_MS {
        delete_stray_jobs(stores, now.plus(-THIRTY_DAYS_MS)).await?;
    }
    // After the last project the next run starts over.
    let next = projects.last().map(|row| row.id.clone()).unwrap_or_default();
    if next != cursor {
        stores.db.run(retention::set_cursor(&next)).await?;
    }
    Ok(())
}

async fn prune(stores: &Stores, project: &str, before: UnixMillis) -> Result<(), StoreError> {
    stores.db.run(retention::deliveries(project, before)).await?;
    let pruned: Vec<PrunedRow> = stores
        .db
        .all(retention::deployments_to_prune(project, before))
        .await?;
    // The output first: a deployment that is gone would leave its output behind for good.
    for job in pruned.iter().filter_map(|row| row.job.as_deref()) {
        stores.logs.run(events::delete(job)).await?;
    }
    for row in pruned.chunk_by(|one, next| one.deployment == next.deployment) {
        let statements = retention::delete_deployment(&row[0].deployment);
        stores.db.batch(statements.into()).await?;
    }
    Ok(())
}

async fn delete_stray_jobs(stores: &Stores, before: UnixMillis) -> Result<(), StoreError> {
    let before = JobId::new(before, [0; 10]);
    let stray: Vec<IdRow> = stores.db.all(retention::stray_jobs(before.as_str())).await?;
    for job in stray {
        stores.logs.run(events::delete(&job.id)).await?;
        stores.db.run(retention::delete_job(&job.id)).await?;
    }
    Ok(())
}
