//! Checkpoints of jobs, repository pins and single facts.

use super::{JobKey, Journal, JournalError};
use devflow_protocol::UnixMillis;
use rusqlite::OptionalExtension as _;

impl Journal {
    /// Notes that a job has reached `name`; on disk when this returns.
    pub(crate) fn mark(&self, key: &JobKey, name: &str) -> Result<(), JournalError> {
        self.durable().execute(
            "INSERT INTO checkpoints (job, attempt, name) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            (key.job.as_str(), key.attempt, name),
        )?;
        Ok(())
    }

    /// True when a job has reached `name`.
    pub(crate) fn reached(&self, key: &JobKey, name: &str) -> Result<bool, JournalError> {
        Ok(self
            .durable()
            .prepare_cached("SELECT 1 FROM checkpoints WHERE job = ?1 AND attempt = ?2 AND name = ?3")?
            .exists((key.job.as_str(), key.attempt, name))?)
    }

    /// The repository that a project's folder is pinned to.
    pub(crate) fn pin(&self, slug: &str) -> Result<Option<String>, JournalError> {
        Ok(self
            .durable()
            .query_row("SELECT repository FROM pins WHERE slug = ?1", [slug], |row| {
                row.get(0)
            })
            .optional()?)
    }

    /// Pins a project's folder to a repository, over an earlier pin.
    pub(crate) fn set_pin(&self, slug: &str, repository: &str, now: UnixMillis) -> Result<(), JournalError> {
        self.durable().execute(
            "INSERT INTO pins (slug, repository, pinned_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (slug) DO UPDATE SET repository = excluded.repository, pinned_at = excluded.pinned_at",
            (slug, repository, now.0),
        )?;
        Ok(())
    }

    /// Takes a project's pin away, when the project itself is gone.
    pub(crate) fn remove_pin(&self, slug: &str) -> Result<(), JournalError> {
        self.durable()
            .execute("DELETE FROM pins WHERE slug = ?1", [slug])?;
        Ok(())
    }

    /// All pins by slug.
    pub(crate) fn pins(&self) -> Result<Vec<(String, String)>, JournalError> {
        let connection = self.durable();
        let mut statement = connection.prepare("SELECT slug, repository FROM pins ORDER BY slug")?;
        let pins = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(pins)
    }

    /// A single value that `status` shows, such as the session; not synced to disk.
    pub(crate) fn note(&self, name: &str, value: &str) -> Result<(), JournalError> {
        self.spool().execute(
            "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )?;
        Ok(())
    }

    /// What was last noted.
    pub(crate) fn noted(&self, name: &str) -> Result<Option<String>, JournalError> {
        Ok(self
            .spool()
            .query_row("SELECT value FROM facts WHERE name = ?1", [name], |row| {
                row.get(0)
            })
            .optional()?)
    }
}
