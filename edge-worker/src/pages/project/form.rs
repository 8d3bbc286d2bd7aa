//! The form of a project's settings: for a new project and for one that is there.

use super::Head;
use super::fields::Plan;
use super::servers::Place;
use crate::pages::prose::Prose;
use crate::pages::shell::Shell;
use crate::pages::{assets, icon};
use askama::Template;
use askama::filters::HtmlSafe;
use serde::Deserialize;
use std::fmt;

/// What was typed, as it was typed, and what is wrong with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProjectForm {
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) server: String,
    pub(crate) provider: String,
    pub(crate) repository: String,
    /// A new access token for it, with the user name that belongs to it. Never filled in.
    pub(crate) token: String,
    pub(crate) token_user: String,
    /// The token that is there is taken away.
    #[serde(deserialize_with = "ticked")]
    pub(crate) token_gone: bool,
    /// On the form of a new project, the look whose token it takes over.
    pub(crate) inspection: String,
    /// Since when there is a token, in words.
    #[serde(skip)]
    pub(crate) token_since: Option<String>,
    pub(crate) branch: String,
    pub(crate) framework: String,
    pub(crate) php: String,
    pub(crate) dockerfile: String,
    pub(crate) compose_file: String,
    pub(crate) compose_service: String,
    pub(crate) port: String,
    pub(crate) replicas: String,
    pub(crate) path_filter: String,
    pub(crate) tags: String,
    pub(crate) domains: String,
    pub(crate) health_path: String,
    #[serde(deserialize_with = "ticked")]
    pub(crate) mariadb: bool,
    #[serde(deserialize_with = "ticked")]
    pub(crate) redis: bool,
    pub(crate) memory_mib: String,
    pub(crate) cpu_milli: String,
    pub(crate) max_children: String,
    pub(crate) body_mib: String,
    pub(crate) keep: String,
    pub(crate) observe_s: String,
    pub(crate) tenant_failures: String,
    /// Lines of a `.env` file; on the form of a new project only.
    pub(crate) variables: String,
    /// On the form of a new project only.
    #[serde(flatten)]
    pub(crate) processes: Plan,
    /// Field and what is wrong with it; a field that is not on the form speaks above it.
    #[serde(skip)]
    pub(crate) problems: Vec<(String, String)>,
}

/// A box that is ticked is sent, one that is not is absent.
fn ticked<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    String::deserialize(from).map(|_| true)
}

/// A field for a number.
struct Number<'a> {
    name: &'static str,
    /// Its name in [`devflow_domain::settings::Problem`].
    field: &'static str,
    label: &'static str,
    value: &'a str,
    least: u32,
    most: u32,
}

/// The sentence under a field.
struct FieldProblem<'a>(Option<&'a str>);

impl fmt::Display for FieldProblem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = self.0 else { return Ok(()) };
        let text = Prose(text.to_owned());
        write!(f, r#"<span class="wrong" role="alert">{text}</span>"#)
    }
}

impl HtmlSafe for FieldProblem<'_> {}

const FIELDS: [&str; 28] = [
    "name",
    "slug",
    "server",
    "repository",
    "repository_token",
    "repository_token.user",
    "repository_token.token",
    "branch",
    "php",
    "container.dockerfile",
    "container.compose.file",
    "container.compose.service",
    "container.port",
    "container.replicas",
    "path_filter",
    "tags",
    "domains",
    "health_path",
    "services",
    "limits.memory_mib",
    "limits.cpu_milli",
    "limits.max_children",
    "body_mib",
    "release.keep",
    "release.observe_s",
    "release.tenant_failures",
    "provider",
    "variables",
];

impl ProjectForm {
    fn message(&self, field: &str) -> Option<&str> {
        let found = self.problems.iter().find(|(name, _)| name == field);
        found.map(|(_, message)| message.as_str())
    }

    fn wrong(&self, field: &str) -> bool {
        self.message(field).is_some()
    }

    fn problem(&self, field: &str) -> FieldProblem<'_> {
        FieldProblem(self.message(field))
    }

    /// What is wrong with the processes as a whole.
    fn processes_problem(&self) -> FieldProblem<'_> {
        let found = self
            .problems
            .iter()
            .find(|(field, _)| field.starts_with("processes"));
        FieldProblem(found.map(|(_, message)| message.as_str()))
    }

    /// What is said above the form.
    fn general(&self) -> Option<String> {
        let others: Vec<String> = self
            .problems
            .iter()
            .filter(|(field, _)| !FIELDS.contains(&field.as_str()) && !field.starts_with("process"))
            .map(|(field, message)| {
                if field.is_empty() {
                    message.clone()
                } else {
                    format!("{field}: {message}")
                }
            })
            .collect();
        if !others.is_empty() {
            return Some(others.join(" "));
        }
        (!self.problems.is_empty()).then(|| "Some fields cannot be taken as they are, see below.".to_owned())
    }

    fn numbers(&self) -> [Number<'_>; 7] {
        let number = |name, field, label, value, least, most| Number {
            name,
            field,
            label,
            value,
            least,
            most,
        };
        [
            number(
                "memory_mib",
                "limits.memory_mib",
                "Memory, MiB",
                self.memory_mib.as_str(),
                64,
                1_048_576,
            ),
            number(
                "cpu_milli",
                "limits.cpu_milli",
                "CPU, thousandths of a core",
                &self.cpu_milli,
                50,
                256_000,
            ),
            number(
                "max_children",
                "limits.max_children",
                "PHP processes, at most",
                &self.max_children,
                1,
                1_000,
            ),
            number(
                "body_mib",
                "body_mib",
                "Largest upload, MiB",
                &self.body_mib,
                1,
                4_096,
            ),
            number("keep", "release.keep", "Releases to keep", &self.keep, 1, 50),
            number(
                "observe_s",
                "release.observe_s",
                "Watch a release, seconds",
                &self.observe_s,
                0,
                600,
            ),
            number(
                "tenant_failures",
                "release.tenant_failures",
                "Tenants that may fail",
                &self.tenant_failures,
                0,
                1_000,
            ),
        ]
    }
}

#[derive(Template)]
#[template(path = "project/new.html")]
pub(crate) struct NewProjectPage {
    pub(crate) shell: Shell,
    /// Id and name of each server that can take a project.
    pub(crate) servers: Vec<(String, String)>,
    /// Why the form is filled in as it is, after a look at the repository.
    pub(crate) reasons: Vec<String>,
    pub(crate) form: ProjectForm,
}

#[derive(Template)]
#[template(path = "project/settings.html")]
pub(crate) struct SettingsPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) form: ProjectForm,
    /// They decide on which servers projects are.
    pub(crate) can_place: bool,
    /// Id and name of each server.
    pub(crate) servers: Vec<(String, String)>,
    pub(crate) places: Vec<Place>,
    pub(crate) keeps_going: bool,
}
