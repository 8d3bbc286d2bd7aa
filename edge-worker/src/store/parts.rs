//! `deployment_parts`: a deployment of a project on several servers, server by server. What the one at work does is in
//! `deployments`, as of any other; it is kept here when its turn is over. Each change is made only together with the end of a
//! job that is still open in that attempt, in one batch.

use super::deployments::{DeploymentRow, Kind, StepRow};
use super::{Statement, statement};
use devflow_domain::deployment::is_running;
use devflow_domain::targets::{PartState, Policy};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::Deserialize;

/// One server's part of a deployment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PartRow {
    pub(crate) position: u32,
    pub(crate) server: ServerId,
    /// The server's name.
    pub(crate) name: String,
    /// 1 while its runner polls.
    pub(crate) online: u8,
    pub(crate) state: PartState,
    pub(crate) reason: Option<String>,
    /// JSON list of [`StepRow`], see [`Self::steps`].
    steps: String,
    pub(crate) started_at: Option<UnixMillis>,
    pub(crate) finished_at: Option<UnixMillis>,
    before: Option<DeploymentId>,
    /// What its runner last reported.
    live: Option<DeploymentId>,
    /// JSON list of deployment ids.
    kept: Option<String>,
    /// What the deployment does.
    pub(crate) kind: Kind,
    /// Of the project.
    pub(crate) server_policy: Policy,
}

impl PartRow {
    /// The steps in the order in which they began; those of the part at work are in its deployment.
    pub(crate) fn steps_in(&self, deployment: &DeploymentRow) -> Vec<StepRow> {
        match self.state {
            PartState::Working => deployment.steps(),
            _ => serde_json::from_str(&self.steps).unwrap_or_default(),
        }
    }

    /// True for the one part that has a job.
    pub(crate) fn is_at_work(&self) -> bool {
        matches!(self.state, PartState::Working | PartState::GoingBack)
    }

    /// Where it stands in a deployment that is `stands`: the first server's turn has not come while that is queued, and did not
    /// come where that ended there.
    pub(crate) fn state_in(&self, stands: DeploymentState) -> PartState {
        match self.state {
            PartState::Working if !is_running(stands) => PartState::Waiting,
            state => state,
        }
    }

    /// The release that was live there before the deployment.
    pub(crate) fn before(&self) -> Option<&DeploymentId> {
        match self.state {
            PartState::Waiting | PartState::Working => self.live.as_ref(),
            _ => self.before.as_ref(),
        }
    }

    /// True where that release can be gone back to.
    pub(crate) fn keeps_before(&self) -> bool {
        let kept: Vec<DeploymentId> = self
            .kept
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        self.before().is_some_and(|before| kept.contains(before))
    }

    /// Takes over the releases that its runner has just reported.
    pub(crate) fn keep(&mut self, kept: &[DeploymentId]) {
        self.kept = serde_json::to_string(kept).ok();
    }
}

/// The parts of a deployment, in their order; none where its project has one server.
pub(crate) fn of(deployment: &DeploymentId) -> Statement {
    statement!(
        "-- parts_of
        SELECT q.position, q.server, coalesce(s.name, 'a server that is gone') AS name,
          coalesce(s.state, '') = 'online' AS online, q.state, q.reason, q.steps, q.started_at, q.finished_at, q.before,
          CASE WHEN p.server = q.server THEN p.live_deployment ELSE f.live_deployment END AS live,
          CASE WHEN p.server = q.server THEN p.kept_releases ELSE f.kept_releases END AS kept, d.kind, p.server_policy
        FROM deployment_parts q JOIN deployments d ON d.id = q.deployment JOIN projects p ON p.id = d.project
        LEFT JOIN servers s ON s.id = q.server
        LEFT JOIN further_targets f ON f.project = p.id AND f.server = q.server
        WHERE q.deployment = ?1 ORDER BY q.position",
        deployment
    )
}

/// A job that ends in an attempt.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) job: &'a JobId,
    pub(crate) attempt: u32,
    pub(crate) at: UnixMillis,
}

/// Ends the part at work; its steps and what was live before are kept with it. One that went back keeps what its deployment
/// did.
pub(crate) fn end(ending: Ending<'_>, part: &PartRow, state: PartState, reason: Option<&str>) -> Statement {
    statement!(
        "-- parts_end
        UPDATE deployment_parts SET finished_at = ?4, reason = ?6, before = CASE state WHEN 'working' THEN ?7 ELSE before END,
          steps = CASE state WHEN 'working' THEN (SELECT d.steps FROM deployments d WHERE d.id = deployment) ELSE steps END,
          state = ?5
        WHERE position = ?3 AND deployment = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2
          AND finished_at IS NULL)",
        ending.job,
        ending.attempt,
        part.position,
        ending.at,
        state.as_str(),
        reason,
        part.before()
    )
}

/// Notes where another part stands, and why.
pub(crate) fn mark(ending: Ending<'_>, position: u32, state: PartState, reason: Option<&str>) -> Statement {
    statement!(
        "-- parts_mark
        UPDATE deployment_parts SET state = ?4, reason = ?5,
          started_at = CASE WHEN ?4 = 'working' THEN ?6 ELSE started_at END,
          finished_at = CASE WHEN ?4 IN ('working', 'going_back') THEN NULL ELSE ?6 END
        WHERE position = ?3 AND deployment = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2
          AND finished_at IS NULL)",
        ending.job,
        ending.attempt,
        position,
        state.as_str(),
        reason,
        ending.at
    )
}

/// What the next server is asked.
pub(crate) struct Turn<'a> {
    pub(crate) job: &'a JobId,
    pub(crate) server: &'a ServerId,
    pub(crate) verb: &'a str,
    /// JSON of `lease::Arguments`.
    pub(crate) arguments: &'a str,
}

/// The deployment goes on at another server. It stays *preparing* until the runner there says more: a newer push does not
/// take its place any more.
pub(crate) fn next_turn(ending: Ending<'_>, turn: &Turn<'_>, manifest: Option<&str>) -> [Statement; 2] {
    [
        statement!(
            "-- deployments_next_turn
            UPDATE deployments SET server = ?3, state = 'preparing', state_before_silence = NULL, steps = '[]',
              manifest = coalesce(json_remove(?4, '$.packages'), manifest),
              packages = coalesce(json_extract(?4, '$.packages'), packages)
            WHERE state NOT IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')
              AND id = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2 AND finished_at IS NULL)",
            ending.job,
            ending.attempt,
            turn.server,
            manifest
        ),
        statement!(
            "-- jobs_insert_next_turn
            INSERT INTO jobs (id, server, project, deployment, verb, arguments, state, created_at)
            SELECT ?3, ?4, project, deployment, ?5, ?6, 'queued', ?7 FROM jobs
            WHERE id = ?1 AND attempt = ?2 AND finished_at IS NULL",
            ending.job,
            ending.attempt,
            turn.job,
            turn.server,
            turn.verb,
            turn.arguments,
            ending.at
        ),
    ]
}

/// Ends the deployment; what it shows of one server is the first one's again.
pub(crate) fn finish(
    ending: Ending<'_>,
    state: DeploymentState,
    reason: Option<&str>,
    manifest: Option<&str>,
) -> Statement {
    statement!(
        "-- deployments_finish_parts
        UPDATE deployments SET state = ?3, reason = ?4, manifest = coalesce(json_remove(?5, '$.packages'), manifest),
          packages = coalesce(json_extract(?5, '$.packages'), packages), finished_at = ?6,
          (server, steps) = (SELECT q.server, q.steps FROM deployment_parts q WHERE q.deployment = deployments.id
            AND q.position = 0)
        WHERE state NOT IN ('live', 'failed', 'rolled_back', 'cancelled', 'superseded')
          AND id = (SELECT deployment FROM jobs WHERE id = ?1 AND attempt = ?2 AND finished_at IS NULL)",
        ending.job,
        ending.attempt,
        state.as_str(),
        reason,
        manifest,
        ending.at
    )
}

/// A job whose server is silent while others of its project wait for it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SilentRow {
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
    pub(crate) state: String,
    pub(crate) deployment: DeploymentId,
    pub(crate) project: ProjectId,
}

/// Turns of servers that are silent, in deployments that have begun. One that a runner has taken is waited for where all
/// servers have to have the release.
pub(crate) fn silent() -> Statement {
    statement!(
        "-- parts_silent
        SELECT j.id AS job, j.attempt, j.state, j.deployment, j.project
        FROM servers s JOIN jobs j ON j.server = s.id AND j.state IN ('queued', 'leased', 'out_of_contact')
        JOIN deployments d ON d.id = j.deployment JOIN projects p ON p.id = j.project
        WHERE s.state <> 'online' AND d.state <> 'queued'
          AND (j.state <> 'out_of_contact' OR p.server_policy = 'keep_going')
          AND EXISTS (SELECT 1 FROM deployment_parts q WHERE q.deployment = j.deployment) LIMIT 50"
    )
}
