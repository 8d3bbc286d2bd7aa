//! What the cron trigger deletes, in small batches: each statement names at most a few hundred rows.

use super::{Statement, statement};
use devflow_domain::idempotency::KNOWN_MS;
use devflow_protocol::UnixMillis;

/// Deployments that are kept for each project.
pub(crate) const DEPLOYMENTS_KEPT: i64 = 50;

/// For so long an API key that ended is still told apart from an unknown one, in milliseconds.
const KEY_KNOWN_MS: i64 = 30 * 24 * 3_600_000;

/// Ends sessions, API keys, enrolments, invitations, idempotency keys, tokens of looks and challenges that are over.
pub(crate) fn expired_tokens(now: UnixMillis) -> [Statement; 7] {
    [
        statement!(
            "-- retention_sessions\nDELETE FROM sessions WHERE expires_at <= ?1",
            now
        ),
        statement!(
            "-- retention_api_keys\nDELETE FROM api_keys WHERE expires_at <= ?1",
            now.plus(-KEY_KNOWN_MS)
        ),
        statement!(
            "-- retention_enrolments\nDELETE FROM enrolments WHERE expires_at <= ?1",
            now
        ),
        statement!(
            "-- retention_invitations\nDELETE FROM invitations WHERE expires_at <= ?1",
            now
        ),
        statement!(
            "-- retention_idempotency_keys\nDELETE FROM idempotency_keys WHERE created_at <= ?1",
            now.plus(-KNOWN_MS)
        ),
        statement!(
            "-- retention_repository_tokens\nDELETE FROM repository_tokens WHERE expires_at <= ?1",
            now
        ),
        statement!(
            "-- retention_spent_challenges\nDELETE FROM spent_challenges WHERE ends_at <= ?1",
            now
        ),
    ]
}

/// What rows of the audit trail say about people, once it is old: the oldest hundred are looked at.
pub(crate) fn personal(before: UnixMillis) -> Statement {
    statement!(
        "-- retention_personal
        DELETE FROM activity_personal WHERE activity IN (SELECT activity FROM
          (SELECT activity, at FROM activity_personal ORDER BY activity LIMIT 100) WHERE at < ?1)",
        before
    )
}

/// Old deliveries of a project. Ids sort by time, so only the oldest hundred are looked at: a condition alone would
/// read all that are kept, each time.
pub(crate) fn deliveries(project: &str, before: UnixMillis) -> Statement {
    statement!(
        "-- retention_deliveries
        DELETE FROM deliveries WHERE id IN (SELECT id FROM (SELECT id, received_at FROM deliveries
          WHERE project = ?1 ORDER BY id LIMIT 100) WHERE received_at < ?2)",
        project,
        before
    )
}

/// Ended deployments of a project, with their jobs, that are past one of the limits (the newest 50, 6 months). A
/// release that can be rolled back to stays, whatever its age.
pub(crate) fn deployments_to_prune(project: &str, before: UnixMillis) -> Statement {
    statement!(
        "-- retention_deployments_to_prune
        SELECT o.id AS deployment, j.id AS job FROM (SELECT d.id FROM deployments d JOIN projects p ON p.id = d.project
        WHERE d.project = ?1
          AND d.state IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')
          AND d.id IS NOT p.live_deployment AND instr(p.kept_releases, d.id) = 0
          AND NOT EXISTS (SELECT 1 FROM further_targets f WHERE f.project = ?1
            AND (f.live_deployment = d.id OR instr(f.kept_releases, d.id) > 0))
          AND (d.queued_at < ?2 OR d.id < (SELECT n.id FROM deployments n WHERE n.project = ?1
            ORDER BY n.id DESC LIMIT 1 OFFSET ?3))
        ORDER BY d.id LIMIT 20) o LEFT JOIN jobs j ON j.deployment = o.id ORDER BY o.id",
        project,
        before,
        DEPLOYMENTS_KEPT - 1
    )
}

/// A deployment to prune, with one of its jobs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct PrunedRow {
    pub(crate) deployment: String,
    pub(crate) job: Option<String>,
}

/// Deletes one deployment and its jobs.
pub(crate) fn delete_deployment(deployment: &str) -> [Statement; 2] {
    [
        statement!(
            "-- retention_delete_jobs\nDELETE FROM jobs WHERE deployment = ?1",
            deployment
        ),
        statement!(
            "-- retention_delete_deployment\nDELETE FROM deployments WHERE id = ?1",
            deployment
        ),
    ]
}

/// Old jobs that belong to no deployment, or to one that is gone with its project. `before` is an id: ids sort by
/// time.
pub(crate) fn stray_jobs(before: &str) -> Statement {
    statement!(
        "-- retention_stray_jobs
        SELECT j.id FROM jobs j WHERE j.id < ?1 AND j.state IN ('done', 'abandoned')
          AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = j.deployment) ORDER BY j.id LIMIT 50",
        before
    )
}

/// Deletes one job.
pub(crate) fn delete_job(job: &str) -> Statement {
    statement!("-- retention_delete_job\nDELETE FROM jobs WHERE id = ?1", job)
}

/// The next projects to look at, after a cursor.
pub(crate) fn projects_after(cursor: &str) -> Statement {
    statement!(
        "-- retention_projects_after\nSELECT id FROM projects WHERE id > ?1 ORDER BY id LIMIT 10",
        cursor
    )
}

/// Where the last run ended.
pub(crate) fn cursor() -> Statement {
    statement!("-- retention_cursor\nSELECT value AS id FROM settings WHERE name = 'retention_cursor'")
}

/// Notes where this run ended.
pub(crate) fn set_cursor(cursor: &str) -> Statement {
    statement!(
        "-- retention_set_cursor
        INSERT INTO settings (name, value) VALUES ('retention_cursor', ?1)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        cursor
    )
}
