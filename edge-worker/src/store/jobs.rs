//! `jobs` after they were handed out, and those that are not about a deployment. Handing out is in [`super::lease`].

use super::{Statement, statement};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// A job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) server: ServerId,
    pub(crate) project: Option<ProjectId>,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) verb: String,
    pub(crate) state: String,
    pub(crate) attempt: u32,
    pub(crate) lease: Option<String>,
    pub(crate) created_at: UnixMillis,
    pub(crate) leased_at: Option<UnixMillis>,
    pub(crate) acked_at: Option<UnixMillis>,
    pub(crate) finished_at: Option<UnixMillis>,
    /// JSON of `Outcome`.
    pub(crate) outcome: Option<String>,
    pub(crate) deployment_state: Option<DeploymentState>,
    /// JSON list of the deployment's steps.
    pub(crate) deployment_steps: Option<String>,
    /// Servers that its deployment is for; 0 where its project has one.
    pub(crate) parts: u32,
}

/// One job, with where its deployment stands.
pub(crate) fn by_id(id: &JobId) -> Statement {
    statement!(
        "-- jobs_by_id
        SELECT j.id, j.server, j.project, j.deployment, j.verb, j.state, j.attempt, j.lease, j.created_at, j.leased_at,
          j.acked_at, j.finished_at, j.outcome, d.state AS deployment_state, d.steps AS deployment_steps,
          (SELECT count(*) FROM deployment_parts q WHERE q.deployment = j.deployment) AS parts
        FROM jobs j LEFT JOIN deployments d ON d.id = j.deployment WHERE j.id = ?1",
        id
    )
}

/// The newest job of a deployment: the one that does it, or on several servers the turn of one of them.
pub(crate) fn of_deployment(id: &DeploymentId) -> Statement {
    statement!(
        "-- jobs_of_deployment
        SELECT j.id, j.server, j.project, j.deployment, j.verb, j.state, j.attempt, j.lease, j.created_at, j.leased_at,
          j.acked_at, j.finished_at, j.outcome, NULL AS deployment_state, NULL AS deployment_steps,
          (SELECT count(*) FROM deployment_parts q WHERE q.deployment = j.deployment) AS parts
        FROM jobs j WHERE j.deployment = ?1 ORDER BY j.id DESC LIMIT 1",
        id
    )
}

/// The job whose output is shown of a deployment.
#[derive(Debug, Deserialize)]
pub(crate) struct WorkRow {
    pub(crate) id: JobId,
    pub(crate) attempt: u32,
    pub(crate) state: String,
    /// Attempts of the deployment's jobs before this one: its servers have theirs one after the other.
    pub(crate) attempts_before: u32,
}

/// The newest [`WorkRow`] of a deployment; with `server` the newest of that.
pub(crate) fn work_of(id: &DeploymentId, server: Option<&ServerId>) -> Statement {
    statement!(
        "-- jobs_work_of
        SELECT j.id, j.attempt, j.state, (SELECT coalesce(sum(b.attempt), 0) FROM jobs b WHERE b.deployment = ?1
          AND b.id < j.id) AS attempts_before
        FROM jobs j WHERE j.deployment = ?1 AND (?2 IS NULL OR j.server = ?2) ORDER BY j.id DESC LIMIT 1",
        id,
        server
    )
}

/// What a new job needs that is not about a deployment.
pub(crate) struct NewJob<'a> {
    pub(crate) id: &'a JobId,
    pub(crate) server: &'a ServerId,
    pub(crate) project: Option<&'a ProjectId>,
    pub(crate) verb: &'a str,
    /// JSON of `lease::Arguments`.
    pub(crate) arguments: &'a str,
    pub(crate) now: UnixMillis,
}

/// Queues a job.
pub(crate) fn insert(job: &NewJob<'_>) -> Statement {
    statement!(
        "-- jobs_insert
        INSERT INTO jobs (id, server, project, verb, arguments, state, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, 'queued', ?6)",
        job.id,
        job.server,
        job.project,
        job.verb,
        job.arguments,
        job.now
    )
}

/// Queues a job of a server, unless one of the same verb has not ended there.
pub(crate) fn insert_once(job: &NewJob<'_>) -> Statement {
    statement!(
        "-- jobs_insert_once
        INSERT INTO jobs (id, server, project, verb, arguments, state, created_at)
        SELECT ?1, ?2, ?3, ?4, ?5, 'queued', ?6 WHERE NOT EXISTS (SELECT 1 FROM jobs
          WHERE server = ?2 AND state IN ('queued', 'leased', 'running', 'out_of_contact') AND verb = ?4)",
        job.id,
        job.server,
        job.project,
        job.verb,
        job.arguments,
        job.now
    )
}

/// Queues the cancellation of a job, unless one is on its way.
pub(crate) fn insert_cancel(job: &NewJob<'_>) -> Statement {
    statement!(
        "-- jobs_insert_cancel
        INSERT INTO jobs (id, server, project, verb, arguments, state, created_at)
        SELECT ?1, ?2, ?3, ?4, ?5, 'queued', ?6 WHERE NOT EXISTS (SELECT 1 FROM jobs
          WHERE server = ?2 AND state IN ('queued', 'leased', 'running') AND verb = ?4 AND arguments = ?5)",
        job.id,
        job.server,
        job.project,
        job.verb,
        job.arguments,
        job.now
    )
}

/// Ends what is queued for a project that is being removed, and its queued deployments. One that has begun goes on to its end,
/// also on servers whose turn comes.
pub(crate) fn clear_queue(project: &ProjectId, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- jobs_clear_queue
            UPDATE jobs SET state = 'done', finished_at = ?2, outcome = '{\"outcome\":\"cancelled\"}'
            WHERE project = ?1 AND state = 'queued' AND server IN (SELECT server FROM deployment_targets WHERE project = ?1)
              AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = jobs.deployment AND d.state <> 'queued')",
            project,
            now
        ),
        statement!(
            "-- deployments_clear_queue
            UPDATE deployments SET state = 'cancelled', finished_at = ?2, reason = 'The project was removed.'
            WHERE project = ?1 AND state = 'queued'",
            project,
            now
        ),
    ]
}

/// The runner has the job in its journal. The first statement changes one row exactly where the lease still held; the
/// second starts the job's deployment.
pub(crate) fn acknowledge(
    id: &JobId,
    server: &ServerId,
    attempt: u32,
    lease: &str,
    now: UnixMillis,
) -> [Statement; 2] {
    [
        statement!(
            "-- jobs_acknowledge
            UPDATE jobs SET state = 'running', acked_at = ?5, envelope = NULL
            WHERE id = ?1 AND server = ?2 AND attempt = ?3 AND lease = ?4 AND state = 'leased'",
            id,
            server,
            attempt,
            lease,
            now
        ),
        statement!(
            "-- deployments_acknowledge
            UPDATE deployments SET state = 'preparing', started_at = ?5
            WHERE state = 'queued' AND id = (SELECT deployment FROM jobs
              WHERE id = ?1 AND server = ?2 AND attempt = ?3 AND lease = ?4 AND state = 'running')",
            id,
            server,
            attempt,
            lease,
            now
        ),
    ]
}

/// Ends a job. Changes one row exactly where this attempt was still open.
pub(crate) fn finish(id: &JobId, attempt: u32, outcome: &str, finished_at: UnixMillis) -> Statement {
    statement!(
        "-- jobs_finish
        UPDATE jobs SET state = 'done', outcome = ?3, finished_at = ?4, envelope = NULL
        WHERE id = ?1 AND attempt = ?2 AND state IN ('leased', 'running', 'out_of_contact')",
        id,
        attempt,
        outcome,
        finished_at
    )
}

/// A job that a server is thought to work on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct HeldRow {
    pub(crate) id: JobId,
    pub(crate) attempt: u32,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) state: String,
}

/// The jobs that a server acknowledged before `before` and has not ended.
pub(crate) fn held(server: &ServerId, before: UnixMillis) -> Statement {
    statement!(
        "-- jobs_held
        SELECT id, attempt, deployment, state FROM jobs
        WHERE server = ?1 AND state IN ('running', 'out_of_contact') AND acked_at < ?2",
        server,
        before
    )
}

/// The runner says that it does not have the job: it may be tried again, as the next attempt. A deployment that another
/// server has had its turn in is not queued anew.
pub(crate) fn requeue(id: &JobId, attempt: u32) -> [Statement; 2] {
    [
        statement!(
            "-- deployments_requeue
            UPDATE deployments SET state_before_silence = NULL, steps = '[]', (state, started_at) =
              (SELECT iif(count(*) = 0, 'queued', 'preparing'), iif(count(*) = 0, NULL, deployments.started_at)
                FROM deployment_parts q WHERE q.deployment = deployments.id AND q.finished_at IS NOT NULL)
            WHERE id = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2
              AND state IN ('running', 'out_of_contact'))
              AND state NOT IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')",
            id,
            attempt
        ),
        statement!(
            "-- jobs_requeue
            UPDATE jobs SET state = 'queued', lease = NULL, lease_expires_at = NULL, acked_at = NULL, leased_at = NULL
            WHERE id = ?1 AND attempt = ?2 AND state IN ('running', 'out_of_contact')",
            id,
            attempt
        ),
    ]
}

/// Ends a job that nobody is to do any more: its server is silent, or has not begun.
pub(crate) fn give_up(id: &JobId, attempt: u32, now: UnixMillis) -> Statement {
    statement!(
        "-- jobs_give_up
        UPDATE jobs SET state = 'abandoned', finished_at = ?3, envelope = NULL
        WHERE id = ?1 AND attempt = ?2 AND state IN ('queued', 'leased', 'out_of_contact')",
        id,
        attempt,
        now
    )
}

/// A server that was silent has the job still: work goes on where it stood.
pub(crate) fn regain_contact(id: &JobId, attempt: u32) -> [Statement; 2] {
    [
        statement!(
            "-- deployments_regain_contact
            UPDATE deployments SET state = coalesce(state_before_silence, 'preparing'), state_before_silence = NULL
            WHERE state = 'out_of_contact' AND id = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2
              AND state = 'out_of_contact')",
            id,
            attempt
        ),
        statement!(
            "-- jobs_regain_contact
            UPDATE jobs SET state = 'running' WHERE id = ?1 AND attempt = ?2 AND state = 'out_of_contact'",
            id,
            attempt
        ),
    ]
}
