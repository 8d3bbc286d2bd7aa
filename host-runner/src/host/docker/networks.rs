//! Networks of projects and releases.

use super::description::ROOT;
use super::{Docker, status, words};
use crate::host::error::{HostError, Result};
use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest};
use std::collections::HashMap;

impl Docker {
    /// Makes a user-defined bridge of that name unless it is there.
    ///
    /// # Errors
    /// The engine refuses, for example because its address pools are used up.
    pub(crate) async fn ensure_network(&self, name: &str) -> Result<()> {
        let client = self.client().await?;
        if client.inspect_network(name, None).await.is_ok() {
            return Ok(());
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".into()),
            labels: Some(HashMap::from([(ROOT.to_owned(), self.root.clone())])),
            ..Default::default()
        };
        match client.create_network(request).await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(409) => Ok(()),
            Err(error) => Err(HostError::because(
                format!("make the network `{name}` (`host-runner doctor` checks Docker's address pools)"),
                words(&error),
            )),
        }
    }

    /// Removes a network; one that is not there is fine.
    ///
    /// # Errors
    /// A container is still attached.
    pub(crate) async fn remove_network(&self, name: &str) -> Result<()> {
        match self.client().await?.remove_network(name).await {
            Ok(()) => Ok(()),
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => Err(HostError::because(
                format!("remove the network `{name}`"),
                words(&error),
            )),
        }
    }

    /// Connects a container that does not run yet to a further network, in which others reach it as `alias`.
    pub(super) async fn join(&self, container: &str, network: &str, alias: &str) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings {
                aliases: Some(vec![alias.to_owned()]),
                ..Default::default()
            }),
        };
        let joined = self.client().await?.connect_network(network, request).await;
        joined.map_err(|error| {
            HostError::because(
                format!("connect the container `{container}` to the network `{network}`"),
                words(&error),
            )
        })
    }
}
