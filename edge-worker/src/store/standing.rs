//! What servers have of their projects, as they told last: what is compared, and what is put right.

use super::{Statement, activity, statement};
use devflow_domain::standing::{Correction, Known};
use devflow_protocol::runner_api::KnownRelease;
use devflow_protocol::text::Slug;
use devflow_protocol::{DeploymentId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// A project of a server.
#[derive(Debug, Deserialize)]
pub(crate) struct KnownRow {
    id: ProjectId,
    slug: Slug,
    live_deployment: Option<DeploymentId>,
    kept_releases: String,
    stopped: i64,
    environment_version: u32,
    busy: i64,
}

impl From<KnownRow> for Known {
    fn from(row: KnownRow) -> Self {
        Self {
            project: row.id,
            slug: row.slug,
            stopped: row.stopped != 0,
            live: row.live_deployment,
            kept: serde_json::from_str(&row.kept_releases).unwrap_or_default(),
            environment_version: row.environment_version,
            busy: row.busy != 0,
        }
    }
}

/// The projects of a server, as they are known.
pub(crate) fn known(server: &ServerId) -> Statement {
    statement!(
        "-- standing_known
        SELECT p.id, p.slug, t.live_deployment, t.kept_releases, p.state = 'stopped' AS stopped, p.environment_version,
          p.state = 'removing' OR EXISTS (SELECT 1 FROM jobs j WHERE j.project = p.id AND j.server = ?1
            AND j.state IN ('leased', 'running', 'out_of_contact')) AS busy
        FROM deployment_targets t JOIN projects p ON p.id = t.project WHERE t.server = ?1 ORDER BY p.slug",
        server
    )
}

/// The folders on a server that were not known when it told last; JSON list.
#[derive(Debug, Deserialize)]
pub(crate) struct UnknownRow {
    pub(crate) unknown_projects: Option<String>,
}

/// See [`UnknownRow`].
pub(crate) fn unknown(server: &ServerId) -> Statement {
    statement!(
        "-- standing_unknown\nSELECT unknown_projects FROM servers WHERE id = ?1",
        server
    )
}

/// Notes what a server told: the digest of it, and the folders that are not known (JSON list).
pub(crate) fn told(server: &ServerId, digest: &str, unknown: Option<&str>) -> Statement {
    statement!(
        "-- standing_told\nUPDATE servers SET standing = ?2, unknown_projects = ?3 WHERE id = ?1",
        server,
        digest,
        unknown
    )
}

/// Puts right what a project has on a server, unless a job of it has begun there meanwhile, and records it. Whether it is stopped
/// is its first server's word.
pub(crate) fn correct(server: &ServerId, correction: &Correction, now: UnixMillis) -> [Statement; 4] {
    let kept = serde_json::to_string(&correction.kept).expect("ids are plain texts");
    let record = || {
        activity::record_if_changed(
            now,
            server.as_str(),
            "project.corrected",
            correction.project.as_str(),
            &correction.words,
        )
    };
    [
        statement!(
            "-- standing_correct
            UPDATE projects SET live_deployment = ?2, kept_releases = ?3, state = iif(?4, 'stopped', 'active')
            WHERE id = ?1 AND server = ?5 AND state <> 'removing' AND NOT EXISTS (SELECT 1 FROM jobs
              WHERE project = ?1 AND server = ?5 AND state IN ('leased', 'running', 'out_of_contact'))",
            &correction.project,
            correction.live.as_ref(),
            kept.as_str(),
            correction.stopped,
            server
        ),
        record(),
        statement!(
            "-- standing_correct_further
            UPDATE further_targets SET live_deployment = ?2, kept_releases = ?3
            WHERE project = ?1 AND server = ?4 AND (live_deployment IS NOT ?2 OR kept_releases <> ?3)
              AND NOT EXISTS (SELECT 1 FROM jobs
                WHERE project = ?1 AND server = ?4 AND state IN ('leased', 'running', 'out_of_contact'))",
            &correction.project,
            correction.live.as_ref(),
            kept.as_str(),
            server
        ),
        record(),
    ]
}

/// Adds the deployment of a release that its server has and this database does not know, and tells nobody of it: it is no news.
pub(crate) fn adopt(
    server: &ServerId,
    project: &ProjectId,
    release: &KnownRelease,
    now: UnixMillis,
) -> [Statement; 2] {
    [
        statement!(
            "-- standing_adopt
            INSERT INTO deployments (id, project, server, kind, trigger_kind, state, ref_name, commit_sha, subject, reason,
              queued_at, finished_at)
            VALUES (?1, ?2, ?3, 'deploy', 'found', 'live', ?4, ?5, ?6,
              'Known from its server: this database is from before.', ?7, ?7)
            ON CONFLICT (id) DO NOTHING",
            &release.deployment,
            project,
            server,
            release.ref_name.as_str(),
            release.commit.as_str(),
            release.subject.as_str(),
            release.deployment.made_at().min(now)
        ),
        statement!(
            "-- standing_adopt_quietly
            DELETE FROM outbox WHERE id = ?1 || '.0' AND changes() > 0 AND endpoint IN (SELECT id FROM endpoints)",
            &release.deployment
        ),
    ]
}
