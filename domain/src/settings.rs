//! A project's settings as a person gives them, with defaults by framework, checked as a whole: all problems are
//! told at once.

use crate::pipeline;
use devflow_protocol::project::{
    BasicAuth, Framework, Limits, Process, ProcessKind, ProjectSpec, ReleasePolicy, Services, Step, Web,
};
use devflow_protocol::text::{Fqdn, ImageRef, PhpVersion, RelPath, RepositoryUrl, Slug, UrlPath};
use serde::{Deserialize, Serialize};

/// What a person may set of a project. Missing fields take the framework's defaults when the spec is made, so a
/// better default reaches the projects that never changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProjectSettings {
    /// The kind of application.
    pub framework: Framework,
    /// Where the code comes from.
    pub repository: RepositoryUrl,
    /// PHP's version.
    #[serde(default = "default_php")]
    pub php: PhpVersion,
    /// Host names; the first is the primary one.
    #[serde(default)]
    pub domains: Vec<Fqdn>,
    /// The document root inside the release; an empty text serves the release itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_dir: Option<String>,
    /// What the readiness check asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<UrlPath>,
    /// Largest request body, in MiB.
    #[serde(default = "default_body_mib")]
    pub body_mib: u16,
    /// Name and password hash that visitors must give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The whole pipeline, in place of the framework's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
    /// All processes, in place of the framework's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<Process>>,
    /// What the containers may use.
    #[serde(default)]
    pub limits: Limits,
    /// What the server makes for the project.
    #[serde(default)]
    pub services: Services,
    /// How a release is switched, watched and kept.
    #[serde(default)]
    pub release: ReleasePolicy,
    /// Globs of paths that a push must touch to deploy; empty means any.
    #[serde(default)]
    pub path_filter: Vec<String>,
}

fn default_php() -> PhpVersion {
    "8.4".parse().expect("8.4 is a version")
}

fn default_body_mib() -> u16 {
    64
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The field, such as `limits.memory_mib`.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl ProjectSettings {
    /// All problems; empty when the settings can be used.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Problems(Vec::new());
        found.web(self);
        found.limits(&self.limits);
        found.release(self.release);
        found.steps(self.steps.as_deref().unwrap_or_default());
        found.processes(self.processes.as_deref().unwrap_or_default());
        found.0
    }

    /// The settings with the framework's defaults filled in, as a runner gets them. [`Self::problems`] must be empty.
    pub fn to_spec(&self, slug: Slug) -> ProjectSpec {
        let defaults = pipeline::defaults(self.framework);
        let public_dir = match self.public_dir.as_deref() {
            None => defaults.public_dir,
            Some(text) => text.parse::<RelPath>().ok(),
        };
        let default_health = || {
            defaults
                .health_path
                .parse()
                .expect("the defaults' paths are valid")
        };
        ProjectSpec {
            slug,
            framework: self.framework,
            repository: self.repository.clone(),
            php: self.php.clone(),
            image: runtime_image(&self.php),
            web: Web {
                domains: self.domains.clone(),
                public_dir,
                scripts: defaults.scripts,
                health_path: self.health_path.clone().unwrap_or_else(default_health),
                body_mib: self.body_mib,
                basic_auth: self.basic_auth.clone(),
            },
            steps: self.steps.clone().unwrap_or(defaults.steps),
            processes: self.processes.clone().unwrap_or(defaults.processes),
            shared: defaults.shared,
            carry_over: defaults.carry_over,
            limits: self.limits.clone(),
            services: self.services,
            release: self.release,
        }
    }
}

/// The image that has `php`.
pub fn runtime_image(php: &PhpVersion) -> ImageRef {
    format!("devflow/php:{php}")
        .parse()
        .expect("a version makes an image name")
}

struct Problems(Vec<Problem>);

impl Problems {
    fn check(&mut self, ok: bool, field: &'static str, message: &str) {
        if !ok {
            self.0.push(Problem {
                field,
                message: message.to_owned(),
            });
        }
    }

    fn web(&mut self, settings: &ProjectSettings) {
        let mut domains = settings.domains.clone();
        domains.sort_unstable();
        domains.dedup();
        self.check(
            !domains.is_empty(),
            "domains",
            "give at least one host name, such as shop.example.com",
        );
        self.check(
            domains.len() == settings.domains.len(),
            "domains",
            "a host name is listed twice",
        );
        self.check(domains.len() <= 100, "domains", "at most 100 host names");
        let dir = settings.public_dir.as_deref().unwrap_or_default();
        let dir_ok = dir.is_empty() || dir.parse::<RelPath>().is_ok();
        self.check(
            dir_ok,
            "public_dir",
            "a folder inside the repository, such as public, or empty",
        );
        self.check(
            (1..=4096).contains(&settings.body_mib),
            "body_mib",
            "1 to 4096 MiB",
        );
        if let Some(auth) = &settings.basic_auth {
            let name_ok = !auth.user.is_empty()
                && auth.user.len() <= 64
                && auth.user.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            self.check(
                name_ok,
                "basic_auth.user",
                "1 to 64 visible characters without a colon",
            );
            let hash = &auth.password_hash;
            let hash_ok = ["$2y$", "$5$", "$6$", "$apr1$"]
                .iter()
                .any(|kind| hash.starts_with(kind))
                && hash.len() <= 256
                && hash.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            self.check(
                hash_ok,
                "basic_auth.password_hash",
                "a hash as `htpasswd -nB` or `openssl passwd -6` print it",
            );
        }
        self.check(
            settings.path_filter.len() <= 50,
            "path_filter",
            "at most 50 globs",
        );
        let globs_ok = settings
            .path_filter
            .iter()
            .all(|glob| (1..=200).contains(&glob.len()));
        self.check(globs_ok, "path_filter", "each glob has 1 to 200 characters");
    }

    fn limits(&mut self, limits: &Limits) {
        self.check(
            (64..=1_048_576).contains(&limits.memory_mib),
            "limits.memory_mib",
            "64 to 1048576 MiB",
        );
        self.check(
            (50..=256_000).contains(&limits.cpu_milli),
            "limits.cpu_milli",
            "50 to 256000 thousandths of a core",
        );
        self.check(
            (16..=limits.memory_mib).contains(&limits.php_memory_mib),
            "limits.php_memory_mib",
            "16 MiB up to limits.memory_mib",
        );
        self.check(
            (1..=1000).contains(&limits.max_children),
            "limits.max_children",
            "1 to 1000",
        );
        self.check(
            (1..=3600).contains(&limits.execution_s),
            "limits.execution_s",
            "1 to 3600 seconds",
        );
        let ini_ok = limits
            .php_ini
            .iter()
            .all(|(name, value)| ini_name(name) && ini_value(value));
        self.check(
            ini_ok,
            "limits.php_ini",
            "names of letters, digits, dots and underscores; values of visible characters without quotes, `;` and `$`",
        );
    }

    fn release(&mut self, release: ReleasePolicy) {
        self.check(
            (1..=50).contains(&release.keep),
            "release.keep",
            "1 to 50 releases",
        );
        self.check(
            (1..=3600).contains(&release.drain_s),
            "release.drain_s",
            "1 to 3600 seconds",
        );
        self.check(release.observe_s <= 600, "release.observe_s", "0 to 600 seconds");
        self.check(
            (1..=600).contains(&release.ready_s),
            "release.ready_s",
            "1 to 600 seconds",
        );
    }

    fn steps(&mut self, steps: &[Step]) {
        self.check(steps.len() <= 40, "steps", "at most 40 steps");
        self.check(
            steps.is_sorted_by_key(|step| step.phase),
            "steps",
            "the steps must be in the order of their phases",
        );
        self.check(steps.iter().all(|step| argv_ok(&step.argv)), "steps.argv", ARGV);
        let time_ok = steps.iter().all(|step| (1..=7200).contains(&step.timeout_s));
        self.check(time_ok, "steps.timeout_s", "1 to 7200 seconds");
        let names: std::collections::BTreeSet<_> = steps.iter().map(|step| &step.name).collect();
        self.check(
            names.len() == steps.len(),
            "steps.name",
            "two steps have the same name",
        );
    }

    fn processes(&mut self, processes: &[Process]) {
        self.check(processes.len() <= 20, "processes", "at most 20 processes");
        self.check(
            processes.iter().all(|process| argv_ok(&process.argv)),
            "processes.argv",
            ARGV,
        );
        let count_ok = processes.iter().all(|process| match process.kind {
            ProcessKind::Worker => (1..=32).contains(&process.count),
            ProcessKind::Scheduler => process.count == 1,
        });
        self.check(
            count_ok,
            "processes.count",
            "1 to 32 of a worker, 1 of a scheduler",
        );
        self.check(
            processes.iter().all(|p| p.stop_wait_s <= 3600),
            "processes.stop_wait_s",
            "0 to 3600 seconds",
        );
        let names: std::collections::BTreeSet<_> = processes.iter().map(|process| &process.name).collect();
        self.check(
            names.len() == processes.len(),
            "processes.name",
            "two processes have the same name",
        );
    }
}

const ARGV: &str = "1 to 64 arguments of at most 4096 characters without NUL, the program first";

fn argv_ok(argv: &[String]) -> bool {
    (1..=64).contains(&argv.len())
        && !argv[0].is_empty()
        && argv.iter().all(|word| word.len() <= 4096 && !word.contains('\0'))
}

fn ini_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
}

fn ini_value(value: &str) -> bool {
    value.len() <= 256
        && value
            .bytes()
            .all(|b| (b' '..0x7f).contains(&b) && !b"\"';$`\\".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> ProjectSettings {
        let text = format!(
            r#"{{"framework":"laravel","repository":"https://github.com/acme/shop.git","domains":["shop.test"]{more}}}"#
        );
        serde_json::from_str(&text).expect("settings")
    }

    #[test]
    fn defaults_come_from_the_framework() {
        let settings = settings("");
        assert_eq!(settings.problems(), vec![]);
        let spec = settings.to_spec("shop".parse().expect("a slug"));
        assert_eq!(spec.web.health_path.as_str(), "/up");
        assert_eq!(spec.image.as_str(), "devflow/php:8.4");
        assert_eq!(spec.web.public_dir.expect("a folder").as_str(), "public");
        assert_eq!(spec.processes.len(), 2);
    }

    #[test]
    fn empty_public_dir_serves_the_release_itself() {
        let spec = settings(r#","public_dir":"""#).to_spec("shop".parse().expect("a slug"));
        assert_eq!(spec.web.public_dir, None);
    }

    #[test]
    fn problems_are_told_all_at_once() {
        let bad = settings(
            r#","public_dir":"../x","body_mib":0,"limits":{"memory_mib":8,"cpu_milli":1,"php_memory_mib":9999,
            "max_children":0,"execution_s":0,"php_ini":{"a;b":"1"}},
            "release":{"keep":0,"drain_s":0,"observe_s":601,"ready_s":0},
            "basic_auth":{"user":"a:b","password_hash":"plain"},
            "processes":[{"name":"w","kind":"scheduler","argv":[],"count":2,"stop_wait_s":1}]"#,
        );
        let fields: Vec<&str> = bad.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            [
                "public_dir",
                "body_mib",
                "basic_auth.user",
                "basic_auth.password_hash",
                "limits.memory_mib",
                "limits.cpu_milli",
                "limits.php_memory_mib",
                "limits.max_children",
                "limits.execution_s",
                "limits.php_ini",
                "release.keep",
                "release.drain_s",
                "release.observe_s",
                "release.ready_s",
                "processes.argv",
                "processes.count",
            ]
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = r#"{"framework":"laravel","repository":"https://h/a.git","domains":[],"root":true}"#;
        assert!(serde_json::from_str::<ProjectSettings>(text).is_err());
    }
}
