//! What a runner finds in a repository without running anything of it: facts, from which the edge proposes settings.

use crate::text::{ComposeName, EnvName, GitSha, RelPath};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Paths whose being there tells what a repository is.
pub const FILES: [&str; 14] = [
    ENV_EXAMPLE,
    DOCKERFILE,
    "artisan",
    "bin/console",
    COMPOSE[0],
    COMPOSE[1],
    COMPOSER,
    "composer.lock",
    COMPOSE[2],
    COMPOSE[3],
    "index.php",
    PACKAGE,
    "public/index.php",
    "server.php",
];
/// Read for its name, its requirements and nothing else.
pub const COMPOSER: &str = "composer.json";
/// Read for its scripts' names.
pub const PACKAGE: &str = "package.json";
/// Read for the names in it.
pub const ENV_EXAMPLE: &str = ".env.example";
/// Read for the port that it exposes.
pub const DOCKERFILE: &str = "Dockerfile";
/// Names of a compose file, the one that is taken first. The first that is there is read for its services.
pub const COMPOSE: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];
/// The files that are read.
pub const READ: [&str; 8] = [
    COMPOSER,
    PACKAGE,
    ENV_EXAMPLE,
    DOCKERFILE,
    COMPOSE[0],
    COMPOSE[1],
    COMPOSE[2],
    COMPOSE[3],
];
/// Most of a file that is read, in bytes; one that is larger is as if it could not be read.
pub const FILE_BYTES: usize = 256 * 1024;
/// Most names of variables, and most required packages.
pub const LIST_ITEMS: usize = 300;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Inspection {
    /// The commit that was looked at.
    pub commit: GitSha,
    /// Those of [`FILES`] that are there.
    pub files: Vec<String>,
    /// What `composer.json` requires: packages and their versions, each cut to 100 characters.
    pub requires: BTreeMap<String, String>,
    /// True where `package.json` has a script `build`.
    pub builds_assets: bool,
    /// The port that its Dockerfile exposes, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The services of its compose file, where it has one that can be deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compose: Option<ComposeFound>,
    /// The names in `.env.example`, in its order.
    pub env_names: Vec<EnvName>,
    /// One sentence for each file that could not be read.
    pub unreadable: Vec<String>,
}

/// A compose file that can be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ComposeFound {
    /// Its path.
    pub file: RelPath,
    /// Its services, in its order.
    pub services: Vec<ServiceFound>,
}

/// A service of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceFound {
    /// Its name.
    pub name: ComposeName,
    /// The first port that it listens on, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// True where it would go on from release to release unless visitors reach it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

impl Inspection {
    /// Whether one of [`FILES`] is there.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }
}
