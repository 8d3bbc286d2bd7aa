//! Deployments as two of them are compared.

use super::deployments::{DeploymentRow, Kind, rows};
use super::{Statement, statement};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId};
use serde::Deserialize;

/// A deployment with the packages that its lock files name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ComparedRow {
    #[serde(flatten)]
    pub(crate) deployment: DeploymentRow,
    /// JSON of `LockedPackages`.
    pub(crate) packages: Option<String>,
}

/// One deployment of a project, to compare it with another.
pub(crate) fn compared(project: &ProjectId, id: &DeploymentId) -> Statement {
    statement!(
        rows!(
            "deployments_compared",
            ", d.packages",
            "WHERE d.id = ?2 AND d.project = ?1"
        ),
        project,
        id
    )
}

/// A deployment that can be chosen to compare another one with it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ChoiceRow {
    pub(crate) id: DeploymentId,
    pub(crate) kind: Kind,
    pub(crate) state: DeploymentState,
    pub(crate) commit_sha: Option<GitSha>,
    pub(crate) subject: Option<String>,
}

/// The newest deployments of a project, newest first.
pub(crate) fn choices(project: &ProjectId) -> Statement {
    statement!(
        "-- deployments_choices
        SELECT id, kind, state, commit_sha, subject FROM deployments WHERE project = ?1 ORDER BY id DESC LIMIT 40",
        project
    )
}
