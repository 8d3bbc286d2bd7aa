//! What the JSON API and the pages both do: each function checks, asks `domain`, writes one batch and signals.

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod bodies;
pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod endpoints;
pub(crate) mod envelope;
pub(crate) mod environments;
pub(crate) mod host_names;
pub(crate) mod inspections;
pub(crate) mod invitations;
pub(crate) mod keys;
pub(crate) mod outgoing;
pub(crate) mod output;
pub(crate) mod parts;
pub(crate) mod people;
pub(crate) mod polls;
pub(crate) mod projects;
pub(crate) mod reencryption;
pub(crate) mod releases;
pub(crate) mod reports;
pub(crate) mod repository_tokens;
pub(crate) mod servers;
pub(crate) mod standing;
pub(crate) mod targets;
pub(crate) mod updates;

use crate::error::ApiError;

/// The topic of everything that the overview shows.
pub(crate) const FLEET: &str = "fleet";

/// A name without the spaces around it, of 1 to `most` characters.
pub(crate) fn check_name<'n>(name: &'n str, most: usize, refusal: &str) -> Result<&'n str, ApiError> {
    let name = name.trim();
    if (1..=most).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    Err(ApiError::invalid("name", refusal))
}

/// The topics that a change of a project's deployment touches.
pub(crate) fn topics(
    project: Option<&devflow_protocol::ProjectId>,
    deployment: Option<&devflow_protocol::DeploymentId>,
) -> Vec<String> {
    let project = project.map(|project| format!("project:{project}"));
    let deployment = deployment.map(|deployment| format!("deployment:{deployment}"));
    [Some(FLEET.to_owned()), project, deployment]
        .into_iter()
        .flatten()
        .collect()
}
