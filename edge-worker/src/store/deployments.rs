//! `deployments`.

use super::{Statement, statement};
use devflow_protocol::event::{DeploymentState, StepOutcome};
use devflow_protocol::job::Trigger;
use devflow_protocol::outcome::Manifest;
use devflow_protocol::text::{GitSha, RefName, Slug, StepName};
use devflow_protocol::{DeliveryId, DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::{Deserialize, Serialize};

/// What a deployment does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Makes a release of a commit.
    Deploy,
    /// Goes back to a kept release.
    Rollback,
}

impl Kind {
    /// The verb of its jobs.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
        }
    }
}

/// A step as far as it is known; kept as a JSON list in `steps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct StepRow {
    pub(crate) step: StepName,
    /// None while it runs.
    pub(crate) outcome: Option<StepOutcome>,
    /// How long it took, in milliseconds; None while it runs.
    pub(crate) ms: Option<u64>,
    /// When it began.
    #[serde(default)]
    pub(crate) started_at: Option<UnixMillis>,
}

/// A deployment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DeploymentRow {
    pub(crate) id: DeploymentId,
    pub(crate) project: ProjectId,
    pub(crate) server: ServerId,
    pub(crate) kind: Kind,
    pub(crate) trigger_kind: Trigger,
    pub(crate) state: DeploymentState,
    pub(crate) ref_name: RefName,
    pub(crate) commit_sha: Option<GitSha>,
    pub(crate) subject: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) delivery: Option<DeliveryId>,
    pub(crate) target: Option<DeploymentId>,
    /// JSON list of [`StepRow`], see [`Self::steps`].
    pub(crate) steps: String,
    /// JSON of the release's manifest.
    pub(crate) manifest: Option<String>,
    pub(crate) queued_at: UnixMillis,
    pub(crate) started_at: Option<UnixMillis>,
    pub(crate) finished_at: Option<UnixMillis>,
    /// The project's name.
    pub(crate) project_name: String,
    /// The server's name.
    pub(crate) server_name: Option<String>,
}

impl DeploymentRow {
    /// The steps in the order in which they began.
    pub(crate) fn steps(&self) -> Vec<StepRow> {
        serde_json::from_str(&self.steps).unwrap_or_default()
    }
}

/// A statement that reads deployments: its name, further columns, and what follows the joins.
macro_rules! rows {
    ($name:literal, $more:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT d.id, d.project, d.server, d.kind, d.trigger_kind, d.state, d.ref_name, d.commit_sha, d.subject,
          d.author, d.reason, d.delivery, d.target, d.steps, d.manifest, d.queued_at, d.started_at, d.finished_at,
          p.name AS project_name, s.name AS server_name",
            $more,
            "
        FROM deployments d JOIN projects p ON p.id = d.project LEFT JOIN servers s ON s.id = d.server
        ",
            $rest
        )
    };
}

pub(super) use rows;

/// One deployment.
pub(crate) fn by_id(id: &DeploymentId) -> Statement {
    statement!(rows!("deployments_by_id", "", "WHERE d.id = ?1"), id)
}

/// A page of a project's deployments, newest first; `before` is the id that the page before ended with.
pub(crate) fn of_project(project: &ProjectId, before: &str) -> Statement {
    statement!(
        rows!(
            "deployments_of_project",
            "",
            "WHERE d.project = ?1 AND d.id < ?2 ORDER BY d.id DESC LIMIT 51"
        ),
        project,
        before
    )
}

impl DeploymentRow {
    /// What it was made of; None where it never was live, or that cannot be read.
    pub(crate) fn made(&self) -> Option<Manifest> {
        serde_json::from_str(self.manifest.as_deref()?).ok()
    }
}

/// The newest deployment of a commit, whatever became of it.
#[derive(Debug, Deserialize)]
pub(crate) struct NewestRow {
    pub(crate) id: DeploymentId,
    pub(crate) commit_sha: Option<GitSha>,
}

/// A project's [`NewestRow`].
pub(crate) fn newest(server: &ServerId, slug: &Slug) -> Statement {
    statement!(
        "-- deployments_newest
        SELECT d.id, d.commit_sha FROM deployments d JOIN projects p ON p.id = d.project
        WHERE p.slug = ?2 AND p.server = ?1 AND d.kind = 'deploy' ORDER BY d.id DESC LIMIT 1",
        server,
        slug.as_str()
    )
}

/// A cursor that is behind every id.
pub(crate) const FROM_NEWEST: &str = "~";

/// What is written for a new deployment and its job.
pub(crate) struct NewDeployment<'a> {
    pub(crate) id: &'a DeploymentId,
    pub(crate) job: &'a JobId,
    pub(crate) project: &'a ProjectId,
    pub(crate) server: &'a ServerId,
    pub(crate) trigger: Trigger,
    pub(crate) ref_name: &'a RefName,
    pub(crate) commit: Option<&'a GitSha>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) author: Option<&'a str>,
    pub(crate) delivery: Option<&'a DeliveryId>,
    /// The release to go back to; None deploys a commit.
    pub(crate) target: Option<&'a DeploymentId>,
    pub(crate) force: bool,
    pub(crate) now: UnixMillis,
}

fn trigger_name(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Push => "push",
        Trigger::Manual => "manual",
        Trigger::Replay => "replay",
        Trigger::Found => "found",
    }
}

/// Queues a deployment, its parts where its project has several servers, and its first job; the last statement gives a
/// [`super::outbox::LookRow`]. Where `only_with` names a delivery, all of it is written only if that very row is in the
/// database: the insert of a delivery that is there already did nothing, and nothing follows from it.
pub(crate) fn queue(new: &NewDeployment<'_>, only_with: Option<&DeliveryId>) -> [Statement; 3] {
    let kind = match new.target {
        Some(_) => Kind::Rollback.verb(),
        None => Kind::Deploy.verb(),
    };
    [
        statement!(
            "-- deployments_insert
            INSERT INTO deployments (id, project, server, kind, trigger_kind, state, ref_name, commit_sha, subject,
              author, delivery, target, force, queued_at)
            SELECT ?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
            WHERE ?14 IS NULL OR EXISTS (SELECT 1 FROM deliveries WHERE id = ?14)",
            new.id,
            new.project,
            new.server,
            kind,
            trigger_name(new.trigger),
            new.ref_name.as_str(),
            new.commit.map(GitSha::as_str),
            new.subject,
            new.author,
            new.delivery,
            new.target,
            new.force,
            new.now,
            only_with
        ),
        statement!(
            "-- parts_insert
            INSERT INTO deployment_parts (deployment, position, server, state)
            SELECT ?1, position, server, CASE position WHEN 0 THEN 'working' ELSE 'waiting' END
            FROM (SELECT * FROM deployment_targets WHERE project = ?2)
            WHERE EXISTS (SELECT 1 FROM further_targets WHERE project = ?2)
              AND EXISTS (SELECT 1 FROM deployments WHERE id = ?1)",
            new.id,
            new.project
        ),
        statement!(
            "-- jobs_insert_for_deployment
            INSERT INTO jobs (id, server, project, deployment, verb, state, created_at)
            SELECT ?1, ?2, ?3, ?4, ?5, 'queued', ?6
            WHERE ?7 IS NULL OR EXISTS (SELECT 1 FROM deliveries WHERE id = ?7)
            RETURNING EXISTS (SELECT 1 FROM outbox WHERE next_at <= ?6) AS outbox_is_due",
            new.job,
            new.server,
            new.project,
            new.id,
            kind,
            new.now,
            only_with
        ),
    ]
}

/// Older pushes of the same ref that no runner has acknowledged give way to a newer one, with the same condition as
/// [`queue`].
pub(crate) fn supersede_queued(
    project: &ProjectId,
    ref_name: &RefName,
    by: &DeploymentId,
    only_with: &DeliveryId,
    now: UnixMillis,
) -> [Statement; 2] {
    [
        statement!(
            "-- jobs_supersede
            UPDATE jobs SET state = 'done', finished_at = ?5, envelope = NULL, outcome =
              '{\"outcome\":\"superseded\",\"reason\":\"A newer push took its place.\"}'
            WHERE state IN ('queued', 'leased') AND deployment IN (SELECT id FROM deployments WHERE project = ?1 AND ref_name = ?2
              AND state = 'queued' AND trigger_kind IN ('push', 'found') AND id <> ?3)
              AND EXISTS (SELECT 1 FROM deliveries WHERE id = ?4)",
            project,
            ref_name.as_str(),
            by,
            only_with,
            now
        ),
        statement!(
            "-- deployments_supersede
            UPDATE deployments SET state = 'superseded', finished_at = ?5,
              reason = 'A newer push took its place in the queue.'
            WHERE project = ?1 AND ref_name = ?2 AND state = 'queued' AND trigger_kind IN ('push', 'found') AND id <> ?3
              AND EXISTS (SELECT 1 FROM deliveries WHERE id = ?4)",
            project,
            ref_name.as_str(),
            by,
            only_with,
            now
        ),
    ]
}

/// Ends a deployment that no runner has acknowledged. The first statement changes one row exactly where it did.
pub(crate) fn cancel_unacknowledged(id: &DeploymentId, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- deployments_cancel_unacknowledged
            UPDATE deployments SET state = 'cancelled', finished_at = ?2, reason = 'Cancelled before it began.'
            WHERE id = ?1 AND state = 'queued'",
            id,
            now
        ),
        statement!(
            "-- jobs_cancel_unacknowledged
            UPDATE jobs SET state = 'done', finished_at = ?2, envelope = NULL, outcome = '{\"outcome\":\"cancelled\"}'
            WHERE deployment = ?1 AND state IN ('queued', 'leased')",
            id,
            now
        ),
    ]
}

/// Gives up on a deployment whose server is silent. The first statement changes one row exactly where it did.
pub(crate) fn abandon(id: &DeploymentId, reason: &str, now: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- deployments_abandon
            UPDATE deployments SET state = 'failed', finished_at = ?2, reason = ?3
            WHERE id = ?1 AND state = 'out_of_contact'",
            id,
            now,
            reason
        ),
        statement!(
            "-- jobs_abandon
            UPDATE jobs SET state = 'abandoned', finished_at = ?2 WHERE deployment = ?1 AND state = 'out_of_contact'",
            id,
            now
        ),
    ]
}

/// What a batch of events changes.
pub(crate) struct Progress<'a> {
    pub(crate) id: &'a DeploymentId,
    /// The state that the decision was made on: another one by now wins.
    pub(crate) seen: DeploymentState,
    pub(crate) state: DeploymentState,
    pub(crate) commit: Option<&'a GitSha>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) author: Option<&'a str>,
    /// JSON list of [`StepRow`].
    pub(crate) steps: &'a str,
}

/// Writes what a batch of events told. Where the state stays it is not named, so that no index is written.
pub(crate) fn progress(progress: &Progress<'_>) -> Statement {
    if progress.state == progress.seen {
        return statement!(
            "-- deployments_progress_steps
            UPDATE deployments SET commit_sha = coalesce(?3, commit_sha), subject = coalesce(?4, subject),
              author = coalesce(?5, author), steps = ?6
            WHERE id = ?1 AND state = ?2",
            progress.id,
            progress.seen.as_str(),
            progress.commit.map(GitSha::as_str),
            progress.subject,
            progress.author,
            progress.steps
        );
    }
    statement!(
        "-- deployments_progress
        UPDATE deployments SET state = ?3, commit_sha = coalesce(?4, commit_sha), subject = coalesce(?5, subject),
          author = coalesce(?6, author), steps = ?7
        WHERE id = ?1 AND state = ?2",
        progress.id,
        progress.seen.as_str(),
        progress.state.as_str(),
        progress.commit.map(GitSha::as_str),
        progress.subject,
        progress.author,
        progress.steps
    )
}

/// Ends a deployment, only together with the end of its job. The packages of its manifest are kept apart.
pub(crate) fn finish(
    job: &JobId,
    attempt: u32,
    state: DeploymentState,
    reason: Option<&str>,
    manifest: Option<&str>,
    finished_at: UnixMillis,
) -> Statement {
    statement!(
        "-- deployments_finish
        UPDATE deployments SET state = ?3, reason = ?4, manifest = json_remove(?5, '$.packages'),
          packages = json_extract(?5, '$.packages'), finished_at = ?6
        WHERE id = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2
          AND state IN ('leased', 'running', 'out_of_contact'))
          AND state NOT IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')",
        job,
        attempt,
        state.as_str(),
        reason,
        manifest,
        finished_at
    )
}
