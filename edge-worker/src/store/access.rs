//! `project_roles`, and which project a thing belongs to.

use super::{Statement, statement};
use devflow_protocol::ProjectId;
use serde::Deserialize;

/// The project of a thing; None where it has none.
#[derive(Debug, Deserialize)]
pub(crate) struct ProjectOf {
    pub(crate) project: Option<ProjectId>,
}

/// The project of a deployment.
pub(crate) fn project_of_deployment(id: &str) -> Statement {
    statement!(
        "-- access_project_of_deployment\nSELECT project FROM deployments WHERE id = ?1",
        id
    )
}

/// The project of a delivery.
pub(crate) fn project_of_delivery(id: &str) -> Statement {
    statement!(
        "-- access_project_of_delivery\nSELECT project FROM deliveries WHERE id = ?1",
        id
    )
}

/// The project of a job.
pub(crate) fn project_of_job(id: &str) -> Statement {
    statement!(
        "-- access_project_of_job\nSELECT project FROM jobs WHERE id = ?1",
        id
    )
}

/// The project of an endpoint; one of all projects has none.
pub(crate) fn project_of_endpoint(id: &str) -> Statement {
    statement!(
        "-- access_project_of_endpoint\nSELECT project FROM endpoints WHERE id = ?1",
        id
    )
}
