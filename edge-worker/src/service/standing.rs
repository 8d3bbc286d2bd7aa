//! What a server has of its projects is right; what is known here is put right by it. Asked for where the digest that comes with
//! each poll is another one than before: after a job, after a copy of the database took its place, or after a deployment that was
//! given up came to its end all the same.

use super::topics;
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::store::servers::RunnerRow;
use crate::store::standing::{self as store, KnownRow, UnknownRow};
use crate::store::{InBatch as _, Statement, activity};
use devflow_domain::standing::{Known, Verdict, compare};
use devflow_protocol::runner_api::{PollRequest, Standing};
use devflow_protocol::text::Slug;

/// Statements of one transaction, at most; a project and what belongs to it stay together.
const BATCH: usize = 60;

/// Takes in what a poll says of projects; true where the next one is to say more.
pub(crate) async fn arrive(
    state: &AppState,
    runner: &RunnerRow,
    request: &PollRequest,
) -> Result<bool, ApiError> {
    let Some(digest) = request.standing.as_deref().filter(|digest| digest.len() <= 64) else {
        return Ok(false);
    };
    if runner.standing.as_deref() == Some(digest) {
        return Ok(false);
    }
    let Some(told) = &request.projects else {
        return Ok(true);
    };
    take(state, runner, digest, told).await?;
    Ok(false)
}

async fn take(state: &AppState, runner: &RunnerRow, digest: &str, told: &[Standing]) -> Result<(), ApiError> {
    let server = &runner.id;
    let answers = state
        .db
        .batch(vec![store::known(server), store::unknown(server)])
        .await?;
    let known: Vec<KnownRow> = answers.first().rows()?;
    let before: Option<UnknownRow> = answers.get(1).first_row()?;
    let verdict = compare(known.into_iter().map(Known::from).collect(), told);
    let mut changed = Vec::new();
    let mut batch = Vec::new();
    for correction in &verdict.corrections {
        batch.extend(store::correct(server, correction, platform::now()));
        for release in &correction.releases {
            batch.extend(store::adopt(
                server,
                &correction.project,
                release,
                platform::now(),
            ));
        }
        changed.extend(topics(Some(&correction.project), None));
        if batch.len() > BATCH {
            state.db.batch(std::mem::take(&mut batch)).await?;
        }
    }
    // Last: where anything before fails, the server is asked again.
    batch.extend(end(runner, digest, &verdict, before));
    state.db.batch(batch).await?;
    if !changed.is_empty() {
        state.signal(None, changed);
    }
    Ok(())
}

/// Notes that all of it was taken in, and records folders that were not known before either.
fn end(runner: &RunnerRow, digest: &str, verdict: &Verdict, before: Option<UnknownRow>) -> Vec<Statement> {
    let names: Vec<&str> = verdict.unknown.iter().map(Slug::as_str).collect();
    let unknown = (!names.is_empty()).then(|| serde_json::to_string(&names).expect("slugs are plain texts"));
    let mut batch = vec![store::told(&runner.id, digest, unknown.as_deref())];
    if unknown.is_some() && before.and_then(|row| row.unknown_projects) != unknown {
        batch.push(activity::record(
            platform::now(),
            runner.id.as_str(),
            "server.unknown_projects",
            runner.id.as_str(),
            &names.join(", "),
        ));
    }
    batch
}
