//! What the API shows of a row. The schemas of its document are derived from these very types.

pub(super) use super::deployed::Deployment;
use super::stored::Stored;
use crate::hub::Contact;
use crate::service::servers::Invitation;
use crate::store::StoreError;
use crate::store::cards::ProjectCard;
use crate::store::deliveries::DeliveryRow;
use crate::store::deployments::DeploymentRow;
use crate::store::jobs::JobRow;
use crate::store::projects::{ProjectRow, ProjectState};
use crate::store::servers::{ServerRow, ServerState};
use crate::store::targets::TargetRow;
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::Policy;
use devflow_domain::webhook::{Event, Provider};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::{ServerFacts, ServerLoad};
use devflow_protocol::text::{GitSha, Slug};
use devflow_protocol::{DeliveryId, DeploymentId, HookId, JobId, ProjectId, ServerId, UnixMillis};
use serde::Serialize;

/// A server.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Server {
    id: ServerId,
    name: String,
    state: ServerState,
    /// When `state` became what it is.
    state_at: UnixMillis,
    /// What the machine is; null before it was enrolled.
    facts: Stored<ServerFacts>,
    /// How many projects it has.
    projects: i64,
    /// Since when nothing new is deployed there; null where it is.
    draining_since: Option<UnixMillis>,
    /// When its runner was heard of last; null where that is not known at the moment.
    heard_at: Option<UnixMillis>,
    /// When an answer reached its runner last, as that said then; null where that is not known at the moment.
    answered_at: Option<UnixMillis>,
    /// How busy it was then.
    load: Option<ServerLoad>,
    /// Which job key its runner trusts, as it said last: the first 32 hex digits of the fingerprint. Null where it said nothing.
    job_key: Option<String>,
    /// Short names of projects that are on it and not known here.
    unknown_projects: Vec<String>,
    created_at: UnixMillis,
    enrolled_at: Option<UnixMillis>,
}

impl From<ServerRow> for Server {
    fn from(row: ServerRow) -> Self {
        Self {
            facts: Stored::new(row.facts.as_deref()),
            id: row.id,
            name: row.name,
            state: row.state,
            state_at: row.state_at,
            projects: row.projects,
            draining_since: row.draining_since,
            heard_at: None,
            answered_at: None,
            load: None,
            job_key: row.job_key,
            unknown_projects: row
                .unknown_projects
                .as_deref()
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            created_at: row.created_at,
            enrolled_at: row.enrolled_at,
        }
    }
}

impl Server {
    /// With what was last heard of it.
    pub(super) fn heard(self, contact: Option<&Contact>) -> Self {
        Self {
            heard_at: contact.map(|contact| contact.at),
            answered_at: contact.and_then(|contact| contact.told.answered_at),
            load: contact.and_then(|contact| contact.told.load),
            ..self
        }
    }
}

/// What enrols a server. The token is shown this once.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Enrolment {
    /// One use, one hour.
    token: String,
    /// Of the key that signs jobs, to compare with what the runner pins.
    fingerprint: String,
    expires_at: UnixMillis,
    /// To be run on the server.
    command: String,
}

impl From<Invitation> for Enrolment {
    fn from(invitation: Invitation) -> Self {
        Self {
            token: invitation.token.to_string(),
            fingerprint: invitation.fingerprint,
            expires_at: invitation.expires_at,
            command: invitation.command,
        }
    }
}

/// Head and settings of a project in one object, with the names under which they are set.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Project {
    id: ProjectId,
    slug: Slug,
    name: String,
    /// Its first server.
    server: ServerId,
    /// How many servers it has beside that.
    further_servers: usize,
    server_policy: Policy,
    state: ProjectState,
    /// The branch that pushes deploy; a whole ref where it is none.
    branch: String,
    environment_version: u32,
    /// The release that serves, as its first server last reported.
    live_deployment: Option<DeploymentId>,
    /// Releases on its first server, newest first: what can be rolled back to.
    kept_releases: Vec<DeploymentId>,
    created_at: UnixMillis,
    updated_at: UnixMillis,
    #[serde(flatten)]
    settings: ProjectSettings,
}

impl TryFrom<ProjectRow> for Project {
    type Error = StoreError;

    fn try_from(row: ProjectRow) -> Result<Self, StoreError> {
        let ref_name = row.ref_name.as_str();
        Ok(Self {
            settings: row.settings()?,
            kept_releases: row.kept(),
            branch: ref_name
                .strip_prefix("refs/heads/")
                .unwrap_or(ref_name)
                .to_owned(),
            id: row.id,
            slug: row.slug,
            name: row.name,
            server: row.server,
            further_servers: row.further_servers,
            server_policy: row.server_policy,
            state: row.state,
            environment_version: row.environment_version,
            live_deployment: row.live_deployment,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// A deployment in short.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct LastDeployment {
    id: DeploymentId,
    state: Option<DeploymentState>,
    commit: Option<GitSha>,
    /// The first line of the commit's message.
    subject: Option<String>,
    queued_at: Option<UnixMillis>,
    finished_at: Option<UnixMillis>,
}

/// Where a provider sends its webhooks of a project.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) provider: Provider,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
}

/// A server of a project.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Target {
    server: ServerId,
    name: String,
    state: ServerState,
    /// The release that serves there, as its runner last reported.
    live_deployment: Option<DeploymentId>,
    /// Releases there, newest first.
    kept_releases: Vec<DeploymentId>,
}

impl From<TargetRow> for Target {
    fn from(row: TargetRow) -> Self {
        Self {
            kept_releases: row.kept(),
            server: row.server,
            name: row.name,
            state: row.state,
            live_deployment: row.live_deployment,
        }
    }
}

/// A project with its server and its newest deployment.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ProjectDetail {
    #[serde(flatten)]
    project: Project,
    server_name: String,
    server_state: ServerState,
    last_deployment: Option<LastDeployment>,
    /// All of its servers, in their order. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) targets: Option<Vec<Target>>,
    /// Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hook: Option<Hook>,
    /// Since when it has an access token for its repository, which is never shown; absent where it has none. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repository_token_since: Option<UnixMillis>,
}

impl TryFrom<ProjectCard> for ProjectDetail {
    type Error = StoreError;

    fn try_from(card: ProjectCard) -> Result<Self, StoreError> {
        let last = card.last_deployment.map(|id| LastDeployment {
            id,
            state: card.last_state,
            commit: card.last_commit,
            subject: card.last_subject,
            queued_at: card.last_queued_at,
            finished_at: card.last_finished_at,
        });
        Ok(Self {
            project: card.project.try_into()?,
            server_name: card.server_name,
            server_state: card.server_state,
            last_deployment: last,
            targets: None,
            hook: None,
            repository_token_since: None,
        })
    }
}

/// A webhook that came, with what was decided and why.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Delivery {
    id: DeliveryId,
    provider: Provider,
    hook: HookId,
    project: ProjectId,
    /// The provider's id of it.
    #[serde(rename = "delivery_id")]
    key: String,
    /// What the provider calls the event.
    event: String,
    /// What it says, in one form for all providers.
    payload: Stored<Event>,
    /// `deploy`, `ignored` or `ping`.
    decision: String,
    reason: String,
    deployments: Vec<DeploymentId>,
    received_at: UnixMillis,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            payload: Stored::new(Some(&row.event)),
            deployments: row.deployment.into_iter().collect(),
            id: row.id,
            provider: row.provider,
            hook: row.hook,
            project: row.project,
            key: row.delivery_key,
            event: row.event_name,
            decision: row.decision,
            reason: row.reason,
            received_at: row.received_at,
        }
    }
}

/// What a server is asked to do.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Job {
    id: JobId,
    server: ServerId,
    project: Option<ProjectId>,
    deployment: Option<DeploymentId>,
    /// Such as `deploy` or `ping`.
    verb: String,
    /// `queued`, `leased`, `running`, `done`, `out_of_contact` or `abandoned`.
    state: String,
    attempt: u32,
    created_at: UnixMillis,
    leased_at: Option<UnixMillis>,
    acked_at: Option<UnixMillis>,
    finished_at: Option<UnixMillis>,
    outcome: Stored<Outcome>,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            outcome: Stored::new(row.outcome.as_deref()),
            id: row.id,
            server: row.server,
            project: row.project,
            deployment: row.deployment,
            verb: row.verb,
            state: row.state,
            attempt: row.attempt,
            created_at: row.created_at,
            leased_at: row.leased_at,
            acked_at: row.acked_at,
            finished_at: row.finished_at,
        }
    }
}

/// A job that was just queued.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct QueuedJob {
    id: JobId,
    /// `queued`.
    state: &'static str,
}

/// Things under their names.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ })*) => {$(
        $(#[$doc])*
        #[derive(Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub(super) struct $name { $(pub(super) $field: $type),+ }
    )*};
}

named! {
    /// A deployment that was asked for.
    DeploymentAsked { deployment: Deployment }
    /// A job that was asked for.
    JobAsked { job: Job }
    /// A job that was queued.
    JobQueued { job: QueuedJob }
    /// How to enrol a server.
    EnrolmentMade { enrolment: Enrolment }
    /// A server that was added, and how to enrol it.
    ServerMade { server: Server, enrolment: Enrolment }
    /// A project that was made, and its hook with its secret.
    ProjectMade { project: Project, hook: Hook }
    /// The version of an environment that was just made.
    EnvironmentMade { version: u32 }
}

impl DeploymentAsked {
    pub(super) fn new(row: DeploymentRow) -> Self {
        Self {
            deployment: row.into(),
        }
    }
}

impl JobQueued {
    pub(super) fn new(id: JobId) -> Self {
        Self {
            job: QueuedJob { id, state: "queued" },
        }
    }
}
