//! The sealed audit trail: sealing what was done, and exporting it to be proven elsewhere.

use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::service::archive;
use crate::store::archives::{self, ArchiveRow};
use crate::store::audit::{self, EndRow, SegmentRow, TrailRow};
use crate::store::{Db, InBatch as _, StoreError, activity};
use devflow_protocol::UnixMillis;
use devflow_protocol::audit::{Line, Row, seal};
use devflow_protocol::keys::write_key;
use ed25519_dalek::SigningKey;

/// Rows of one segment, and of one page of an export, at most.
const ROWS: usize = 500;

async fn end(db: &Db) -> Result<EndRow, StoreError> {
    let end = db.first(audit::end()).await?;
    end.ok_or_else(|| StoreError::unreadable("settings", &"the edge has no id"))
}

/// Seals what is not sealed yet, a segment of it; false where there was nothing.
pub(crate) async fn seal_more(db: &Db, key: &SigningKey, now: UnixMillis) -> Result<bool, StoreError> {
    db.batch(audit::note_job_key(&key.verifying_key(), now).into())
        .await?;
    let end = end(db).await?;
    let last = end.last.unwrap_or(0);
    let rows: Vec<TrailRow> = db.all(audit::rows_after(last, ROWS)).await?;
    let rows: Vec<Row> = rows.into_iter().map(|row| row.split().0).collect();
    let before = end.number.zip(end.head.as_deref());
    match seal(&end.edge_id, before, &rows, key, now) {
        Some(sealed) => Ok(db.run(audit::seal(&sealed, last)).await? > 0),
        None => Ok(false),
    }
}

/// Lines of an export after row `after`, those from the bucket first, and where the next page begins; None on the last. Each
/// page is recorded.
pub(crate) async fn export(
    state: &AppState,
    actor: &Actor,
    after: i64,
) -> Result<(Vec<Line>, Option<i64>), ApiError> {
    let told = activity::record(platform::now(), &actor.0, "audit.export", "", &after.to_string());
    state.db.run(told).await?;
    let mut lines = Vec::new();
    if after == 0 {
        let key = &state.config.keychain.job_key;
        lines.push(Line::Head {
            version: 1,
            edge: end(&state.db).await?.edge_id,
            key: write_key(key),
            earlier: audit::earlier(state.db.all(audit::job_keys()).await?, key),
        });
    }
    // In one batch: what moves to the bucket meanwhile would be in neither.
    let batch = vec![
        archives::after(after),
        audit::rows_after(after, ROWS),
        audit::segments_after(after, ROWS),
    ];
    let answers = state.db.batch(batch).await?;
    let archive: Option<ArchiveRow> = answers.first().first_row()?;
    if let Some(archive) = archive {
        lines.extend(archive::lines_of(&state.blobs()?, &archive, after).await?);
        return Ok((lines, Some(archive.last)));
    }
    let rows: Vec<TrailRow> = answers.get(1).rows()?;
    let next = (rows.len() == ROWS)
        .then(|| rows.last().map(|row| row.id))
        .flatten();
    let segments: Vec<SegmentRow> = answers.get(2).rows()?;
    lines.extend(audit::lines(rows, segments)?);
    Ok((lines, next))
}
