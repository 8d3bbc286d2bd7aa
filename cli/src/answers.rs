//! What the command uses of the API's answers. What else is in them is for `--json`.

use crate::edge::{Edge, decode};
use crate::failure::Failure;
use devflow_domain::deployment::is_final;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId, UnixMillis};
use serde::Deserialize;
use serde_json::Value;

/// A project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: ProjectId,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) branch: String,
    pub(crate) repository: String,
    pub(crate) domains: Vec<String>,
    pub(crate) server_name: String,
    pub(crate) server_state: String,
    /// Servers beside that one.
    #[serde(default)]
    pub(crate) further_servers: usize,
    pub(crate) live_deployment: Option<DeploymentId>,
    pub(crate) kept_releases: Vec<DeploymentId>,
    pub(crate) last_deployment: Option<LastDeployment>,
}

/// The newest deployment of a project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LastDeployment {
    pub(crate) id: DeploymentId,
    pub(crate) state: String,
    pub(crate) commit: Option<GitSha>,
    pub(crate) subject: Option<String>,
    pub(crate) queued_at: UnixMillis,
    pub(crate) finished_at: Option<UnixMillis>,
}

/// A deployment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: DeploymentId,
    pub(crate) state: String,
    pub(crate) commit: Option<GitSha>,
    pub(crate) subject: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) queued_at: UnixMillis,
    pub(crate) finished_at: Option<UnixMillis>,
}

impl Deployment {
    /// The deployment of that id.
    pub(crate) fn get(edge: &Edge, id: &DeploymentId) -> Result<(Self, Value), Failure> {
        let body = edge.get(&format!("/deployments/{id}"))?;
        Ok((decode(body.clone())?, body))
    }
}

/// A piece of a deployment's output.
#[derive(Debug, Deserialize)]
pub(crate) struct Output {
    /// Which attempt the events are of; 0 before the first.
    pub(crate) attempt: u32,
    pub(crate) events: Vec<Value>,
    pub(crate) last: u64,
    /// The deployment's state, read before the events.
    pub(crate) state: String,
}

impl Output {
    /// True when no more events will come after these.
    pub(crate) fn is_last(&self) -> bool {
        self.events.is_empty() && is_over(&self.state)
    }
}

/// A server.
#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) state_at: UnixMillis,
    pub(crate) projects: u32,
    pub(crate) facts: Option<Facts>,
}

/// What a server's machine is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Facts {
    pub(crate) os: String,
    pub(crate) cpus: u16,
    pub(crate) memory_mib: u64,
    pub(crate) runner_version: String,
}

/// A job.
#[derive(Debug, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) outcome: Option<End>,
}

impl Job {
    /// True when it does not change any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "done" | "abandoned")
    }
}

/// How a job ended.
#[derive(Debug, Deserialize)]
pub(crate) struct End {
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
}

/// True where a deployment does not change any more. A state that only a newer edge knows is not taken for an end.
pub(crate) fn is_over(state: &str) -> bool {
    DeploymentState::from_name(state).is_some_and(is_final)
}
