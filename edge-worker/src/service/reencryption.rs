//! A new data key: what the one before encrypted is encrypted anew, some values a minute, until a look at everything finds none
//! that is left. Then the key before may go.

use crate::crypt::DataKey;
use crate::platform;
use crate::store::reencryption::{self as store, COLUMNS, Place, Progress, ROWS, SealedRow};
use crate::store::{Db, IdRow, Statement, StoreError};
use devflow_protocol::UnixMillis;

/// Ciphertext of one run, in bytes: a value is at most some 350 kB, most have a few.
const BYTES: usize = 512 * 1024;

/// How far it has come for the key of now; None where nothing was ever encrypted anew for it.
pub(crate) async fn progress(db: &Db, key: &DataKey) -> Result<Option<Progress>, StoreError> {
    let row: Option<IdRow> = db.first(store::progress()).await?;
    let progress: Option<Progress> = row
        .map(|row| serde_json::from_str(&row.id))
        .transpose()
        .map_err(|error| StoreError::unreadable("settings.reencryption", &error))?;
    Ok(progress.filter(|progress| progress.key == key.id()))
}

/// Encrypts some more values anew. Nothing is read where there is no key before, and one row where all is done.
pub(crate) async fn go_on(db: &Db, key: &DataKey, now: UnixMillis) -> Result<(), StoreError> {
    if key.previous_id().is_none() {
        return Ok(());
    }
    let progress = progress(db, key).await?;
    let mut progress = progress.unwrap_or_else(|| begin(key));
    if progress.done_at.is_some() {
        return Ok(());
    }
    let mut left = ROWS;
    while let Some(next) = next(&progress).filter(|_| left > 0) {
        let rows: Vec<SealedRow> = db.all(next).await?;
        left = left.saturating_sub(rows.len());
        let (batch, problems) = take(&mut progress, key, rows);
        if !batch.is_empty() {
            db.batch(batch).await?;
        }
        for problem in problems {
            platform::log_error(&problem);
        }
    }
    end_look(&mut progress, now);
    db.run(store::set_progress(&progress)).await?;
    Ok(())
}

pub(crate) fn begin(key: &DataKey) -> Progress {
    Progress {
        key: key.id().to_owned(),
        ..Progress::default()
    }
}

/// What is looked at next; None at the end.
pub(crate) fn next(progress: &Progress) -> Option<Statement> {
    let column = COLUMNS.get(progress.column)?;
    Some(column.not_under(&progress.key, &progress.after))
}

/// Notes where it goes on after the rows that [`next`] gave; gives the changes for them, and what cannot be read.
pub(crate) fn take(
    progress: &mut Progress,
    key: &DataKey,
    rows: Vec<SealedRow>,
) -> (Vec<Statement>, Vec<String>) {
    let column = COLUMNS[progress.column];
    let (mut batch, mut problems) = (Vec::new(), Vec::new());
    let (mut bytes, mut more) = (0, rows.len() == ROWS);
    for row in rows {
        if bytes > BYTES {
            more = true;
            break;
        }
        bytes += row.sealed.len();
        match key.reencrypt(&row.context, &row.sealed, platform::entropy()) {
            Ok(sealed) => {
                batch.push(column.replace(&row, &sealed));
                progress.changed += 1;
            }
            Err(error) => {
                problems.push(format!("{} cannot be encrypted anew: {error}", row.context));
                progress.unreadable += 1;
            }
        }
        progress.after = Place {
            id: row.id,
            version: row.version,
        };
    }
    if !more {
        progress.column += 1;
        progress.after = Place::default();
    }
    (batch, problems)
}

/// At the end of a look at everything: done where it changed nothing, else there is another one, for what was written with the
/// key before while this one went on.
pub(crate) fn end_look(progress: &mut Progress, now: UnixMillis) {
    if progress.column < COLUMNS.len() {
        return;
    }
    if progress.changed == 0 {
        progress.done_at = Some(now);
    } else {
        *progress = Progress {
            key: std::mem::take(&mut progress.key),
            changed_before: progress.changed_before + progress.changed,
            ..Progress::default()
        };
    }
}
