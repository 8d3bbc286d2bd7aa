//! How a job ended, as the runner reports it.

use crate::id::DeploymentId;
use crate::inspection::Inspection;
use crate::limits::PACKAGES_TOLD;
use crate::project::Framework;
use crate::text::{ComposeName, GitSha, ImageRef, PackageLabel, PhpVersion, StepName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What serves now, as the reason of a failure says it at its end: the release before is untouched,
pub const SERVES_ON: &str = "the release before it serves on";
/// it was switched back to,
pub const SERVES_AGAIN: &str = "the release before it serves again";
/// or there is none.
pub const SERVES_NOTHING: &str = "there is no release before it";

/// The reason of a failure without what serves now, for whoever says that in words of their own.
pub fn cause(reason: &str) -> &str {
    let ends = [SERVES_ON, SERVES_AGAIN, SERVES_NOTHING];
    ends.iter()
        .find_map(|end| reason.strip_suffix(end)?.strip_suffix("; "))
        .unwrap_or(reason)
}

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
    /// The kind of application; None where the runner did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<Framework>,
    /// PHP's version; None where the runner did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub php: Option<PhpVersion>,
    /// In how many milliseconds the health path answered through the web server while the release was watched: as many
    /// answers took longer as took less. None where none was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<u32>,
    /// What its lock files name.
    #[serde(default, skip_serializing_if = "LockedPackages::is_empty")]
    pub packages: LockedPackages,
    /// The services of its compose file, in the order in which they are started; empty where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceTold>,
}

/// A service of a release's compose file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceTold {
    /// Its name.
    pub name: ComposeName,
    /// How it is run.
    pub kind: ServiceKind,
    /// The image that it names; None where it is built from the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
}

/// How a service of a compose file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// Visitors reach it; each release has its own.
    Web,
    /// Runs beside it; each release has its own.
    Release,
    /// Belongs to the project, and goes on from release to release.
    Kept,
    /// Runs once for each release, before what waits for it.
    Task,
}

/// The packages of a release by name, each with its version. At most [`PACKAGES_TOLD`] of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LockedPackages {
    /// Composer's, without those for development.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub composer: BTreeMap<PackageLabel, PackageLabel>,
    /// Those of npm that `package.json` itself asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub npm: BTreeMap<PackageLabel, PackageLabel>,
}

impl LockedPackages {
    /// True where nothing is named.
    pub fn is_empty(&self) -> bool {
        self.composer.is_empty() && self.npm.is_empty()
    }

    /// Leaves out what is beyond [`PACKAGES_TOLD`], in the order of names.
    #[must_use]
    pub fn bounded(self) -> Self {
        let bound = |list: BTreeMap<_, _>| list.into_iter().take(PACKAGES_TOLD).collect();
        Self {
            composer: bound(self.composer),
            npm: bound(self.npm),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_leaves_out_what_serves_now() {
        for end in [SERVES_ON, SERVES_AGAIN, SERVES_NOTHING] {
            assert_eq!(
                cause(&format!("step `ready` failed: no; {end}")),
                "step `ready` failed: no"
            );
        }
        for whole in ["nothing was changed", "", SERVES_ON] {
            assert_eq!(cause(whole), whole);
        }
    }

    #[test]
    fn bounded_leaves_out_the_last_names() {
        let label = |text: String| text.parse::<PackageLabel>().expect("a label");
        let many =
            |count: usize| (0..count).map(|n| (label(format!("acme/p{n:04}")), label("1.0".to_owned())));
        let packages = LockedPackages {
            composer: many(PACKAGES_TOLD + 1).collect(),
            npm: many(3).collect(),
        };
        let bounded = packages.clone().bounded();
        assert_eq!(bounded.composer.len(), PACKAGES_TOLD);
        assert!(
            !bounded
                .composer
                .contains_key(&label(format!("acme/p{PACKAGES_TOLD:04}")))
        );
        assert_eq!(bounded.npm, packages.npm);
    }
}
