//! What was typed into a project's form as the fields of the API, and a project's settings as the form's text.

use super::form::ProjectForm;
use crate::store::projects::ProjectRow;
use devflow_domain::dotenv;
use devflow_domain::inspection::Proposal;
use devflow_domain::settings::ProjectSettings;
use devflow_protocol::project::{ContainerSpec, Environment, Framework, Limits, ReleasePolicy};
use devflow_protocol::text::{ComposeName, Fqdn, PhpVersion, RefName, RelPath, RepositoryUrl, Slug, UrlPath};
use serde_json::{Map, Value, json};
use std::fmt;
use std::str::FromStr;

mod processes;

pub(crate) use processes::Plan;

/// Collects the fields of the API and what is wrong with those that cannot be read.
struct Fields {
    read: Map<String, Value>,
    problems: Vec<(String, String)>,
}

impl Fields {
    fn put(&mut self, field: &str, value: Value) {
        self.read.insert(field.to_owned(), value);
    }

    fn wrong(&mut self, field: &str, message: String) {
        self.problems.push((field.to_owned(), message));
    }

    /// A text that has to be a `T`.
    fn text<T: FromStr<Err: fmt::Display>>(&mut self, field: &str, text: &str) {
        match text.trim().parse::<T>() {
            Ok(_) => self.put(field, json!(text.trim())),
            Err(error) => self.wrong(field, error.to_string()),
        }
    }

    fn number<T: FromStr + Default>(&mut self, field: &str, text: &str) -> T {
        text.trim().parse().unwrap_or_else(|_| {
            self.wrong(field, "a whole number".to_owned());
            T::default()
        })
    }

    fn end(self) -> Result<Map<String, Value>, Vec<(String, String)>> {
        if self.problems.is_empty() {
            Ok(self.read)
        } else {
            Err(self.problems)
        }
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split(['\n', ',', ' ', '\t', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

impl ProjectForm {
    /// An empty form with the defaults filled in.
    pub(crate) fn new() -> Self {
        let (limits, release) = (Limits::default(), ReleasePolicy::default());
        let container = ContainerSpec::default();
        Self {
            branch: "main".to_owned(),
            framework: "laravel".to_owned(),
            provider: "github".to_owned(),
            php: "8.4".to_owned(),
            dockerfile: container.dockerfile.to_string(),
            port: container.port.to_string(),
            replicas: container.replicas.to_string(),
            body_mib: "64".to_owned(),
            processes: Plan::usual(),
            ..Self::default()
        }
        .with_limits(&limits, release)
    }

    /// The settings of a project.
    pub(crate) fn of(row: &ProjectRow, settings: &ProjectSettings) -> Self {
        let text = |names: &[Fqdn]| names.iter().map(Fqdn::as_str).collect::<Vec<_>>().join("\n");
        let ref_name = row.ref_name.as_str();
        let container = settings.container.clone().unwrap_or_default();
        let compose = container.compose.as_ref();
        let file = compose.and_then(|compose| compose.file.as_ref());
        Self {
            name: row.name.clone(),
            slug: row.slug.to_string(),
            repository: settings.repository.to_string(),
            branch: ref_name
                .strip_prefix("refs/heads/")
                .unwrap_or(ref_name)
                .to_owned(),
            framework: value_of(settings.framework).to_owned(),
            php: settings.php.to_string(),
            path_filter: settings.path_filter.join("\n"),
            tags: settings
                .tags
                .iter()
                .map(Slug::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            domains: text(&settings.domains),
            health_path: settings
                .health_path
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            mariadb: settings.services.mariadb,
            redis: settings.services.redis,
            dockerfile: container.dockerfile.to_string(),
            compose_file: file.map(ToString::to_string).unwrap_or_default(),
            compose_service: compose
                .map(|compose| compose.service.to_string())
                .unwrap_or_default(),
            port: container.port.to_string(),
            replicas: container.replicas.to_string(),
            body_mib: settings.body_mib.to_string(),
            ..Self::default()
        }
        .with_limits(&settings.limits, settings.release)
    }

    fn with_limits(self, limits: &Limits, release: ReleasePolicy) -> Self {
        Self {
            memory_mib: limits.memory_mib.to_string(),
            cpu_milli: limits.cpu_milli.to_string(),
            max_children: limits.max_children.to_string(),
            keep: release.keep.to_string(),
            observe_s: release.observe_s.to_string(),
            tenant_failures: release.tenant_failures.to_string(),
            ..self
        }
    }

    /// The form with what is proposed for a repository.
    pub(crate) fn proposed(self, proposal: &Proposal) -> Self {
        let names = proposal.env_names.iter().map(|name| format!("{name}=\n"));
        Self {
            framework: value_of(proposal.framework).to_owned(),
            php: proposal.php.to_string(),
            port: proposal.port.map_or(self.port, |port| port.to_string()),
            compose_service: proposal
                .service
                .as_ref()
                .map_or(self.compose_service, ToString::to_string),
            processes: self.processes.proposed(proposal.framework, &proposal.processes),
            mariadb: proposal.mariadb,
            redis: proposal.redis,
            variables: names.collect(),
            ..self
        }
    }

    /// The variables that were given a value.
    pub(crate) fn variables(&self) -> Result<Environment, Vec<(String, String)>> {
        let read = dotenv::parse(&self.variables.replace("\r\n", "\n"));
        let mut read = read.map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            vec![("variables".to_owned(), lines.join("; "))]
        })?;
        read.0.retain(|_, value| !value.is_empty());
        Ok(read)
    }

    /// The fields of the API for a new project.
    pub(crate) fn new_project(&self) -> Result<Map<String, Value>, Vec<(String, String)>> {
        let mut fields = self.shared(&Limits::default(), ReleasePolicy::default());
        fields.put("server", json!(self.server));
        fields.put("provider", json!(self.provider));
        if !self.inspection.is_empty() && self.token.trim().is_empty() {
            fields.put("inspection", json!(self.inspection));
        }
        if !self.slug.trim().is_empty() {
            fields.text::<Slug>("slug", &self.slug);
        }
        match self.processes.read(&self.framework) {
            Ok(processes) => fields.put("processes", json!(processes)),
            Err(problems) => fields.problems.extend(problems),
        }
        fields.end()
    }

    /// The fields of the API that change a project; what is not on the form stays.
    pub(crate) fn changes(&self, now: &ProjectSettings) -> Result<Map<String, Value>, Vec<(String, String)>> {
        let mut fields = self.shared(&now.limits, now.release);
        if self.token_gone {
            fields.put("repository_token", Value::Null);
        }
        fields.end()
    }

    fn shared(&self, limits: &Limits, release: ReleasePolicy) -> Fields {
        let mut fields = Fields {
            read: Map::new(),
            problems: Vec::new(),
        };
        fields.put("name", json!(self.name.trim()));
        fields.text::<RepositoryUrl>("repository", &self.repository);
        let token = self.token.trim();
        if !token.is_empty() {
            fields.put(
                "repository_token",
                json!({ "user": self.token_user, "token": token }),
            );
        } else if !self.token_user.trim().is_empty() {
            fields.wrong("repository_token.token", "the token of that user too".to_owned());
        }
        self.branch(&mut fields);
        fields.put("framework", json!(self.framework));
        fields.text::<PhpVersion>("php", &self.php);
        fields.put("path_filter", json!(lines(&self.path_filter)));
        let tags: Vec<String> = lines(&self.tags).iter().map(|tag| tag.to_lowercase()).collect();
        match tags.iter().find_map(|tag| tag.parse::<Slug>().err()) {
            Some(error) => fields.wrong("tags", error.to_string()),
            None => fields.put("tags", json!(tags)),
        }
        let domains: Vec<String> = lines(&self.domains)
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        match domains.iter().find_map(|name| name.parse::<Fqdn>().err()) {
            Some(error) => fields.wrong("domains", error.to_string()),
            None => fields.put("domains", json!(domains)),
        }
        if self.health_path.trim().is_empty() {
            fields.put("health_path", Value::Null);
        } else {
            fields.text::<UrlPath>("health_path", &self.health_path);
        }
        fields.put(
            "services",
            json!({ "mariadb": self.mariadb, "redis": self.redis }),
        );
        self.container(&mut fields);
        let limits = Limits {
            memory_mib: fields.number("limits.memory_mib", &self.memory_mib),
            cpu_milli: fields.number("limits.cpu_milli", &self.cpu_milli),
            max_children: fields.number("limits.max_children", &self.max_children),
            ..limits.clone()
        };
        let release = ReleasePolicy {
            keep: fields.number("release.keep", &self.keep),
            observe_s: fields.number("release.observe_s", &self.observe_s),
            tenant_failures: fields.number("release.tenant_failures", &self.tenant_failures),
            ..release
        };
        let body_mib: u16 = fields.number("body_mib", &self.body_mib);
        fields.put("limits", json!(limits));
        fields.put("release", json!(release));
        fields.put("body_mib", json!(body_mib));
        fields
    }

    /// What a Dockerfile or a compose file has of its own; for other kinds it is taken away again.
    fn container(&self, fields: &mut Fields) {
        let compose = self.framework == value_of(Framework::Compose);
        if !compose && self.framework != value_of(Framework::Dockerfile) {
            return fields.put("container", Value::Null);
        }
        let mut container = Map::new();
        if compose {
            container.insert("compose".to_owned(), self.compose(fields));
        } else {
            let path = self.dockerfile.trim();
            if let Err(error) = path.parse::<RelPath>() {
                fields.wrong("container.dockerfile", error.to_string());
            }
            container.insert("dockerfile".to_owned(), json!(path));
        }
        let port: u16 = fields.number("container.port", &self.port);
        let replicas: u8 = fields.number("container.replicas", &self.replicas);
        container.insert("port".to_owned(), json!(port));
        container.insert("replicas".to_owned(), json!(replicas));
        fields.put("container", Value::Object(container));
    }

    fn compose(&self, fields: &mut Fields) -> Value {
        let (file, service) = (self.compose_file.trim(), self.compose_service.trim());
        if !file.is_empty()
            && let Err(error) = file.parse::<RelPath>()
        {
            fields.wrong("container.compose.file", error.to_string());
        }
        if let Err(error) = service.parse::<ComposeName>() {
            fields.wrong("container.compose.service", error.to_string());
        }
        json!({ "file": Some(file).filter(|file| !file.is_empty()), "service": service })
    }

    fn branch(&self, fields: &mut Fields) {
        let branch = self.branch.trim();
        let whole = if branch.starts_with("refs/") {
            branch.to_owned()
        } else {
            format!("refs/heads/{branch}")
        };
        match whole.parse::<RefName>() {
            Ok(_) => fields.put("branch", json!(branch)),
            Err(_) => fields.wrong("branch", "the name of a branch, such as main".to_owned()),
        }
    }
}

/// A framework as the form and the API name it.
fn value_of(framework: Framework) -> &'static str {
    match framework {
        Framework::Laravel => "laravel",
        Framework::MultiTenant => "multi_tenant",
        Framework::Php => "php",
        Framework::Shopware => "shopware",
        Framework::Dockerfile => "dockerfile",
        Framework::Compose => "compose",
    }
}

#[cfg(test)]
mod tests;
