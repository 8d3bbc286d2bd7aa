//! A runner's poll: what it says about itself and its journal, then a lease, then waiting in the Hub for one.

use super::envelope::{self, Seal, SealEntropy};
use super::parts::{self, Advance, Ended};
use super::{FLEET, standing, topics};
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::hub::{Held, Told};
use crate::platform;
use crate::store::audit::{self, NewestRow};
use crate::store::lease::{self, LeaseRequest, Materials, UnacknowledgedRow};
use crate::store::servers::{RunnerRow, ServerState};
use crate::store::{InBatch as _, deployments, jobs, outbox, servers};
use devflow_domain::deployment::End;
use devflow_domain::queue::{self, HeldJob};
use devflow_protocol::dsse::Envelope;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::request::RequestClaims;
use devflow_protocol::runner_api::{PollAnswer, PollRequest, code};
use devflow_protocol::{RunnerSessionId, ServerId, UnixMillis};

/// A job must have been acknowledged this long before a poll was signed for the poll's silence about it to count: an
/// acknowledgement that is under way at the same time would look like a lost journal otherwise. Milliseconds.
const JOURNAL_MARGIN_MS: i64 = 5_000;

/// Sequences are milliseconds and stay far below what a JavaScript number holds.
const SEQUENCE_MAX: i64 = 1 << 52;

/// Refuses a runner that a newer session of the same server has taken over from.
pub(crate) fn check_session(runner: &RunnerRow, session: &RunnerSessionId) -> Result<(), ApiError> {
    if runner
        .session
        .as_deref()
        .is_some_and(|newest| newest > session.as_str())
    {
        return Err(superseded());
    }
    Ok(())
}

fn superseded() -> ApiError {
    ApiError::Conflict(
        code::SESSION_SUPERSEDED,
        "A newer run of this server's runner polls. If nobody restarted it, the server was cloned: enrol one again."
            .to_owned(),
    )
}

/// Answers a poll.
pub(crate) async fn poll(
    state: &AppState,
    runner: &RunnerRow,
    claims: &RequestClaims,
    request: &PollRequest,
) -> Result<PollAnswer, ApiError> {
    check_session(runner, &claims.session)?;
    let segment = arrive(state, runner, claims, request).await?;
    let tell_projects = standing::arrive(state, runner, request).await?;
    let keys = state.config.keychain.statements_for(request.keys.as_ref());
    let answer = |job, wait_ms| PollAnswer {
        now: platform::now(),
        job,
        wait_ms,
        segment: segment.clone(),
        keys: keys.clone(),
        tell_projects,
    };
    if tell_projects {
        return Ok(answer(None, 0));
    }
    let told = Told {
        load: request.load,
        answered_at: request.answered_at,
    };
    let until = platform::now().plus(state.config.poll_hold_ms);
    let hub = state.hub();
    loop {
        if let Some(job) = lease(state, &runner.id, request).await? {
            return Ok(answer(Some(job), 0));
        }
        let left = until.since(platform::now());
        if left <= 0 {
            return Ok(answer(None, 0));
        }
        let held = hub.wait(runner.id.as_str(), claims.session.as_str(), left, &told);
        match held.await {
            Held::Woken => {}
            Held::TimedOut => return Ok(answer(None, 0)),
            Held::Superseded => return Err(superseded()),
            Held::Unavailable => {
                let random = u32::from_le_bytes(platform::entropy());
                return Ok(answer(None, queue::unheld_wait_ms(random)));
            }
        }
    }
}

/// Takes in what a poll says: a newer session, what the machine is, that the server is back, what it works on. Gives the
/// newest segment of the audit trail, where the runner has not seen it.
async fn arrive(
    state: &AppState,
    runner: &RunnerRow,
    claims: &RequestClaims,
    request: &PollRequest,
) -> Result<Option<Envelope>, ApiError> {
    let now = platform::now();
    let facts = request
        .facts
        .as_ref()
        .and_then(|facts| serde_json::to_string(facts).ok())
        .filter(|json| json.len() <= 8192);
    let back = runner.state != ServerState::Online;
    let mut batch = Vec::new();
    let trusted = request.keys.as_ref().map(|keys| keys.job_key.0.as_str());
    if let Some(trusted) = trusted.filter(|_| runner.job_key.as_deref() != trusted) {
        batch.push(servers::trusts_job_key(&runner.id, trusted));
    }
    if runner.session.as_deref() != Some(claims.session.as_str()) || facts.is_some() {
        batch.push(servers::start_session(
            &runner.id,
            &claims.session,
            facts.as_deref(),
        ));
    }
    if back {
        batch.push(servers::mark_online(&runner.id, now));
    }
    let held_at = batch.len();
    batch.push(jobs::held(
        &runner.id,
        claims.created.min(now).plus(-JOURNAL_MARGIN_MS),
    ));
    batch.extend(request.witnessed.map(audit::unlike));
    let answers = state.db.batch(batch).await?;
    let held: Vec<jobs::HeldRow> = answers.get(held_at).rows()?;
    let segment: Option<NewestRow> = answers.get(held_at + 1).first_row()?;
    let mut changed = reconcile(state, &held, request).await?;
    if back {
        changed.push(FLEET.to_owned());
    }
    if !changed.is_empty() {
        state.signal(None, changed);
    }
    Ok(segment.map(NewestRow::envelope).transpose()?)
}

/// Compares the jobs that the edge thinks acknowledged with the runner's journal; gives the topics that changed.
async fn reconcile(
    state: &AppState,
    held: &[jobs::HeldRow],
    request: &PollRequest,
) -> Result<Vec<String>, ApiError> {
    let all = held
        .iter()
        .map(|row| HeldJob {
            job: row.id.clone(),
            attempt: row.attempt,
        })
        .collect();
    let unknown = queue::unknown_to_journal(all, &request.open);
    let mut batch = Vec::new();
    let mut changed = Vec::new();
    for row in held {
        if unknown.iter().any(|job| job.job == row.id) {
            platform::log_info(&format!(
                "job {} is not in its runner's journal and is queued again",
                row.id
            ));
            batch.extend(jobs::requeue(&row.id, row.attempt));
        } else if row.state == "out_of_contact" {
            batch.extend(jobs::regain_contact(&row.id, row.attempt));
        } else {
            continue;
        }
        changed.extend(topics(None, row.deployment.as_ref()));
    }
    if !batch.is_empty() {
        state.db.batch(batch).await?;
    }
    Ok(changed)
}

/// The unacknowledged envelope of the server, or the next job's.
async fn lease(
    state: &AppState,
    server: &ServerId,
    request: &PollRequest,
) -> Result<Option<Envelope>, ApiError> {
    let (now, token) = (platform::now(), crypt::token(platform::entropy()));
    let expires_at = now.plus(state.config.lease_ms);
    let asked = LeaseRequest {
        server,
        lease: &token,
        last_sequence: request.last_sequence.clamp(0, SEQUENCE_MAX),
        paused: request.paused,
        now,
        expires_at,
    };
    let answers = state.db.batch(lease::lease(&asked).into()).await?;
    let again: Option<UnacknowledgedRow> = answers.get(lease::UNACKNOWLEDGED).first_row()?;
    if let Some(row) = again {
        let envelope = serde_json::from_str(&row.envelope);
        return envelope
            .map(Some)
            .map_err(|error| ApiError::Internal(format!("job {}'s envelope: {error}", row.id)));
    }
    let leased: Option<Materials> = answers.get(lease::LEASED).first_row()?;
    match leased {
        None => Ok(None),
        Some(materials) => {
            let leased = Leased {
                server,
                token: &token,
                now,
                with_segment: request.job_segments,
            };
            seal(state, &leased, &materials).await
        }
    }
}

/// A lease that was taken.
struct Leased<'a> {
    server: &'a ServerId,
    token: &'a str,
    now: UnixMillis,
    /// See [`PollRequest::job_segments`].
    with_segment: bool,
}

/// Signs a leased job and keeps the envelope. A job that cannot be signed ends as failed, with the reason.
async fn seal(
    state: &AppState,
    leased: &Leased<'_>,
    materials: &Materials,
) -> Result<Option<Envelope>, ApiError> {
    let (token, now) = (leased.token, leased.now);
    let built = envelope::build(
        materials,
        &Seal {
            job_key: &state.config.job_key(),
            data_key: &state.config.data_key,
            server: leased.server,
            lease: token,
            now,
            expires_at: now.plus(queue::JOB_LIFE_MS),
            with_segment: leased.with_segment,
            entropy: SealEntropy {
                environment: platform::entropy(),
                repository_token: platform::entropy(),
            },
        },
    );
    match built {
        Ok(envelope) => {
            let json =
                serde_json::to_string(&envelope).map_err(|error| ApiError::Internal(error.to_string()))?;
            let stored = state
                .db
                .run(lease::store_envelope(&materials.id, token, &json))
                .await?;
            state.signal(
                None,
                topics(materials.project.as_ref(), materials.deployment.as_ref()),
            );
            Ok((stored == 1).then_some(envelope))
        }
        Err(error) => {
            let reason = format!("The job could not be handed out: {error}.");
            platform::log_error(&format!("job {}: {reason}", materials.id));
            fail(state, materials, &reason, now).await?;
            Ok(None)
        }
    }
}

async fn fail(
    state: &AppState,
    materials: &Materials,
    reason: &str,
    now: UnixMillis,
) -> Result<(), ApiError> {
    let outcome = Outcome::Failed {
        step: None,
        reason: reason.to_owned(),
    };
    let json = serde_json::to_string(&outcome).map_err(|error| ApiError::Internal(error.to_string()))?;
    let (job, attempt) = (&materials.id, materials.attempt);
    let Advance { mut batch, wakes } = if materials.position.is_some() {
        let row: Option<jobs::JobRow> = state.db.first(jobs::by_id(job)).await?;
        let row = row.ok_or_else(ApiError::lease_lost)?;
        parts::advance(&state.db, &row, Ended::unheard(End::Failed, reason, now)).await?
    } else {
        let failed = DeploymentState::Failed;
        Advance {
            batch: vec![deployments::finish(job, attempt, failed, Some(reason), None, now)],
            wakes: None,
        }
    };
    batch.extend([jobs::finish(job, attempt, &json, now), outbox::look(now)]);
    let answers = state.db.batch(batch).await?;
    state.signal(
        wakes.as_ref(),
        topics(materials.project.as_ref(), materials.deployment.as_ref()),
    );
    state.drain_outbox(answers.last())?;
    Ok(())
}
