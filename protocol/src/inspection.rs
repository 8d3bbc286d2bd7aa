//! What a runner finds in a repository without running anything of it: facts, from which the edge proposes settings.

use crate::text::{EnvName, GitSha};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Paths whose being there tells what a repository is.
pub const FILES: [&str; 13] = [
    ENV_EXAMPLE,
    DOCKERFILE,
    "artisan",
    "bin/console",
    "compose.yaml",
    "compose.yml",
    COMPOSER,
    "composer.lock",
    "docker-compose.yml",
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
/// The files that are read.
pub const READ: [&str; 4] = [COMPOSER, PACKAGE, ENV_EXAMPLE, DOCKERFILE];
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
    /// The names in `.env.example`, in its order.
    pub env_names: Vec<EnvName>,
    /// One sentence for each file that could not be read.
    pub unreadable: Vec<String>,
}

impl Inspection {
    /// Whether one of [`FILES`] is there.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }
}
