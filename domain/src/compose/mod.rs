//! What of the Compose Specification a project may have: a stated subset, read strictly. Pure.
//!
//! In scope: services with what they are made of, run with and wait for; named volumes; variables. All else is refused by
//! name, with what to do instead: what is not understood could be what keeps a service apart from the server. Not in scope:
//! what becomes of it, which is the runner's.
//!
//! Source: the Compose Specification (<https://github.com/compose-spec/compose-spec/blob/main/spec.md>).

mod interpolate;
mod keys;
mod order;
mod parts;
mod service;
mod values;
mod yaml;

use devflow_protocol::outcome::ServiceKind;
use devflow_protocol::project::Environment;
use devflow_protocol::text::{ComposeName, EnvName, ImageRef, RelPath};
use interpolate::Variables;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use yaml::{Node, Value, shown};

/// Largest file, in bytes.
pub const FILE_BYTES: usize = 64 * 1024;
/// Most services.
const SERVICES: usize = devflow_protocol::limits::SERVICES_TOLD;
/// The file that stands for the project's environment wherever a compose file names it.
const DOTENV: &str = ".env";

/// Why a compose file is not deployed: one sentence that names line, service and key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compose {
    /// In the order in which they are started.
    pub services: Vec<Service>,
    /// What is different from what Compose itself would do, one sentence each.
    pub notes: Vec<String>,
}

/// One service, with its variables' values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, by which others reach it.
    pub name: ComposeName,
    /// How it is run.
    pub kind: ServiceKind,
    /// True where it waits for what visitors reach.
    pub late: bool,
    /// What its containers are made of.
    pub source: Source,
    /// In place of the image's own; never empty.
    pub command: Option<Vec<String>>,
    /// In place of the image's own; an empty one takes that away.
    pub entrypoint: Option<Vec<String>>,
    /// Its variables.
    pub environment: BTreeMap<EnvName, String>,
    /// The first port that it says it listens on.
    pub port: Option<u16>,
    /// What has to be true of others before it starts.
    pub depends_on: BTreeMap<ComposeName, Condition>,
    /// The project's volumes that it sees.
    pub volumes: Vec<Volume>,
    /// Asks whether it is well; None for the image's own.
    pub healthcheck: Option<Healthcheck>,
    /// An absolute path; None for the image's own.
    pub working_dir: Option<String>,
    /// False where its program is to be the first process itself.
    pub init: bool,
    /// Such as `SIGQUIT`; None for the image's own.
    pub stop_signal: Option<String>,
    /// Seconds between that and the end by force.
    pub stop_grace_s: u32,
    /// True where it writes to volumes and memory only.
    pub read_only: bool,
    /// Folders in memory, each with its options.
    pub tmpfs: BTreeMap<String, String>,
}

/// What a service's containers are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// An image from elsewhere.
    Image(ImageRef),
    /// An image that is built from the repository.
    Build(Build),
}

/// How an image is built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The folder of the repository that it is built from; None for all of it.
    pub context: Option<RelPath>,
    /// The Dockerfile, inside that folder.
    pub dockerfile: RelPath,
    /// Values of the Dockerfile's arguments.
    pub arguments: BTreeMap<EnvName, String>,
    /// The stage that is wanted; None for the last.
    pub target: Option<String>,
}

impl Build {
    /// The Dockerfile's path inside the repository.
    ///
    /// # Errors
    /// The path is too long.
    pub fn dockerfile_path(&self) -> Result<RelPath, Refused> {
        let Some(context) = &self.context else {
            return Ok(self.dockerfile.clone());
        };
        format!("{context}/{}", self.dockerfile)
            .parse()
            .map_err(|error| Refused(format!("{error}")))
    }
}

/// When a service is there for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Its container runs.
    Started,
    /// Its health check succeeds.
    Healthy,
    /// It has ended, and well.
    Completed,
}

/// A volume of the project inside a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: ComposeName,
    /// An absolute path inside the service.
    pub target: String,
    /// True where the service only reads it.
    pub read_only: bool,
}

/// Asks whether a service is well. What is None is the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// As the engine takes it, beginning with `CMD`, `CMD-SHELL` or `NONE`.
    pub test: Vec<String>,
    /// Nanoseconds between two questions.
    pub interval: Option<u64>,
    /// Nanoseconds that an answer may take.
    pub timeout: Option<u64>,
    /// Bad answers in a row that make it unhealthy.
    pub retries: Option<u32>,
    /// Nanoseconds at the beginning in which bad answers do not count.
    pub start_period: Option<u64>,
}

impl Compose {
    /// The service that visitors reach.
    pub fn web(&self) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.kind == ServiceKind::Web)
    }

    /// A service by its name.
    pub fn service(&self, name: &ComposeName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// The services of a kind, in the order in which they are started.
    pub fn of_kind(&self, kind: ServiceKind) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.kind == kind)
    }

    /// The different builds, each with the first service that wants it.
    pub fn builds(&self) -> Vec<(&ComposeName, &Build)> {
        let mut builds: Vec<(&ComposeName, &Build)> = Vec::new();
        for service in &self.services {
            if let Source::Build(build) = &service.source
                && !builds.iter().any(|(_, known)| *known == build)
            {
                builds.push((&service.name, build));
            }
        }
        builds
    }
}

/// Reads a compose file. `web` is the service that visitors reach. Variables are those of `environment`, which is also what
/// `env_file: .env` stands for; other files are read from the repository by `file`.
///
/// # Errors
/// Something in it is not known, not allowed, or missing.
pub fn read(
    text: &str,
    web: &ComposeName,
    environment: &Environment,
    file: &mut dyn FnMut(&RelPath) -> Result<Option<String>, String>,
) -> Result<Compose, Refused> {
    let value = |name: &str| environment.0.get(&name.parse::<EnvName>().ok()?).cloned();
    let mut reader = Reader {
        variables: Variables::new(&value, false),
        environment,
        file,
        volumes: Vec::new(),
        notes: Vec::new(),
    };
    let mut compose = reader.whole(text)?;
    order::arrange(&mut compose.services, Some(web))?;
    let missing = &reader.variables.missing;
    compose.notes.extend(missing.iter().map(|name| {
        format!("the variable `{name}` is not set, so it is empty; set it in the project's environment, or give it a default")
    }));
    Ok(compose)
}

/// Reads a compose file of which neither the web service nor variables are known yet.
///
/// # Errors
/// Something in it is not known or not allowed.
pub fn outline(text: &str) -> Result<Compose, Refused> {
    let environment = Environment::default();
    let mut reader = Reader {
        variables: Variables::new(&|_| None, true),
        environment: &environment,
        file: &mut |_| Ok(Some(String::new())),
        volumes: Vec::new(),
        notes: Vec::new(),
    };
    let mut compose = reader.whole(text)?;
    order::arrange(&mut compose.services, None)?;
    Ok(compose)
}

/// A service as it stands in the file; what follows from the others is not known yet.
pub(crate) struct Reader<'a> {
    variables: Variables<'a>,
    environment: &'a Environment,
    file: &'a mut dyn FnMut(&RelPath) -> Result<Option<String>, String>,
    /// Those of the file's own list.
    volumes: Vec<ComposeName>,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn whole(&mut self, text: &str) -> Result<Compose, Refused> {
        if text.len() > FILE_BYTES {
            return Err(Refused(format!(
                "it is larger than {} KiB; a compose file that is deployed is smaller",
                FILE_BYTES / 1024
            )));
        }
        let whole = yaml::parse(text)?;
        let Value::Map(pairs) = &whole.value else {
            return Err(Refused(format!(
                "it is {}, and a compose file is a mapping with `services`",
                whole.value.kind()
            )));
        };
        let of = |wanted: &str| pairs.iter().find(|(key, _)| key == wanted).map(|(_, node)| node);
        for (key, node) in pairs {
            let known =
                matches!(key.as_str(), "services" | "volumes" | "name" | "version") || key.starts_with("x-");
            if !known {
                return Err(Refused(format!(
                    "line {}: `{}` {}",
                    node.line,
                    shown(key),
                    keys::top(key)
                )));
            }
        }
        if let Some(volumes) = of("volumes") {
            self.volumes(volumes)?;
        }
        let mut services = Vec::new();
        match of("services").map(|node| (&node.value, node.line)) {
            Some((Value::Map(pairs), line)) => {
                if pairs.len() > SERVICES {
                    return Err(Refused(format!("line {line}: at most {SERVICES} services")));
                }
                for (name, node) in pairs {
                    services.extend(self.service(name, node)?);
                }
            }
            _ => return Err(Refused("it has no `services`".to_owned())),
        }
        Ok(Compose {
            services,
            notes: std::mem::take(&mut self.notes),
        })
    }

    fn volumes(&mut self, node: &Node) -> Result<(), Refused> {
        let pairs: &[(String, Node)] = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Null => &[],
            other => {
                return Err(Refused(format!(
                    "line {}: `volumes` is {}, and has to be a mapping of names",
                    node.line,
                    other.kind()
                )));
            }
        };
        for (name, node) in pairs {
            let refused =
                |what: String| Refused(format!("line {}: volume `{}` {what}", node.line, shown(name)));
            let plain: &[(String, Node)] = match &node.value {
                Value::Map(pairs) => pairs,
                Value::Null => &[],
                _ => return Err(refused("has to be empty".to_owned())),
            };
            if let Some((key, _)) = plain
                .iter()
                .find(|(key, _)| key != "labels" && !key.starts_with("x-"))
            {
                return Err(refused(format!(
                    "has `{}`, which is not taken: volumes are folders of the project; remove it",
                    shown(key)
                )));
            }
            self.volumes.push(
                name.parse()
                    .map_err(|error| refused(format!("is named badly: {error}")))?,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
