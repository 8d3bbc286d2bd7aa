//! Intents and results.

use super::{JobKey, Journal, JournalError};
use devflow_protocol::job::{Job, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::{OpenJob, ProjectReport};
use devflow_protocol::{JobId, UnixMillis};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, named_params};

/// What became of an offer of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// It was not known and is now an intent.
    New,
    /// This attempt is known already and must not be run again.
    Known(Box<Entry>),
}

/// How a job ended, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// When, by the edge's clock.
    pub(crate) at: UnixMillis,
    /// How.
    pub(crate) outcome: Outcome,
    /// Where the project stands after it.
    pub(crate) report: Option<ProjectReport>,
}

/// One attempt of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) key: JobKey,
    /// The lease it came with.
    pub(crate) lease: String,
    /// Its verb.
    pub(crate) verb: String,
    /// The project it is about.
    pub(crate) slug: Option<String>,
    /// When it was accepted.
    pub(crate) accepted_at: UnixMillis,
    /// True when the edge knows that it is in this journal.
    pub(crate) acknowledged: bool,
    /// Its end, when it has one.
    pub(crate) finished: Option<Finished>,
    /// True when the edge knows its end.
    pub(crate) confirmed: bool,
}

const COLUMNS: &str =
    "job, attempt, lease, verb, slug, accepted_at, acknowledged, state, finished_at, outcome, report";

/// What the journal keeps of an offered job beside its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Which.
    pub(crate) key: JobKey,
    /// The lease it came with.
    pub(crate) lease: String,
    /// Its place in the order of the server's jobs.
    pub(crate) sequence: i64,
    /// Its verb; empty where it could not be read.
    pub(crate) verb: String,
    /// The project it is about.
    pub(crate) slug: Option<String>,
}

impl Ticket {
    /// The ticket of a job that could be read.
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            key: JobKey::of(job),
            lease: job.lease.clone(),
            sequence: job.sequence,
            verb: job.work.verb().to_owned(),
            slug: slug_of(&job.work).map(str::to_owned),
        }
    }
}

impl Journal {
    /// Writes the intent to do `job`, unless this attempt is known.
    pub(crate) fn accept(&self, job: &Job, now: UnixMillis) -> Result<Acceptance, JournalError> {
        self.insert(&Ticket::of(job), &serde_json::to_string(job)?, None, now)
    }

    /// Writes that a job is refused, unless this attempt is known.
    pub(crate) fn refuse(
        &self,
        ticket: &Ticket,
        reason: &str,
        now: UnixMillis,
    ) -> Result<Acceptance, JournalError> {
        let outcome = Outcome::Refused {
            reason: reason.to_owned(),
        };
        self.insert(ticket, "", Some(&serde_json::to_string(&outcome)?), now)
    }

    /// Writes that a job was done in an earlier attempt: this one ends as that did.
    pub(crate) fn done_before(
        &self,
        ticket: &Ticket,
        done: &Finished,
        now: UnixMillis,
    ) -> Result<Acceptance, JournalError> {
        self.insert(ticket, "", Some(&serde_json::to_string(&done.outcome)?), now)
    }

    fn insert(
        &self,
        ticket: &Ticket,
        payload: &str,
        outcome: Option<&str>,
        now: UnixMillis,
    ) -> Result<Acceptance, JournalError> {
        let inserted = self.durable().execute(
            "INSERT INTO jobs
                (job, attempt, lease, sequence, verb, slug, payload, state, accepted_at, finished_at, outcome)
             VALUES (:job, :attempt, :lease, :sequence, :verb, :slug, :payload,
                iif(:outcome IS NULL, 'accepted', 'finished'), :now, iif(:outcome IS NULL, NULL, :now), :outcome)
             ON CONFLICT DO NOTHING",
            named_params! {
                ":job": ticket.key.job.as_str(),
                ":attempt": ticket.key.attempt,
                ":lease": ticket.lease,
                ":sequence": ticket.sequence,
                ":verb": ticket.verb,
                ":slug": ticket.slug,
                ":payload": payload,
                ":outcome": outcome,
                ":now": now.0,
            },
        )?;
        if inserted == 1 {
            return Ok(Acceptance::New);
        }
        match self.entry(&ticket.key)? {
            Some(entry) => Ok(Acceptance::Known(Box::new(entry))),
            None => Err(rusqlite::Error::QueryReturnedNoRows.into()),
        }
    }

    /// One attempt of one job.
    pub(crate) fn entry(&self, key: &JobKey) -> Result<Option<Entry>, JournalError> {
        Ok(self
            .durable()
            .query_row(
                &format!("SELECT {COLUMNS} FROM jobs WHERE job = ?1 AND attempt = ?2"),
                (key.job.as_str(), key.attempt),
                entry,
            )
            .optional()?)
    }

    /// Notes that the edge knows of the intent.
    pub(crate) fn acknowledged(&self, key: &JobKey) -> Result<(), JournalError> {
        self.durable().execute(
            "UPDATE jobs SET acknowledged = 1 WHERE job = ?1 AND attempt = ?2",
            (key.job.as_str(), key.attempt),
        )?;
        Ok(())
    }

    /// Writes how a job ended. A second end is ignored: the first one may have been reported already.
    pub(crate) fn finish(&self, key: &JobKey, finished: &Finished) -> Result<(), JournalError> {
        let report = finished.report.as_ref().map(serde_json::to_string).transpose()?;
        self.durable().execute(
            "UPDATE jobs SET state = 'finished', finished_at = ?3, outcome = ?4, report = ?5
             WHERE job = ?1 AND attempt = ?2 AND state = 'accepted'",
            (
                key.job.as_str(),
                key.attempt,
                finished.at.0,
                serde_json::to_string(&finished.outcome)?,
                report,
            ),
        )?;
        Ok(())
    }

    /// Ends a job that the edge has taken away before it was started; there is nothing to report.
    pub(crate) fn abandon(&self, key: &JobKey, now: UnixMillis) -> Result<(), JournalError> {
        let outcome = Outcome::Refused {
            reason: "the edge took the job away before it was started".to_owned(),
        };
        self.finish(
            key,
            &Finished {
                at: now,
                outcome,
                report: None,
            },
        )?;
        self.confirm(key)
    }

    /// Notes that the edge knows how a job ended; its events and arguments are of no more use.
    pub(crate) fn confirm(&self, key: &JobKey) -> Result<(), JournalError> {
        let mut connection = self.durable();
        let change = connection.transaction()?;
        let names = (key.job.as_str(), key.attempt);
        change.execute(
            "UPDATE jobs SET state = 'confirmed', payload = '' WHERE job = ?1 AND attempt = ?2 AND state = 'finished'",
            names,
        )?;
        change.execute("DELETE FROM events WHERE job = ?1 AND attempt = ?2", names)?;
        change.execute("DELETE FROM checkpoints WHERE job = ?1 AND attempt = ?2", names)?;
        change.commit()?;
        Ok(())
    }

    /// Makes a confirmed result due again: the edge asks for a job whose end it had once (a restored database).
    pub(crate) fn reopen(&self, key: &JobKey) -> Result<(), JournalError> {
        self.durable().execute(
            "UPDATE jobs SET state = 'finished' WHERE job = ?1 AND attempt = ?2 AND state = 'confirmed'",
            (key.job.as_str(), key.attempt),
        )?;
        Ok(())
    }

    /// Forgets confirmed jobs that were accepted before `before`. The edge never offers those again.
    pub(crate) fn forget(&self, before: UnixMillis) -> Result<usize, JournalError> {
        Ok(self.durable().execute(
            "DELETE FROM jobs WHERE state = 'confirmed' AND accepted_at < ?1",
            [before.0],
        )?)
    }

    /// Attempts whose end the edge has not confirmed, oldest first.
    pub(crate) fn open_entries(&self) -> Result<Vec<Entry>, JournalError> {
        let connection = self.durable();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs WHERE state <> 'confirmed' ORDER BY sequence"
        ))?;
        let entries = statement.query_map([], entry)?.collect::<Result<_, _>>()?;
        Ok(entries)
    }

    /// The same, as a poll carries it.
    pub(crate) fn open_jobs(&self) -> Result<Vec<OpenJob>, JournalError> {
        Ok(self
            .open_entries()?
            .into_iter()
            .map(|entry| OpenJob {
                job: entry.key.job,
                attempt: entry.key.attempt,
            })
            .collect())
    }

    /// What is known of a job, newest attempt first.
    pub(crate) fn attempts(&self, job: &JobId) -> Result<Vec<Entry>, JournalError> {
        let connection = self.durable();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs WHERE job = ?1 ORDER BY attempt DESC"
        ))?;
        let entries = statement
            .query_map([job.as_str()], entry)?
            .collect::<Result<_, _>>()?;
        Ok(entries)
    }

    /// Intents without a result, oldest first: what a runner that starts has to look at.
    pub(crate) fn unfinished(&self) -> Result<Vec<Job>, JournalError> {
        let connection = self.durable();
        let mut statement =
            connection.prepare("SELECT payload FROM jobs WHERE state = 'accepted' ORDER BY sequence")?;
        let payloads: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        payloads
            .iter()
            .map(|payload| Ok(serde_json::from_str(payload)?))
            .collect()
    }

    /// The highest sequence ever accepted.
    pub(crate) fn last_sequence(&self) -> Result<i64, JournalError> {
        Ok(self
            .durable()
            .query_row("SELECT coalesce(max(sequence), 0) FROM jobs", [], |row| {
                row.get(0)
            })?)
    }

    /// The sequence of the newest job whose end the edge knows.
    pub(crate) fn last_confirmed(&self) -> Result<i64, JournalError> {
        let sql = "SELECT coalesce(max(sequence), 0) FROM jobs WHERE state = 'confirmed'";
        Ok(self.durable().query_row(sql, [], |row| row.get(0))?)
    }
}

/// The project's folder that `work` is about.
pub(crate) fn slug_of(work: &Work) -> Option<&str> {
    match work {
        Work::Deploy(deploy) => Some(deploy.spec.slug.as_str()),
        Work::Rollback(rollback) => Some(rollback.spec.slug.as_str()),
        Work::Stop(only) => Some(only.slug.as_str()),
        Work::Restart(restart) => Some(restart.slug.as_str()),
        Work::Scale(scale) => Some(scale.slug.as_str()),
        Work::RemoveProject(remove) => Some(remove.slug.as_str()),
        Work::Cancel(_) | Work::Ping(_) | Work::Inspect(_) | Work::Update(_) => None,
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get("state")?;
    let outcome: Option<String> = row.get("outcome")?;
    let finished = match outcome {
        Some(outcome) => Some(Finished {
            at: UnixMillis(row.get("finished_at")?),
            outcome: json(&outcome)?,
            report: row
                .get::<_, Option<String>>("report")?
                .map(|report| json(&report))
                .transpose()?,
        }),
        None => None,
    };
    Ok(Entry {
        key: JobKey {
            job: job_id(&row.get::<_, String>("job")?)?,
            attempt: row.get("attempt")?,
        },
        lease: row.get("lease")?,
        verb: row.get("verb")?,
        slug: row.get("slug")?,
        accepted_at: UnixMillis(row.get("accepted_at")?),
        acknowledged: row.get("acknowledged")?,
        finished,
        confirmed: state == "confirmed",
    })
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn job_id(text: &str) -> rusqlite::Result<JobId> {
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
