//! Deployments of projects on several servers: what follows where the turn of one of them ends. `domain::targets` decides, and
//! one batch does it together with the end of the job, so that a Worker that ends in between leaves nothing undone.

use crate::platform;
use crate::store::jobs::JobRow;
use crate::store::lease::Arguments;
use crate::store::parts::{self, Ending, PartRow, Turn};
use crate::store::{Db, Statement, StoreError};
use devflow_domain::deployment::End;
use devflow_domain::targets::{self, Next, Part, PartState};
use devflow_protocol::limits::REASON_BYTES;
use devflow_protocol::{DeploymentId, JobId, ServerId, UnixMillis};

/// How the job of a part ended.
pub(crate) struct Ended<'a> {
    pub(crate) end: End,
    pub(crate) reason: Option<String>,
    /// JSON of the release's manifest.
    pub(crate) manifest: Option<&'a str>,
    /// The releases that are on the server now, where its runner says so.
    pub(crate) kept: Option<&'a [DeploymentId]>,
    pub(crate) at: UnixMillis,
}

impl Ended<'static> {
    /// Without a word of the runner: the edge or a person ends it.
    pub(crate) fn unheard(end: End, reason: &str, at: UnixMillis) -> Self {
        Self {
            end,
            reason: Some(reason.to_owned()),
            manifest: None,
            kept: None,
            at,
        }
    }
}

/// What is written in front of the end of the job, and whom that wakes.
#[derive(Default)]
pub(crate) struct Advance {
    pub(crate) batch: Vec<Statement>,
    pub(crate) wakes: Option<ServerId>,
}

/// What follows where `job`, the turn of one server, ends; nothing where its turn was over before.
pub(crate) async fn advance(db: &Db, job: &JobRow, ended: Ended<'_>) -> Result<Advance, StoreError> {
    let Some(deployment) = &job.deployment else {
        return Ok(Advance::default());
    };
    let rows = db.all(parts::of(deployment)).await?;
    Ok(follow(rows, job, ended, &platform::new_id(JobId::new)))
}

/// The same of the parts as they are; `next` is the id of a job that is queued.
pub(crate) fn follow(mut rows: Vec<PartRow>, job: &JobRow, ended: Ended<'_>, next: &JobId) -> Advance {
    let turn = rows
        .iter()
        .position(|row| row.is_at_work() && row.server == job.server);
    let Some(at) = turn else {
        return Advance::default();
    };
    if let Some(kept) = ended.kept {
        rows[at].keep(kept);
    }
    let ending = Ending {
        job: &job.id,
        attempt: job.attempt,
        at: ended.at,
    };
    let mut after: Vec<Part> = rows.iter().map(part).collect();
    let policy = rows[at].server_policy;
    let then = targets::advance(policy, &mut after, at, ended.end, ended.reason);
    let mut batch = Vec::new();
    for (index, (row, after)) in rows.iter().zip(&after).enumerate() {
        let reason = after.reason.as_deref();
        if index == at {
            let ended = if after.state == PartState::GoingBack {
                PartState::Live
            } else {
                after.state
            };
            batch.push(parts::end(ending, row, ended, reason));
        }
        let moved = if index == at {
            after.state == PartState::GoingBack
        } else {
            after.state != row.state
        };
        if moved {
            batch.push(parts::mark(ending, row.position, after.state, reason));
        }
    }
    let (verb, release, index) = match then {
        Next::Begin(index) => (rows[index].kind.verb(), None, index),
        Next::GoBack(index) => ("rollback", rows[index].before().cloned(), index),
        Next::End(state, reason) => {
            let reason = reason.map(|text| cut_bytes(&text, REASON_BYTES));
            batch.push(parts::finish(ending, state, reason.as_deref(), ended.manifest));
            // What waits for the project's next deployment waits there.
            let wakes = rows.first().map(|row| row.server.clone());
            return Advance { batch, wakes };
        }
    };
    let server = &rows[index].server;
    let arguments = Arguments {
        release,
        ..Arguments::default()
    };
    let turn = Turn {
        job: next,
        server,
        verb,
        arguments: &serde_json::to_string(&arguments).expect("arguments are plain"),
    };
    batch.extend(parts::next_turn(ending, &turn, ended.manifest));
    Advance {
        batch,
        wakes: Some(server.clone()),
    }
}

/// A part as `domain` decides on it.
fn part(row: &PartRow) -> Part {
    Part {
        name: row.name.clone(),
        state: row.state,
        reason: row.reason.clone(),
        online: row.online != 0,
        has_before: row.keeps_before(),
    }
}

/// At most `limit` bytes of `text`, in whole characters.
pub(crate) fn cut_bytes(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::cut_bytes;

    #[test]
    fn cut_bytes_keeps_whole_characters() {
        assert_eq!(cut_bytes("aüb", 2), "a");
        assert_eq!(cut_bytes("abc", 9), "abc");
    }
}
