//! What the API shows of a deployment, also of one on several servers.

use super::stored::Stored;
use crate::store::deployments::{DeploymentRow, Kind, StepRow};
use crate::store::parts::PartRow;
use devflow_domain::targets::PartState;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::job::Trigger;
use devflow_protocol::outcome::Manifest;
use devflow_protocol::text::{GitSha, RefName};
use devflow_protocol::{DeliveryId, DeploymentId, ProjectId, ServerId, UnixMillis};
use serde::Serialize;

/// A deployment.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Deployment {
    id: DeploymentId,
    project: ProjectId,
    /// Of several servers the one at work, and the first one when it is over.
    server: ServerId,
    state: DeploymentState,
    kind: Kind,
    trigger: Trigger,
    r#ref: RefName,
    /// Why it ended as it did, in a sentence.
    reason: Option<String>,
    commit: Option<GitSha>,
    /// The first line of the commit's message.
    subject: Option<String>,
    author: Option<String>,
    delivery: Option<DeliveryId>,
    /// The release that a rollback goes back to.
    target: Option<DeploymentId>,
    queued_at: UnixMillis,
    started_at: Option<UnixMillis>,
    finished_at: Option<UnixMillis>,
    /// What `server` does, in the order in which it began.
    steps: Vec<StepRow>,
    /// Server by server, in their order; empty where the project has one. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    servers: Option<Vec<DeploymentPart>>,
    /// What the release is made of, once it was live.
    manifest: Stored<Manifest>,
}

impl From<DeploymentRow> for Deployment {
    fn from(row: DeploymentRow) -> Self {
        Self {
            steps: row.steps(),
            servers: None,
            manifest: Stored::new(row.manifest.as_deref()),
            id: row.id,
            project: row.project,
            server: row.server,
            state: row.state,
            kind: row.kind,
            trigger: row.trigger_kind,
            r#ref: row.ref_name,
            reason: row.reason,
            commit: row.commit_sha,
            subject: row.subject,
            author: row.author,
            delivery: row.delivery,
            target: row.target,
            queued_at: row.queued_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

impl Deployment {
    /// With what it does server by server.
    pub(super) fn on(row: DeploymentRow, parts: Vec<PartRow>) -> Self {
        let servers = parts.into_iter().map(|part| DeploymentPart {
            state: part.state_in(row.state),
            steps: part.steps_in(&row),
            server: part.server,
            name: part.name,
            reason: part.reason,
            started_at: part.started_at,
            finished_at: part.finished_at,
        });
        Self {
            servers: Some(servers.collect()),
            ..row.into()
        }
    }
}

/// A deployment on one of several servers.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DeploymentPart {
    server: ServerId,
    name: String,
    state: PartState,
    /// Why it stands as it does there, where it is not well.
    reason: Option<String>,
    /// When its turn began.
    started_at: Option<UnixMillis>,
    finished_at: Option<UnixMillis>,
    /// In the order in which they began.
    steps: Vec<StepRow>,
}
