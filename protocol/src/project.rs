//! What a runner has to know of a project to deploy and keep it: pipeline, processes, limits, web, services.

mod container;

pub use container::{ComposeSpec, ContainerSpec};

use crate::text::{
    EnvName, Fqdn, ImageRef, PackageName, PackageVersion, PhpVersion, RelPath, RepositoryUrl, Slug, StepName,
    UrlPath,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of application, which decides the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Framework {
    /// Laravel.
    Laravel,
    /// Laravel with many tenants, each with data of its own.
    MultiTenant,
    /// Plain PHP behind one front controller or scripts.
    Php,
    /// Shopware 6.
    Shopware,
    /// Whatever the repository's Dockerfile makes, reached by HTTP.
    Dockerfile,
    /// The services of the repository's compose file, one of them reached by HTTP.
    Compose,
}

impl Framework {
    /// True where it has Laravel's folders, commands and `.env`.
    pub fn is_laravel(self) -> bool {
        matches!(self, Self::Laravel | Self::MultiTenant)
    }
}

/// Everything about a project that a deployment, a restart or the reconcile loop needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectSpec {
    /// Names folders, containers, vhost and database on the server.
    pub slug: Slug,
    /// The kind of application.
    pub framework: Framework,
    /// Where the code comes from; pinned by the server at the first deployment.
    pub repository: RepositoryUrl,
    /// PHP's version, as the image has it.
    pub php: PhpVersion,
    /// The runtime image, which is also the build image. Where an image is built from the repository, it is what passes
    /// requests on to that.
    pub image: ImageRef,
    /// The vhost.
    pub web: Web,
    /// Commands of the deployment, in order within each phase.
    pub steps: Vec<Step>,
    /// Queue workers, scheduler and other daemons.
    pub processes: Vec<Process>,
    /// Paths that all releases share.
    pub shared: Vec<SharedPath>,
    /// Folders of hashed assets whose files are carried over from the release before.
    pub carry_over: Vec<RelPath>,
    /// What the project's containers may use.
    pub limits: Limits,
    /// What is made for it on the server.
    pub services: Services,
    /// How its image is made and reached; None where it is served by PHP-FPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerSpec>,
    /// How a release is released.
    pub release: ReleasePolicy,
    /// True on a server of several that is not the first: that one looks for pushes that nobody told of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follower: bool,
}

/// The vhost of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Host names; the first is the primary one.
    pub domains: Vec<Fqdn>,
    /// The document root inside the release, such as `public`. None serves the release itself.
    pub public_dir: Option<RelPath>,
    /// True where any `.php` file answers, false where only `index.php` does.
    pub scripts: bool,
    /// What the readiness check and the observation ask for.
    pub health_path: UrlPath,
    /// Largest request body, in MiB.
    pub body_mib: u16,
    /// User name and password hash (as htpasswd has it) that visitors must give.
    pub basic_auth: Option<BasicAuth>,
}

/// HTTP basic authentication of a whole project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The user's name: no colon, no control character.
    pub user: String,
    /// A crypt(3) hash such as `$2y$…` or `$6$…`.
    pub password_hash: String,
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Composer and the like, before the environment is there.
    Dependencies,
    /// Front-end build.
    Build,
    /// Framework preparation, with environment and shared paths in place.
    Prepare,
    /// Asks whether the application boots, without its schema.
    Boot,
    /// Changes the database.
    Migrate,
    /// The last commands before visitors get the release; also where a kept one is gone back to.
    BeforeSwitch,
    /// After the switch, in the new release.
    AfterSwitch,
}

/// One command of the pipeline, run in the project's own container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Shown on the page.
    pub name: StepName,
    /// When it runs.
    pub phase: Phase,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Files that must all be in the release, else the step is skipped.
    #[serde(default)]
    pub needs: Vec<RelPath>,
    /// Conditions on the release's Composer packages; where one does not hold, the step is skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Where it runs once for each tenant: its arguments then have `{tenant}` in the place of the tenant's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Tenants>,
    /// The tree that this step makes and that may be taken from the cache first.
    #[serde(default)]
    pub cache: Option<StepCache>,
    /// Longest time, in seconds.
    pub timeout_s: u32,
    /// True when it may run at the same time as the step before it in its phase.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

/// Whom a step runs for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tenants {
    /// Program and arguments that print the keys of all tenants, one a line.
    pub list: Vec<String>,
}

/// A condition on the packages that the release's `composer.lock` names, or on its own commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Gate {
    /// The package is there.
    Present {
        /// Such as `shopware/storefront`.
        package: PackageName,
    },
    /// The package is not there.
    Absent {
        /// Such as `shopware/deployment-helper`.
        package: PackageName,
    },
    /// The package is there in this version or a later one.
    AtLeast {
        /// Such as `shopware/core`.
        package: PackageName,
        /// Such as `6.6.6`.
        version: PackageVersion,
    },
    /// The package is there in an earlier version.
    Below {
        /// Such as `shopware/core`.
        package: PackageName,
        /// Such as `6.5`.
        version: PackageVersion,
    },
    /// The release that serves has another version of the package, or there is none.
    Changed {
        /// Such as `shopware/core`.
        package: PackageName,
    },
    /// Laravel's console has the command, with the option.
    Artisan {
        /// Such as `cache:clear`.
        command: StepName,
        /// Without its dashes, such as `tenants`.
        option: StepName,
    },
}

/// A tree that is kept between deployments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StepCache {
    /// What is kept, such as `vendor` or `public/build`.
    pub path: RelPath,
    /// Files and folders whose content makes the key, together with image and command.
    pub key: Vec<RelPath>,
    /// True when a hit makes the command itself unnecessary; false when it runs all the same (Composer).
    pub skip_on_hit: bool,
}

/// A process beside PHP-FPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Shown on the page and part of the container's name.
    pub name: StepName,
    /// How it is run.
    pub kind: ProcessKind,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How many of it (1 for a scheduler).
    pub count: u8,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_wait_s: u16,
}

/// How a process is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    /// Runs always, restarted when it ends.
    Worker,
    /// Started every minute, never two at once.
    Scheduler,
}

/// A path that all releases share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedPath {
    /// Path inside the release, and below `shared/`.
    pub path: RelPath,
    /// File or folder.
    pub kind: SharedKind,
}

/// File or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedKind {
    /// A folder.
    Dir,
    /// A file.
    File,
}

/// What a project's containers may use; one block renders pool, php.ini, container and vhost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Memory of the web container, in MiB.
    pub memory_mib: u32,
    /// CPU, in thousandths of a core.
    pub cpu_milli: u32,
    /// PHP's `memory_limit`, in MiB.
    pub php_memory_mib: u32,
    /// Most PHP-FPM children.
    pub max_children: u16,
    /// Longest request, in seconds.
    pub execution_s: u16,
    /// Further php.ini settings.
    pub php_ini: BTreeMap<String, String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 512,
            cpu_milli: 2000,
            php_memory_mib: 128,
            max_children: 8,
            execution_s: 60,
            php_ini: BTreeMap::new(),
        }
    }
}

/// What the server makes for the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// A `MariaDB` database with a user of its own.
    pub mariadb: bool,
    /// A Redis user with a key prefix of its own.
    pub redis: bool,
}

// An older runner refuses a field that it does not know.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// How a release is switched, watched and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReleasePolicy {
    /// Releases to keep, the live one included.
    pub keep: u8,
    /// Seconds that the old release may take to answer what it has accepted.
    pub drain_s: u16,
    /// Seconds to watch the new release after the switch.
    pub observe_s: u16,
    /// Seconds within which the readiness check must succeed.
    pub ready_s: u16,
    /// Tenants that may fail in a step before the deployment fails.
    #[serde(skip_serializing_if = "is_zero")]
    pub tenant_failures: u16,
}

impl Default for ReleasePolicy {
    fn default() -> Self {
        Self {
            keep: 5,
            drain_s: 30,
            observe_s: 10,
            ready_s: 30,
            tenant_failures: 0,
        }
    }
}

/// A project's environment: name to value, as bytes in UTF-8. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Environment(pub BTreeMap<EnvName, String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
