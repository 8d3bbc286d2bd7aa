//! Signed jobs: what the edge may ask of a runner. The verbs are a closed set; there is none that runs a command
//! outside a project's containers.

use crate::dsse::{Envelope, EnvelopeError};
use crate::id::{DeploymentId, JobId, ProjectId, ServerId};
use crate::project::{Limits, ProjectSpec};
use crate::release::SignedRelease;
use crate::seal::Sealed;
use crate::text::{GitSha, RefName, RepositoryUrl, Slug, StepName};
use crate::time::UnixMillis;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// DSSE payload type of a job.
pub const PAYLOAD_TYPE: &str = "application/vnd.devflow.job.v1+json";

/// A job as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`crate::VERSION`] of the sender.
    pub version: u16,
    /// The job.
    pub id: JobId,
    /// The only server that may do it.
    pub server: ServerId,
    /// The project it is about, if any.
    pub project: Option<ProjectId>,
    /// Orders the jobs of a server; grows, with gaps.
    pub sequence: i64,
    /// 1 for the first attempt. Effects are deduplicated by (job, attempt).
    pub attempt: u32,
    /// Names this lease; acknowledgement and completion must carry it.
    pub lease: String,
    /// Not to be started before.
    pub not_before: UnixMillis,
    /// Not to be started after.
    pub expires_at: UnixMillis,
    /// The newest signed segment of the audit trail when the job was signed: the runner is to witness it (see
    /// [`crate::witness`]). Nobody on the way can keep it back, as they could with the one of a poll's answer. None before
    /// the first segment, and for a runner that does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Envelope>,
    /// What to do.
    pub work: Work,
}

/// What a runner can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "verb",
    content = "arguments",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum Work {
    /// Make a release of a commit and switch to it.
    Deploy(Box<Deploy>),
    /// Switch back to a release that is kept.
    Rollback(Box<Rollback>),
    /// End a deployment that has not been switched yet.
    Cancel(Cancel),
    /// Stop a project's containers; visitors get 503.
    Stop(ProjectOnly),
    /// Start, or restart, a project's containers from the live release.
    Restart(Restart),
    /// Run another number of workers in the live release, with other limits.
    Scale(Box<Scale>),
    /// Remove a project's containers, vhost and releases. Shared files and database stay unless `purge`.
    RemoveProject(RemoveProject),
    /// Answer; shows that the way to the runner works.
    Ping(Ping),
    /// Look what a repository is, without running anything of it.
    Inspect(Inspect),
    /// Put the runner of a release in this runner's own place.
    Update(Box<Update>),
}

impl Work {
    /// The verb as it is written.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Rollback(_) => "rollback",
            Self::Cancel(_) => "cancel",
            Self::Stop(_) => "stop",
            Self::Restart(_) => "restart",
            Self::Scale(_) => "scale",
            Self::RemoveProject(_) => "remove_project",
            Self::Ping(_) => "ping",
            Self::Inspect(_) => "inspect",
            Self::Update(_) => "update",
        }
    }
}

/// Why a deployment was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A push. Ends as superseded where a newer commit of the ref is live already.
    Push,
    /// A person or an API client.
    Manual,
    /// A delivery that a person replayed.
    Replay,
    /// A push that no webhook told of: its server found it in the repository. Superseded as a push is.
    Found,
}

/// Arguments of [`Work::Deploy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The deployment, and the name of the release.
    pub deployment: DeploymentId,
    /// Why.
    pub trigger: Trigger,
    /// The ref to follow.
    pub ref_name: RefName,
    /// The commit; None takes the ref's tip.
    pub commit: Option<GitSha>,
    /// The project as it is set up now.
    pub spec: ProjectSpec,
    /// The environment for this release.
    pub environment: SealedEnvironment,
    /// What the repository asks for, sealed for [`crate::repository::repository_token_context`]; None where it is fetched
    /// by the server's key, or by anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_token: Option<Sealed>,
}

/// A project's environment, readable by one runner only: the JSON of [`crate::project::Environment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedEnvironment {
    /// Which version of the project's environment.
    pub version: u32,
    /// Sealed for [`environment_context`].
    pub sealed: Sealed,
}

/// The context that an environment is sealed for.
pub fn environment_context(project: &ProjectId, version: u32) -> String {
    format!("environment/{project}/{version}")
}

/// Arguments of [`Work::Rollback`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// The deployment that does the switching back.
    pub deployment: DeploymentId,
    /// The release to switch to.
    pub release: DeploymentId,
    /// Go back even where a destructive migration lies between.
    pub force: bool,
    /// The project as it is set up now.
    pub spec: ProjectSpec,
}

/// Arguments of [`Work::Cancel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The job to end.
    pub job: JobId,
}

/// Arguments of [`Work::Stop`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectOnly {
    /// The project's folder.
    pub slug: Slug,
}

/// Arguments of [`Work::Restart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The project's folder.
    pub slug: Slug,
    /// The only part that is started anew; None for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Part>,
}

/// A part of a project that runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "part", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// What answers visitors: PHP-FPM, or the containers of a Dockerfile.
    Web,
    /// The processes of a worker.
    Worker {
        /// Its name in the project's settings.
        name: StepName,
    },
}

/// Arguments of [`Work::Scale`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The project's folder.
    pub slug: Slug,
    /// How many of each worker. One that the live release does not have comes with the next deployment.
    pub workers: Vec<WorkerCount>,
    /// What the containers may use from now on.
    pub limits: Limits,
}

/// How many of a worker run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerCount {
    /// Its name in the project's settings.
    pub name: StepName,
    /// 0 lets it rest.
    pub count: u8,
}

/// Arguments of [`Work::RemoveProject`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveProject {
    /// The project's folder.
    pub slug: Slug,
    /// Also remove shared files and database.
    pub purge: bool,
}

/// Arguments of [`Work::Ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {}

/// Arguments of [`Work::Inspect`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspect {
    /// Where the code comes from.
    pub repository: RepositoryUrl,
    /// The ref whose tip is looked at.
    pub ref_name: RefName,
    /// As [`Deploy::repository_token`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_token: Option<Sealed>,
}

/// Arguments of [`Work::Update`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// What to fetch from the edge. The edge that signs the job cannot sign this.
    pub release: SignedRelease,
}

/// Why a job is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The envelope is not trusted.
    #[error("the job's envelope is refused: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The sender speaks another version.
    #[error("the job has version {0}, this side speaks {version}; update the older side", version = crate::VERSION)]
    Version(u16),
    /// The payload is not a job of this version: unknown verb or field, or a bad value.
    #[error("the job cannot be read: {0}")]
    Parse(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u16,
}

impl Job {
    /// Signs the job.
    pub fn sign(&self, key: &SigningKey) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope::sign(PAYLOAD_TYPE, &serde_json::to_vec(self)?, key))
    }

    /// Verifies an envelope and then reads the job in it.
    pub fn open<'k>(
        envelope: &Envelope,
        trusted: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Self, JobError> {
        let payload = envelope.verify(PAYLOAD_TYPE, trusted)?;
        let VersionOnly { version } = serde_json::from_slice(&payload)?;
        if version != crate::VERSION {
            return Err(JobError::Version(version));
        }
        Ok(serde_json::from_slice(&payload)?)
    }
}
