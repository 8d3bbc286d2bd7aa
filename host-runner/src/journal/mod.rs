//! The journal: what this runner was asked to do and what became of it, in one `SQLite` file.
//!
//! In scope: jobs with their results, the spool of events, checkpoints, repository pins. Not in scope: what any
//! of it means for a deployment.
//!
//! Two connections write to it. The durable one syncs to disk before a call returns (intents, results,
//! checkpoints, pins); the spool one leaves that to the system (events), so that a chatty build does not wait
//! for the disk at every line.

mod events;
mod jobs;
mod marks;
mod witnesses;

pub(crate) use jobs::{Acceptance, Entry, Finished, Ticket, slug_of};
pub(crate) use witnesses::Seen;

use devflow_protocol::JobId;
use devflow_protocol::job::Job;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SCHEMA: &str = include_str!("schema.sql");
/// Version of the schema, in `user_version`. A journal of a later version is refused.
const VERSION: i64 = 1;
/// How long the journal may be in use by another process, such as `status` beside `run`.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to open it.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// `SQLite` refused; usually a full disk or missing rights.
    #[error("the journal cannot be used, check space and rights of its folder: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value is not what was written.
    #[error("the journal holds a value that cannot be read: {0}")]
    Value(#[from] serde_json::Error),
    /// The file is from a later version of the runner.
    #[error("the journal {0} was written by a later version; install that version again")]
    Later(PathBuf),
}

/// Names one attempt of one job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    /// The job.
    pub(crate) job: JobId,
    /// The attempt, from 1.
    pub(crate) attempt: u32,
}

impl std::fmt::Display for JobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (attempt {})", self.job, self.attempt)
    }
}

impl JobKey {
    /// The key of `job`.
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            job: job.id.clone(),
            attempt: job.attempt,
        }
    }
}

/// An open journal; copies share it.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    durable: Mutex<Connection>,
    spool: Mutex<Connection>,
}

impl Journal {
    /// Opens `state_dir/journal.db` and makes it where it is missing.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join("journal.db");
        let begun = Instant::now();
        loop {
            match Self::open_once(&path) {
                // Where several begin or end with a file at the same moment, SQLite refuses without waiting.
                Err(JournalError::Sqlite(error))
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && begun.elapsed() < BUSY_LIMIT =>
                {
                    sleep(BUSY_PAUSE);
                }
                opened => return opened,
            }
        }
    }

    /// The version of the journal that is there, without opening it for work.
    pub(crate) fn stored_version(state_dir: &Path) -> Result<i64, JournalError> {
        let journal = connect(&state_dir.join("journal.db"), "FULL")?;
        Ok(journal.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    fn open_once(path: &Path) -> Result<Self, JournalError> {
        let durable = connect(path, "FULL")?;
        let version: i64 = durable.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > VERSION {
            return Err(JournalError::Later(path.to_owned()));
        }
        durable.execute_batch(SCHEMA)?;
        durable.pragma_update(None, "user_version", VERSION)?;
        let spool = connect(path, "NORMAL")?;
        Ok(Self(Arc::new(Connections {
            durable: Mutex::new(durable),
            spool: Mutex::new(spool),
        })))
    }

    /// The connection whose commits are on disk when they return.
    fn durable(&self) -> MutexGuard<'_, Connection> {
        lock(&self.0.durable)
    }

    /// The connection whose commits survive the process, not a power cut.
    fn spool(&self) -> MutexGuard<'_, Connection> {
        lock(&self.0.spool)
    }
}

/// A panic while the lock was held leaves the connection usable: `SQLite` rolled the transaction back.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection, JournalError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // 256 KiB of pages each: the journal is small and the runner has to be too.
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
