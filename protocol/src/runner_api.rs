//! Bodies of the runner's routes. All are `POST`, JSON and signed by the runner's key (see [`crate::request`]), but
//! for [`ENROL`], which is signed with a token (see [`crate::enrol`]).
//! Errors come as problem details (RFC 9457), see [`Problem`].

use crate::dsse::Envelope;
use crate::event::Event;
use crate::id::{DeploymentId, JobId, ServerId};
use crate::keys::KnownKeys;
use crate::outcome::Outcome;
use crate::text::{GitSha, RefName, Slug};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Route of [`crate::enrol::EnrolRequest`].
pub const ENROL: &str = "/runner/v1/enrol";
/// Route of [`PollRequest`].
pub const POLL: &str = "/runner/v1/poll";
/// Route of [`AckRequest`].
pub const ACK: &str = "/runner/v1/ack";
/// Route of [`EventsRequest`].
pub const EVENTS: &str = "/runner/v1/events";
/// Route of [`CompleteRequest`].
pub const COMPLETE: &str = "/runner/v1/complete";
/// Route of [`HeadFound`].
pub const HEADS: &str = "/runner/v1/heads";

/// What a server is; shown, and used for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerFacts {
    /// Host name.
    pub hostname: String,
    /// Operating system, such as `Debian GNU/Linux 12`.
    pub os: String,
    /// Processor cores.
    pub cpus: u16,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The runner's version.
    pub runner_version: String,
    /// The public half of the key with which the runner fetches repositories, in OpenSSH's format.
    pub deploy_key: Option<String>,
}

/// How busy a server is at the moment of a poll. Shown, kept in memory only, and used for nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerLoad {
    /// Processes that ran or waited to, as the kernel's average over a minute, in thousandths.
    pub load_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Memory that programs can still get, in MiB.
    pub memory_available_mib: u64,
    /// Size of the file system of the projects' folder, in MiB.
    pub disk_mib: u64,
    /// What programs can still write there, in MiB.
    pub disk_available_mib: u64,
}

/// What the runner pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolAnswer {
    /// The server's id.
    pub server: ServerId,
    /// The edge's id, the audience of all requests.
    pub edge: String,
    /// Ed25519 public key of the edge's jobs, base64. Its fingerprint was in the enrolment command.
    pub job_key: String,
    /// The edge's time.
    pub now: UnixMillis,
}

/// Asks for the next job; held by the edge until there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollRequest {
    /// The highest sequence that the journal has seen.
    pub last_sequence: i64,
    /// Jobs in the journal whose completion the edge has not confirmed.
    pub open: Vec<OpenJob>,
    /// What the machine is; sent with the first poll of a session.
    #[serde(default)]
    pub facts: Option<ServerFacts>,
    /// How busy it is.
    #[serde(default)]
    pub load: Option<ServerLoad>,
    /// When an answer of the edge reached it last, by its clock: what `host-runner status` calls the last contact. None
    /// before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<UnixMillis>,
    /// True while the runner takes no new work (shutting down or full).
    #[serde(default)]
    pub paused: bool,
    /// Number of the segment of the audit trail that it saw last, 0 before the first. None where it keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<u64>,
    /// It reads the segments that are signed into jobs, see [`crate::job::Job::segment`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub job_segments: bool,
    /// Which keys it trusts. None where it cannot follow statements about keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KnownKeys>,
    /// A digest of what it has of its projects; another one than before means that something changed. None where it cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<String>,
    /// What it has of its projects, where the edge asked for it: what [`Self::standing`] is the digest of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<Standing>>,
}

/// A job that the runner has accepted and whose completion is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenJob {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
}

/// Answer of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollAnswer {
    /// The edge's time.
    pub now: UnixMillis,
    /// A job, or none.
    pub job: Option<Envelope>,
    /// How long to wait before the next poll, in milliseconds: 0 after a held poll or a job.
    pub wait_ms: u32,
    /// The newest signed segment of the audit trail, where it is another one than the runner saw last: it is to witness
    /// it (see [`crate::witness`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Envelope>,
    /// Statements about keys, oldest first, where the runner trusts others than the edge has (see [`crate::keys`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Envelope>,
    /// The edge knows another standing of the runner's projects: the next poll is to bring it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tell_projects: bool,
}

/// Says that a job is in the journal. Due within the lease, else the job goes back to the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// The lease token of the envelope.
    pub lease: String,
}

/// A batch of events. Idempotent by job, attempt and first number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// Consecutive events.
    pub events: Vec<Event>,
}

/// The end of a job. Idempotent by job and attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// When it ended, by the edge's clock as the runner knows it.
    pub finished_at: UnixMillis,
    /// How it ended.
    pub outcome: Outcome,
    /// The number of the last event; the edge has all up to it.
    pub last_event: u64,
    /// Where the project stands on this server now, for jobs about a project.
    pub project: Option<ProjectReport>,
}

/// The ref that a project follows is somewhere else than the runner knew: what a webhook would have told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadFound {
    /// The project's folder.
    pub slug: Slug,
    /// The ref.
    pub ref_name: RefName,
    /// The commit that it points to.
    pub commit: GitSha,
    /// The commit's message, at most [`crate::limits::COMMIT_MESSAGE_BYTES`].
    pub message: String,
    /// Its author's name, cut to 200 characters.
    pub author: String,
}

/// What is true of a project on a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectReport {
    /// The project's folder.
    pub slug: Slug,
    /// The release that `current` points to, if any.
    pub live: Option<DeploymentId>,
    /// Releases on disk, newest first: what can be rolled back to.
    pub kept: Vec<DeploymentId>,
}

/// What a server has of a project, for an edge that may know less: its database may be a copy of yesterday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The project's folder.
    pub slug: Slug,
    /// Stopped by a person.
    pub stopped: bool,
    /// The release that `current` points to, if any.
    pub live: Option<DeploymentId>,
    /// The live one and those that can be rolled back to, newest first, at most [`crate::limits::RELEASES_TOLD`].
    pub releases: Vec<KnownRelease>,
}

/// A release as its server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownRelease {
    /// The deployment that made it.
    pub deployment: DeploymentId,
    /// It was live and well: it can be rolled back to.
    pub kept: bool,
    /// The ref that it was made from.
    pub ref_name: RefName,
    /// The commit.
    pub commit: GitSha,
    /// The commit's first line.
    pub subject: String,
    /// The version of the environment that it runs with.
    pub environment_version: u32,
}

/// Answer of ack, events, complete and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The edge's time.
    pub now: UnixMillis,
    /// After events: somebody follows the output as it comes, so it is worth sending more often.
    #[serde(default)]
    pub watched: bool,
}

/// Problem details (RFC 9457), as every error of the edge is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// `about:blank#<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable name of the error, such as `clock_skew`.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// The edge's time; with `clock_skew` the runner corrects its offset by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<UnixMillis>,
}

/// Codes that a runner acts on.
pub mod code {
    /// The request's time is too far off; [`super::Problem::now`] has the edge's.
    pub const CLOCK_SKEW: &str = "clock_skew";
    /// A newer session of this server has polled: this process must stop polling.
    pub const SESSION_SUPERSEDED: &str = "session_superseded";
    /// The job is not (or no longer) this runner's: stop work that has not been switched.
    pub const LEASE_LOST: &str = "lease_lost";
}
