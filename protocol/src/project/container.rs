//! What a project of containers is made of.

use crate::text::{ComposeName, RelPath};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The containers that visitors reach, and what their image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ContainerSpec {
    /// The Dockerfile inside the repository; the whole repository is what it builds from. Not looked at where a compose file
    /// says what is built.
    pub dockerfile: RelPath,
    /// The port on which the application speaks HTTP inside its container.
    pub port: u16,
    /// How many containers share the requests.
    pub replicas: u8,
    /// The compose file that says what they are, and what runs beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<ComposeSpec>,
}

/// A compose file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComposeSpec {
    /// Its path inside the repository. None for the first that is there of `compose.yaml`, `compose.yml`,
    /// `docker-compose.yaml` and `docker-compose.yml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<RelPath>,
    /// The service that visitors reach.
    pub service: ComposeName,
}

impl ContainerSpec {
    /// The numbers of the containers, from 1. There is always one.
    pub fn numbers(&self) -> RangeInclusive<u8> {
        1..=self.replicas.max(1)
    }
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self {
            dockerfile: "Dockerfile".parse().expect("it is a relative path"),
            port: 8080,
            replicas: 1,
            compose: None,
        }
    }
}
