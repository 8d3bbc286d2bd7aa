//! What only the pages ask: questions over several tables at once.

use super::projects::ProjectState;
use super::servers::ServerState;
use super::{Statement, statement};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::{DeploymentId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// Counts of what goes on stop here, so that a bad day does not cost more than a good one.
pub(crate) const COUNTED_TO: i64 = 30;

/// The figures on top of the overview; deployments and jobs that go on are counted up to [`COUNTED_TO`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) projects: i64,
    pub(crate) servers: i64,
    pub(crate) servers_online: i64,
    pub(crate) servers_missing: i64,
    /// Deployments that are under way.
    pub(crate) deploying: i64,
    /// Jobs that wait for their server, or for another one of their project.
    pub(crate) waiting: i64,
    /// Projects whose newest deployment that went to its end failed.
    pub(crate) failing: i64,
}

/// The counts; with a JSON list `visible` of what belongs to those projects, and no servers.
pub(crate) fn counts(visible: Option<String>) -> Statement {
    if let Some(visible) = visible {
        return counts_of(visible);
    }
    statement!(
        "-- dashboard_counts
        SELECT (SELECT value FROM totals WHERE name = 'projects') AS projects,
          (SELECT sum(value) FROM totals WHERE name IN ('servers_pending', 'servers_online', 'servers_missing'))
            AS servers,
          (SELECT value FROM totals WHERE name = 'servers_online') AS servers_online,
          (SELECT value FROM totals WHERE name = 'servers_missing') AS servers_missing,
          (SELECT count(*) FROM (SELECT 1 FROM deployments WHERE state IN ('preparing', 'building', 'starting',
            'migrating', 'checking', 'switching', 'observing', 'out_of_contact') LIMIT ?1)) AS deploying,
          (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'queued' LIMIT ?1)) AS waiting,
          (SELECT value FROM totals WHERE name = 'projects_failing') AS failing",
        COUNTED_TO
    )
}

fn counts_of(visible: String) -> Statement {
    statement!(
        "-- dashboard_counts_of
        SELECT count(*) AS projects, 0 AS servers, 0 AS servers_online, 0 AS servers_missing,
          coalesce(sum(EXISTS (SELECT 1 FROM deployments d WHERE d.project = p.id AND d.state IN ('preparing',
            'building', 'starting', 'migrating', 'checking', 'switching', 'observing', 'out_of_contact'))), 0)
            AS deploying,
          (SELECT count(*) FROM jobs WHERE state = 'queued' AND project IN (SELECT value FROM json_each(?1))) AS waiting,
          coalesce(sum(failing), 0) AS failing
        FROM projects p WHERE id IN (SELECT value FROM json_each(?1))",
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
    pub(crate) failing: u8,
    pub(crate) last_state: Option<DeploymentState>,
}

/// Projects on the page of their server.
pub(crate) const SERVER_PROJECTS: usize = 20;

/// The first projects of a server, by slug; of those that have it as a further one not more than as many.
pub(crate) fn projects_of_server(server: &ServerId) -> Statement {
    statement!(
        "-- dashboard_projects_of_server
        SELECT p.id, p.name, p.state, s.state AS server_state, p.settings, p.live_deployment, p.failing,
          d.state AS last_state
        FROM projects p JOIN servers s ON s.id = p.server
        LEFT JOIN deployments d ON d.id = (SELECT max(n.id) FROM deployments n WHERE n.project = p.id)
        WHERE p.id IN (SELECT id FROM (SELECT id FROM projects WHERE server = ?1 ORDER BY slug LIMIT ?2)
          UNION ALL SELECT project FROM (SELECT project FROM further_targets WHERE server = ?1 LIMIT ?2))
        ORDER BY p.slug LIMIT ?2",
        server,
        SERVER_PROJECTS
    )
}

/// A deployment that went to its end.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EndedRow {
    pub(crate) id: DeploymentId,
    pub(crate) project: ProjectId,
    pub(crate) state: DeploymentState,
    pub(crate) reason: Option<String>,
    pub(crate) project_name: String,
}

/// The newest deployments that went to their end after `since`; only of the JSON list `visible` of projects, if there
/// is one.
pub(crate) fn ended_since(since: UnixMillis, visible: Option<String>) -> Statement {
    statement!(
        "-- dashboard_ended_since
        SELECT d.id, d.project, d.state, d.reason, p.name AS project_name
        FROM deployments d JOIN projects p ON p.id = d.project
        WHERE d.state IN ('live', 'failed', 'rolled_back') AND d.finished_at > ?1
          AND (?2 IS NULL OR d.project IN (SELECT value FROM json_each(?2)))
        ORDER BY d.finished_at DESC LIMIT 5",
        since,
        visible
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

/// The first jobs of a server that are not over, oldest first: what is at work, and the next of what waits.
pub(crate) fn open_jobs(server: &ServerId) -> Statement {
    statement!(
        "-- dashboard_open_jobs
        SELECT j.verb, j.state, j.created_at, p.name AS project_name
        FROM jobs j LEFT JOIN projects p ON p.id = j.project
        WHERE j.id IN (
          SELECT id FROM (SELECT id FROM jobs WHERE server = ?1 AND state IN ('leased', 'running', 'out_of_contact') LIMIT 10)
          UNION ALL SELECT id FROM (SELECT id FROM jobs WHERE server = ?1 AND state = 'queued' ORDER BY id LIMIT 10))
        ORDER BY j.id",
        server
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

/// Rows of one page of the feed: each is looked up in many tables.
pub(crate) const FEED_ROWS: usize = 30;

/// Which rows of the feed a page shows; empty texts are no condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeedFilter<'a> {
    /// The first word of the action, such as `project`.
    pub(crate) what: &'a str,
    /// A part of the name of who did it.
    pub(crate) who: &'a str,
}

impl FeedFilter<'_> {
    /// True where every row is shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.what.is_empty() && self.who.is_empty()
    }
}

/// So many rows are looked through for one page: more would read the whole trail for what is rare in it.
pub(crate) const FEED_LOOKED_THROUGH: usize = 1_000;

/// A page of what was done, newest first, from before row `before`.
pub(crate) fn feed(before: i64, filter: &FeedFilter<'_>) -> Statement {
    let looked = if filter.is_empty() {
        FEED_ROWS + 1
    } else {
        FEED_LOOKED_THROUGH
    };
    statement!(
        "-- dashboard_feed
        SELECT a.id, a.at, a.actor, a.action, a.subject,
          CASE WHEN y.value IS NULL THEN a.detail ELSE y.value END AS detail,
          coalesce(u.email, k.name, r.name) AS actor_name,
          coalesce(p.name, s.name, dp.name, hp.name, vp.name, w.email, e.name) AS subject_name
        FROM (SELECT * FROM activity_logs WHERE id < ?1 ORDER BY id DESC LIMIT ?3) a
        LEFT JOIN activity_personal y ON y.activity = a.id
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
        LEFT JOIN users w ON w.id = a.subject
        LEFT JOIN endpoints e ON e.id = a.subject
        WHERE (?4 = '' OR a.action LIKE ?4 || '.%')
          AND (?5 = '' OR instr(lower(coalesce(u.email, k.name, r.name, '')), lower(?5)) > 0)
        ORDER BY a.id DESC LIMIT ?2",
        before,
        FEED_ROWS + 1,
        looked,
        filter.what,
        filter.who
    )
}

/// Where [`feed`] stopped to look.
#[derive(Debug, Deserialize)]
pub(crate) struct FeedEnd {
    /// The oldest row that was looked at.
    pub(crate) id: Option<i64>,
    pub(crate) rows: usize,
}

/// The end of what a filtered page looks through.
pub(crate) fn feed_end(before: i64) -> Statement {
    statement!(
        "-- dashboard_feed_end
        SELECT min(id) AS id, count(*) AS rows
        FROM (SELECT id FROM activity_logs WHERE id < ?1 ORDER BY id DESC LIMIT ?2)",
        before,
        FEED_LOOKED_THROUGH
    )
}
