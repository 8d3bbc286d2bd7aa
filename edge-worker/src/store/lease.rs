//! Handing out jobs. One batch decides and reads all that the envelope needs; a second statement stores the
//! envelope, so that the identical one is sent again to every poll until it is acknowledged.

use super::{Statement, statement};
use devflow_protocol::job::{Part, Trigger};
use devflow_protocol::release::SignedRelease;
use devflow_protocol::text::{GitSha, RefName, RepositoryUrl, Slug};
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::{Deserialize, Serialize};

/// The little that a verb needs beside project and deployment; the column `jobs.arguments`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arguments {
    /// The job to cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<JobId>,
    /// Also remove shared files and database.
    #[serde(default)]
    pub(crate) purge: bool,
    /// The only part that is started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) only: Option<Part>,
    /// The repository to look at, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<RepositoryUrl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ref_name: Option<RefName>,
    /// The release to go back to because another server failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<DeploymentId>,
    /// The runner to replace one's own with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) update: Option<Box<SignedRelease>>,
}

/// Who asks, and what a new lease is to be.
pub(crate) struct LeaseRequest<'a> {
    pub(crate) server: &'a ServerId,
    /// A fresh token.
    pub(crate) lease: &'a str,
    /// The highest sequence in the runner's journal.
    pub(crate) last_sequence: i64,
    /// Take only what a runner that pauses must still hear: cancel and ping.
    pub(crate) paused: bool,
    pub(crate) now: UnixMillis,
    pub(crate) expires_at: UnixMillis,
}

/// Places of the statements of [`lease`] whose answers matter.
pub(crate) const UNACKNOWLEDGED: usize = 1;
/// See [`UNACKNOWLEDGED`].
pub(crate) const LEASED: usize = 4;

/// Leases the next job of a server:
/// 0. unacknowledged leases that ran out go back to the queue;
/// 1. an unacknowledged envelope that still holds is what the poll gets;
/// 2. else the oldest queued job whose project has nothing at work here, and no other deployment anywhere, is leased (cancel
///    and ping need no such slot, and a cancel goes first); where all servers of a project have to have a release, its
///    deployment begins when all are there;
/// 3. the server's sequence moves on;
/// 4. what its envelope is made of.
///
/// The deployment stays queued until the acknowledgement: who reads the page sees what the runner said, and a newer
/// push may still take its place.
pub(crate) fn lease(request: &LeaseRequest<'_>) -> [Statement; 5] {
    [
        release_expired(request.server, request.now),
        statement!(
            "-- lease_unacknowledged
            SELECT id, envelope FROM jobs WHERE server = ?1 AND state = 'leased' AND envelope IS NOT NULL LIMIT 1",
            request.server
        ),
        take(request),
        statement!(
            "-- lease_advance_sequence
            UPDATE servers SET last_sequence = (SELECT sequence FROM jobs
              WHERE server = ?1 AND state = 'leased' AND lease = ?2)
            WHERE id = ?1 AND EXISTS (SELECT 1 FROM jobs WHERE server = ?1 AND state = 'leased' AND lease = ?2)",
            request.server,
            request.lease
        ),
        materials(request.server, request.lease),
    ]
}

/// Queued jobs whose lease ran out before the runner acknowledged it.
fn release_expired(server: &ServerId, now: UnixMillis) -> Statement {
    statement!(
        "-- lease_release
        UPDATE jobs SET state = 'queued', lease = NULL, lease_expires_at = NULL, leased_at = NULL, envelope = NULL
        WHERE server = ?1 AND state = 'leased' AND lease_expires_at <= ?2",
        server,
        now
    )
}

fn take(request: &LeaseRequest<'_>) -> Statement {
    statement!(
        "-- lease_take
        UPDATE jobs SET state = 'leased', lease = ?2, lease_expires_at = ?3, leased_at = ?4, attempt = attempt + 1,
          sequence = 1 + (SELECT max(s.last_sequence, ?5, ?4) FROM servers s WHERE s.id = ?1)
        WHERE id = (
          SELECT j.id FROM jobs j
          WHERE j.server = ?1 AND j.state = 'queued'
            AND NOT EXISTS (SELECT 1 FROM jobs l WHERE l.server = ?1 AND l.state = 'leased')
            AND (j.verb IN ('cancel', 'ping') OR (?6 = 0
              AND NOT EXISTS (SELECT 1 FROM jobs o WHERE o.project = j.project AND o.server = ?1
                AND o.state IN ('leased', 'running', 'out_of_contact') AND o.verb NOT IN ('cancel', 'ping'))
              AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.project = j.project AND d.id IS NOT j.deployment
                AND d.state IN ('preparing', 'building', 'starting', 'migrating', 'checking', 'switching', 'observing',
                 'out_of_contact'))
              AND NOT EXISTS (SELECT 1 FROM deployment_parts q JOIN deployments d ON d.id = q.deployment
                JOIN projects p ON p.id = d.project JOIN servers s ON s.id = q.server
                WHERE q.deployment = j.deployment AND q.state = 'waiting' AND d.state = 'queued'
                  AND p.server_policy = 'all' AND s.state <> 'online')))
          ORDER BY j.verb = 'cancel' DESC, j.id LIMIT 1)
        RETURNING id",
        request.server,
        request.lease,
        request.expires_at,
        request.now,
        request.last_sequence,
        request.paused
    )
}

/// What an envelope is made of: the job, its deployment, the project as it is set up now, its environment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Materials {
    pub(crate) id: JobId,
    pub(crate) project: Option<ProjectId>,
    pub(crate) verb: String,
    /// JSON of [`Arguments`].
    pub(crate) arguments: String,
    pub(crate) attempt: u32,
    pub(crate) sequence: i64,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) trigger_kind: Option<Trigger>,
    pub(crate) ref_name: Option<RefName>,
    pub(crate) commit_sha: Option<GitSha>,
    pub(crate) target: Option<DeploymentId>,
    pub(crate) force: Option<i64>,
    pub(crate) slug: Option<Slug>,
    /// JSON of `ProjectSettings`.
    pub(crate) settings: Option<String>,
    pub(crate) environment_version: Option<u32>,
    /// The environment, encrypted at rest.
    pub(crate) environment: Option<String>,
    /// The access token for the repository, encrypted at rest.
    pub(crate) repository_token: Option<String>,
    /// The runner's X25519 key, base64.
    pub(crate) sealing_key: Option<String>,
    /// Which of several servers of its deployment it is; 0 is the first.
    pub(crate) position: Option<u32>,
    /// The newest signed segment of the audit trail, JSON of the envelope.
    pub(crate) segment: Option<String>,
}

fn materials(server: &ServerId, lease: &str) -> Statement {
    statement!(
        "-- lease_materials
        SELECT j.id, j.project, j.verb, j.arguments, j.attempt, j.sequence, j.deployment, d.trigger_kind,
          d.ref_name, d.commit_sha, d.target, d.force, p.slug, p.settings, p.environment_version,
          e.sealed AS environment, t.sealed AS repository_token, s.sealing_key, (SELECT q.position FROM deployment_parts q
            WHERE q.deployment = j.deployment AND q.server = j.server) AS position,
          (SELECT a.envelope FROM audit_segments a WHERE a.last = (SELECT max(last) FROM audit_segments)) AS segment
        FROM jobs j JOIN servers s ON s.id = j.server
        LEFT JOIN deployments d ON d.id = j.deployment
        LEFT JOIN projects p ON p.id = j.project
        LEFT JOIN environments e ON e.project = p.id AND e.version = p.environment_version
        LEFT JOIN repository_tokens t ON t.owner = coalesce(j.project, j.id)
        WHERE j.server = ?1 AND j.state = 'leased' AND j.lease = ?2",
        server,
        lease
    )
}

/// An envelope that waits for its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct UnacknowledgedRow {
    pub(crate) id: JobId,
    /// JSON of the envelope.
    pub(crate) envelope: String,
}

/// Keeps the signed envelope of a lease. Changes one row exactly where the lease still holds.
pub(crate) fn store_envelope(job: &JobId, lease: &str, envelope: &str) -> Statement {
    statement!(
        "-- lease_store_envelope
        UPDATE jobs SET envelope = ?3 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
        job,
        lease,
        envelope
    )
}

/// Servers with leases that ran out, for the cron trigger: their next poll may be far away.
pub(crate) fn servers_with_queued_jobs() -> Statement {
    statement!(
        "-- lease_servers_with_queued_jobs
        SELECT DISTINCT j.server AS id FROM jobs j
        WHERE j.state = 'queued' LIMIT 200"
    )
}

/// The same as the first statement of [`lease`], for all servers.
pub(crate) fn release_all_expired(now: UnixMillis) -> Statement {
    statement!(
        "-- lease_release_all
        UPDATE jobs SET state = 'queued', lease = NULL, lease_expires_at = NULL, leased_at = NULL, envelope = NULL
        WHERE state = 'leased' AND lease_expires_at <= ?1",
        now
    )
}
