//! How a job ended, as the runner reports it.

use crate::id::DeploymentId;
use crate::inspection::Inspection;
use crate::text::{GitSha, StepName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The end of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It is done. For a deployment: the release is live.
    Succeeded {
        /// What the release is made of; None for other jobs.
        manifest: Option<Manifest>,
    },
    /// A repository was looked at.
    Inspected {
        /// What was found.
        inspection: Inspection,
    },
    /// It failed, and nothing changed for visitors.
    Failed {
        /// The step, where one is to name.
        step: Option<StepName>,
        /// One sentence: what failed and what to do.
        reason: String,
    },
    /// The release turned bad after the switch and the one before serves again.
    RolledBack {
        /// One sentence.
        reason: String,
    },
    /// A person ended it before the switch.
    Cancelled,
    /// A newer commit of the ref is live or queued.
    Superseded {
        /// One sentence.
        reason: String,
    },
    /// The server's policy, or its journal, does not allow it.
    Refused {
        /// One sentence: what is forbidden and where it is set.
        reason: String,
    },
}

/// What a release is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The release.
    pub release: DeploymentId,
    /// The commit it was made of.
    pub commit: GitSha,
    /// The image's content id, `sha256:…`.
    pub image_digest: String,
    /// The environment's version.
    pub environment_version: u32,
    /// Migrations that the application has applied, in order; empty where it has none.
    pub migrations: Vec<String>,
    /// Those of them that older code may not get on with, each with the statement that says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destructive: BTreeMap<String, String>,
    /// How long each step took.
    pub steps: Vec<StepTime>,
}

/// How long a step took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepTime {
    /// The step.
    pub step: StepName,
    /// Milliseconds.
    pub ms: u64,
}
