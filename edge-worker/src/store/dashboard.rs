//! What only the pages ask: questions over several tables at once.

use super::projects::ProjectState;
use super::servers::ServerState;
use super::{Statement, statement};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::{ApiKeyId, DeploymentId, ProjectId, ServerId, UnixMillis, UserId};
use serde::Deserialize;

/// The figures on top of the overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) projects: i64,
    pub(crate) servers: i64,
    pub(crate) servers_online: i64,
    pub(crate) servers_missing: i64,
    /// Deployments that are queued or under way.
    pub(crate) running: i64,
    /// Deployments that failed lately.
    pub(crate) failed: i64,
}

/// Counts; failures among deployments made since `since`, whose ids sort by time. With a JSON list `visible` only what
/// belongs to those projects is counted, and no servers are.
pub(crate) fn counts(since: UnixMillis, visible: Option<String>) -> Statement {
    statement!(
        "-- dashboard_counts
        SELECT (SELECT count(*) FROM projects WHERE ?2 IS NULL OR id IN (SELECT value FROM json_each(?2))) AS projects,
          (SELECT count(*) FROM servers WHERE ?2 IS NULL) AS servers,
          (SELECT count(*) FROM servers WHERE state = 'online' AND ?2 IS NULL) AS servers_online,
          (SELECT count(*) FROM servers WHERE state = 'missing' AND ?2 IS NULL) AS servers_missing,
          (SELECT count(*) FROM jobs WHERE state IN ('queued', 'leased', 'running', 'out_of_contact')
            AND verb IN ('deploy', 'rollback') AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2))))
            AS running,
          (SELECT count(*) FROM deployments WHERE id > ?1 AND state IN ('failed', 'rolled_back')
            AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))) AS failed",
        &DeploymentId::new(since, [0; 10]),
        visible
    )
}

/// A page of projects by slug whose name, slug or host names contain `text`, with their last deployment. `%` and
/// `_` in it stand for themselves. Only those of the JSON list `visible`, if there is one.
pub(crate) fn cards_matching(after_slug: &str, text: &str, visible: Option<String>) -> Statement {
    let escaped: String = text
        .chars()
        .flat_map(|c| {
            matches!(c, '%' | '_' | '\\')
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect();
    statement!(
        "-- dashboard_cards
        SELECT p.id, p.slug, p.name, p.server, p.state, p.ref_name, p.settings, p.environment_version,
          p.live_deployment, p.kept_releases, p.created_at, p.updated_at, s.name AS server_name,
          s.state AS server_state, d.id AS last_deployment, d.state AS last_state, d.commit_sha AS last_commit,
          d.subject AS last_subject, d.queued_at AS last_queued_at, d.finished_at AS last_finished_at
        FROM projects p JOIN servers s ON s.id = p.server
        LEFT JOIN deployments d ON d.id = (SELECT max(n.id) FROM deployments n WHERE n.project = p.id)
        WHERE p.slug > ?1 AND (?2 = '%%' OR p.name LIKE ?2 ESCAPE '\\' OR p.slug LIKE ?2 ESCAPE '\\'
          OR json_extract(p.settings, '$.domains') LIKE ?2 ESCAPE '\\')
          AND (?3 IS NULL OR p.id IN (SELECT value FROM json_each(?3)))
        ORDER BY p.slug LIMIT 51",
        after_slug,
        format!("%{escaped}%"),
        visible
    )
}

/// A project in the list of a server.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServerProject {
    pub(crate) id: ProjectId,
    pub(crate) name: String,
    pub(crate) state: ProjectState,
    pub(crate) server_state: ServerState,
    /// JSON of `ProjectSettings`.
    pub(crate) settings: String,
    pub(crate) live_deployment: Option<DeploymentId>,
    pub(crate) last_state: Option<DeploymentState>,
}

/// The first projects of a server, by name.
pub(crate) fn projects_of_server(server: &ServerId) -> Statement {
    statement!(
        "-- dashboard_projects_of_server
        SELECT p.id, p.name, p.state, s.state AS server_state, p.settings, p.live_deployment, d.state AS last_state
        FROM projects p JOIN servers s ON s.id = p.server
        LEFT JOIN deployments d ON d.id = (SELECT max(n.id) FROM deployments n WHERE n.project = p.id)
        WHERE p.server = ?1 ORDER BY p.name LIMIT 100",
        server
    )
}

/// A job that is not over.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OpenJob {
    pub(crate) verb: String,
    pub(crate) state: String,
    pub(crate) created_at: UnixMillis,
    pub(crate) project_name: Option<String>,
}

/// The jobs of a server that are not over, oldest first.
pub(crate) fn open_jobs(server: &ServerId) -> Statement {
    statement!(
        "-- dashboard_open_jobs
        SELECT j.verb, j.state, j.created_at, p.name AS project_name
        FROM jobs j LEFT JOIN projects p ON p.id = j.project
        WHERE j.server = ?1 AND j.state IN ('queued', 'leased', 'running', 'out_of_contact')
        ORDER BY j.id LIMIT 50",
        server
    )
}

/// An API key.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) created_at: UnixMillis,
}

/// The keys of a person, newest first.
pub(crate) fn keys(user: &UserId) -> Statement {
    statement!(
        "-- dashboard_keys
        SELECT id, name, created_at FROM api_keys WHERE user = ?1 ORDER BY id DESC LIMIT 200",
        user
    )
}

/// What was done, with the names of who did it and of what it was done to, as far as they are still there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FeedRow {
    pub(crate) id: i64,
    pub(crate) at: UnixMillis,
    pub(crate) actor: String,
    pub(crate) actor_name: Option<String>,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) subject_name: Option<String>,
    pub(crate) detail: String,
}

/// A page of what was done, newest first, from before row `before`.
pub(crate) fn feed(before: i64) -> Statement {
    statement!(
        "-- dashboard_feed
        SELECT a.id, a.at, a.actor, a.action, a.subject, a.detail,
          coalesce(u.email, k.name, r.name) AS actor_name,
          coalesce(p.name, s.name, dp.name, hp.name, vp.name) AS subject_name
        FROM activity_logs a
        LEFT JOIN users u ON u.id = a.actor
        LEFT JOIN api_keys k ON k.id = a.actor
        LEFT JOIN servers r ON r.id = a.actor
        LEFT JOIN projects p ON p.id = a.subject
        LEFT JOIN servers s ON s.id = a.subject
        LEFT JOIN deployments d ON d.id = a.subject
        LEFT JOIN projects dp ON dp.id = d.project
        LEFT JOIN hooks h ON h.id = a.subject
        LEFT JOIN projects hp ON hp.id = h.project
        LEFT JOIN deliveries v ON v.id = a.subject
        LEFT JOIN projects vp ON vp.id = v.project
        WHERE a.id < ?1 ORDER BY a.id DESC LIMIT 51",
        before
    )
}
