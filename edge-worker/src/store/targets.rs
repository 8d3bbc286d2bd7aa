//! The servers of a project: the first is in `projects`, the others in `further_targets`; the view `deployment_targets` has all.

use super::servers::ServerState;
use super::{Statement, statement};
use devflow_domain::targets::Policy;
use devflow_protocol::runner_api::ProjectReport;
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// A server of a project, with what its runner last reported of the project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TargetRow {
    pub(crate) server: ServerId,
    pub(crate) name: String,
    pub(crate) state: ServerState,
    pub(crate) draining_since: Option<UnixMillis>,
    pub(crate) live_deployment: Option<DeploymentId>,
    /// JSON list of deployment ids, see [`Self::kept`].
    pub(crate) kept_releases: String,
}

impl TargetRow {
    /// The releases on the server, newest first.
    pub(crate) fn kept(&self) -> Vec<DeploymentId> {
        serde_json::from_str(&self.kept_releases).unwrap_or_default()
    }
}

/// The servers of a project, in their order.
pub(crate) fn of_project(project: &ProjectId) -> Statement {
    statement!(
        "-- targets_of_project
        SELECT t.server, s.name, s.state, s.draining_since, t.live_deployment, t.kept_releases
        FROM (SELECT * FROM deployment_targets WHERE project = ?1) t CROSS JOIN servers s ON s.id = t.server
        ORDER BY t.position",
        project
    )
}

/// Gives a project, if it was changed at `updated_at`, the servers of the JSON list `servers`, in that order. What is known
/// of those that it has already goes along. Refused (a NULL for `projects.server_policy`) where a deployment of the project
/// waits or is under way: it is for the servers that there were.
pub(crate) fn set(
    project: &ProjectId,
    servers: &str,
    policy: Policy,
    updated_at: UnixMillis,
) -> [Statement; 5] {
    [
        statement!(
            "-- targets_line_up
            INSERT OR IGNORE INTO further_targets (project, server, position, live_deployment, kept_releases)
            SELECT id, server, 0, live_deployment, kept_releases FROM projects WHERE id = ?1 AND updated_at = ?2",
            project,
            updated_at
        ),
        statement!(
            "-- targets_add
            INSERT OR IGNORE INTO further_targets (project, server, position)
            SELECT ?1, value, key FROM json_each(?2)
            WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?3)",
            project,
            servers,
            updated_at
        ),
        statement!(
            "-- targets_set_first
            UPDATE projects SET server_policy = iif(EXISTS (SELECT 1 FROM deployments d WHERE d.project = ?1
              AND d.state NOT IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')), NULL, ?3),
              (server, live_deployment, kept_releases) = (SELECT f.server, f.live_deployment, f.kept_releases
                FROM further_targets f WHERE f.project = ?1 AND f.server = ?2 ->> 0)
            WHERE id = ?1 AND updated_at = ?4",
            project,
            servers,
            policy.as_str(),
            updated_at
        ),
        statement!(
            "-- targets_take_out
            DELETE FROM further_targets WHERE project = ?1 AND (server = ?2 ->> 0
              OR server NOT IN (SELECT value FROM json_each(?2)))
              AND EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?3)",
            project,
            servers,
            updated_at
        ),
        statement!(
            "-- targets_put_in_order
            UPDATE further_targets SET position = (SELECT key FROM json_each(?2) WHERE value = server)
            WHERE project = ?1 AND EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?3)",
            project,
            servers,
            updated_at
        ),
    ]
}

/// Asks a server that a project was on, if that was changed at `updated_at`, to take it down.
pub(crate) fn take_down(
    job: &JobId,
    server: &ServerId,
    project: &ProjectId,
    updated_at: UnixMillis,
) -> Statement {
    statement!(
        "-- targets_take_down
        INSERT INTO jobs (id, server, project, verb, state, created_at)
        SELECT ?1, ?2, id, 'remove_project', 'queued', ?4 FROM projects WHERE id = ?3 AND updated_at = ?4",
        job,
        server,
        project,
        updated_at
    )
}

/// The same as [`super::projects::report`] of a further server.
pub(crate) fn report(job: &JobId, attempt: u32, report: &ProjectReport) -> Statement {
    let kept = serde_json::to_string(&report.kept).expect("ids are plain texts");
    statement!(
        "-- targets_report
        UPDATE further_targets SET live_deployment = ?3, kept_releases = ?4
        WHERE (project, server) = (SELECT project, server FROM jobs WHERE id = ?1 AND attempt = ?2
          AND state IN ('leased', 'running', 'out_of_contact', 'abandoned'))
          AND EXISTS (SELECT 1 FROM projects WHERE id = further_targets.project AND slug = ?5)",
        job,
        attempt,
        report.live.as_ref(),
        kept,
        report.slug.as_str()
    )
}

/// The statement of [`removed`] that gives an [`AskedRow`].
pub(crate) const REMOVE_NEXT: &str = "targets_remove_next";

/// Whom a removal asks next.
#[derive(Debug, Deserialize)]
pub(crate) struct AskedRow {
    pub(crate) server: ServerId,
}

/// Of a project that is being removed: this further server has done so, only together with the end of that job, and the next
/// one is asked, the first at the end.
pub(crate) fn removed(job: &JobId, attempt: u32, next: &JobId, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- targets_removed
            DELETE FROM further_targets WHERE (project, server) = (SELECT j.project, j.server FROM jobs j
              JOIN projects p ON p.id = j.project WHERE j.id = ?1 AND j.attempt = ?2 AND j.verb = 'remove_project'
              AND j.state IN ('leased', 'running', 'out_of_contact') AND p.state = 'removing')",
            job,
            attempt
        ),
        statement!(
            "-- targets_remove_next
            INSERT INTO jobs (id, server, project, verb, arguments, state, created_at)
            SELECT ?3, n.server, n.project, 'remove_project', n.arguments, 'queued', ?4
            FROM (SELECT p.id AS project, j.arguments, coalesce((SELECT f.server FROM further_targets f
                WHERE f.project = p.id ORDER BY f.position DESC LIMIT 1), p.server) AS server
              FROM jobs j JOIN projects p ON p.id = j.project
              WHERE j.id = ?1 AND j.attempt = ?2 AND j.verb = 'remove_project'
                AND j.state IN ('leased', 'running', 'out_of_contact') AND p.state = 'removing') n
            WHERE NOT EXISTS (SELECT 1 FROM jobs o WHERE o.server = n.server AND o.project = n.project
              AND o.verb = 'remove_project' AND o.state IN ('queued', 'leased', 'running', 'out_of_contact'))
            RETURNING server",
            job,
            attempt,
            next,
            now
        ),
    ]
}
