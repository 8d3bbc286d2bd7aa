//! What a runner tells while it works: numbered events, sent in batches until they are acknowledged.

use crate::text::{GitSha, StepName};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Where a deployment stands. The names are those of the database and of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Waits for its server or for its project's running deployment.
    Queued,
    /// Fetch and checkout.
    Preparing,
    /// Dependencies, front-end build, framework preparation.
    Building,
    /// The new container starts and boots.
    Starting,
    /// The database is migrated.
    Migrating,
    /// The new release is asked whether it is ready.
    Checking,
    /// `current` is moved.
    Switching,
    /// The new release serves and is watched.
    Observing,
    /// The release is live.
    Live,
    /// It failed before the switch; the old release serves.
    Failed,
    /// It turned bad after the switch; the old release serves again.
    RolledBack,
    /// A person ended it.
    Cancelled,
    /// A newer push took its place.
    Superseded,
    /// Its runner has been silent since it took the job.
    OutOfContact,
}

impl DeploymentState {
    /// All states, in the order of a deployment's life.
    pub const ALL: [Self; 14] = [
        Self::Queued,
        Self::Preparing,
        Self::Building,
        Self::Starting,
        Self::Migrating,
        Self::Checking,
        Self::Switching,
        Self::Observing,
        Self::Live,
        Self::Failed,
        Self::RolledBack,
        Self::Cancelled,
        Self::Superseded,
        Self::OutOfContact,
    ];

    /// The name in the database, on the wire and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Building => "building",
            Self::Starting => "starting",
            Self::Migrating => "migrating",
            Self::Checking => "checking",
            Self::Switching => "switching",
            Self::Observing => "observing",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::OutOfContact => "out_of_contact",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One thing that happened in a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Counts from 1 within the job, without gaps.
    pub n: u64,
    /// When, by the edge's clock as the runner knows it.
    pub at: UnixMillis,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Happening {
    /// The deployment has a new state.
    State {
        /// The new state: one of the running states.
        state: DeploymentState,
    },
    /// The ref was resolved to this commit.
    Commit {
        /// The commit.
        sha: GitSha,
        /// Its subject line, cut to 200 characters.
        subject: String,
        /// Its author's name.
        author: String,
    },
    /// A step began.
    StepStarted {
        /// Its name.
        step: StepName,
    },
    /// A step ended.
    StepFinished {
        /// Its name.
        step: StepName,
        /// How.
        outcome: StepOutcome,
        /// How long it took, in milliseconds.
        ms: u64,
    },
    /// A line of output of a step, secrets masked.
    Output {
        /// The step that printed it.
        step: StepName,
        /// Where to.
        stream: Stream,
        /// The line, without its end.
        text: String,
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Well.
    Ok,
    /// Nothing to do: its files are not there, or the cache had its result.
    Skipped,
    /// Badly; the deployment ends.
    Failed,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The runner itself.
    Runner,
}
