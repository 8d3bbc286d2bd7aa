//! A project's settings as a person gives them, with defaults by framework, checked as a whole: all problems are
//! told at once.

mod problems;
mod scale;

use crate::hooks::{self, Hook};
use crate::pipeline;
use devflow_protocol::project::{
    BasicAuth, ContainerSpec, Framework, Limits, Process, ProjectSpec, ReleasePolicy, Services, Step, Web,
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
    /// Commands of the person's own, beside the pipeline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// All processes, in place of the framework's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<Process>>,
    /// What the containers may use.
    #[serde(default)]
    pub limits: Limits,
    /// What the server makes for the project.
    #[serde(default)]
    pub services: Services,
    /// How the containers of a Dockerfile or a compose file are made and reached; other kinds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerSpec>,
    /// How a release is switched, watched and kept.
    #[serde(default)]
    pub release: ReleasePolicy,
    /// Globs of paths that a push must touch to deploy; empty means any.
    #[serde(default)]
    pub path_filter: Vec<String>,
    /// Words that projects are grouped by, such as the name of a client; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Slug>,
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
        problems::of(self)
    }

    /// The settings with the framework's defaults filled in, as a runner gets them. [`Self::problems`] must be empty.
    pub fn to_spec(&self, slug: Slug) -> ProjectSpec {
        let defaults = pipeline::defaults(self.framework);
        let container = self.container();
        let public_dir = match self.public_dir.as_deref() {
            _ if container.is_some() => None,
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
            steps: hooks::insert(self.steps.clone().unwrap_or(defaults.steps), &self.hooks),
            processes: self.processes.clone().unwrap_or(defaults.processes),
            shared: defaults.shared,
            carry_over: defaults.carry_over,
            limits: self.limits.clone(),
            services: self.services,
            container,
            release: self.release,
            follower: false,
        }
    }
}

impl ProjectSettings {
    /// How its containers are made and reached, where the project is a Dockerfile's or a compose file's.
    pub fn container(&self) -> Option<ContainerSpec> {
        let container = self.container.clone().unwrap_or_default();
        match self.framework {
            Framework::Compose => Some(container),
            Framework::Dockerfile => Some(ContainerSpec {
                compose: None,
                ..container
            }),
            Framework::Laravel | Framework::MultiTenant | Framework::Php | Framework::Shopware => None,
        }
    }
}

/// The image that has `php`.
pub fn runtime_image(php: &PhpVersion) -> ImageRef {
    format!("devflow/php:{php}")
        .parse()
        .expect("a version makes an image name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::project::ComposeSpec;

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
            "steps":[{"name":"switched","phase":"build","argv":["true"],"timeout_s":1}],
            "hooks":[{"name":"a","at":"after_build","argv":[],"timeout_s":0},{"name":"a","at":"after_switch","argv":["x"]}],
            "processes":[{"name":"w","kind":"scheduler","argv":[],"count":2,"stop_wait_s":1}],
            "tags":["a","b","a","c","d","e","f","g","h"]"#,
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
                "tags",
                "tags",
                "steps.name",
                "hooks.argv",
                "hooks.timeout_s",
                "hooks.name",
                "processes.argv",
                "processes.count",
            ]
        );
    }

    #[test]
    fn dockerfile_has_its_container_and_others_have_none() {
        let mut settings = settings(r#","public_dir":"web","container":{"port":3000}"#);
        let slug = || "shop".parse().expect("a slug");
        assert_eq!(settings.to_spec(slug()).container, None);
        settings.framework = Framework::Dockerfile;
        assert_eq!(settings.problems(), vec![]);
        let spec = settings.to_spec(slug());
        let container = spec.container.expect("a container");
        assert_eq!(
            (container.dockerfile.as_str(), container.port, container.replicas),
            ("Dockerfile", 3000, 1)
        );
        assert_eq!((spec.web.public_dir, spec.web.health_path.as_str()), (None, "/"));
        settings.container = Some(ContainerSpec {
            port: 0,
            replicas: 17,
            ..ContainerSpec::default()
        });
        settings.steps = Some(pipeline::defaults(Framework::Laravel).steps);
        let fields: Vec<&str> = settings.problems().iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["steps.cache", "container.port", "container.replicas"]);
    }

    #[test]
    fn compose_names_the_service_that_visitors_reach() {
        let mut settings = settings(r#","container":{"port":3000}"#);
        settings.framework = Framework::Compose;
        let fields: Vec<&str> = settings.problems().iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["container.compose.service"]);
        settings.container.as_mut().expect("a container").compose = Some(ComposeSpec {
            file: None,
            service: "web".parse().expect("a name"),
        });
        assert_eq!(settings.problems(), vec![]);
        let compose = |settings: &ProjectSettings| {
            let spec = settings.to_spec("shop".parse().expect("a slug"));
            spec.container.expect("a container").compose
        };
        assert_eq!(
            compose(&settings).expect("a compose file").service.as_str(),
            "web"
        );
        settings.framework = Framework::Dockerfile;
        assert_eq!(compose(&settings), None);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = r#"{"framework":"laravel","repository":"https://h/a.git","domains":[],"root":true}"#;
        assert!(serde_json::from_str::<ProjectSettings>(text).is_err());
    }
}
