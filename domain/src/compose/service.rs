//! One service of a compose file, key by key.

use super::values;
use super::yaml::{Node, Value, shown};
use super::{Build, Reader, Refused, Service, Source, keys};
use crate::command_line;
use devflow_protocol::outcome::ServiceKind;
use devflow_protocol::text::{ComposeName, RelPath};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Most entries of a list or mapping of a service.
pub(super) const ENTRIES: usize = 256;
/// Seconds that a service has to end by itself where it says nothing.
const GRACE_S: u32 = 10;
/// Most of those seconds.
const MOST_GRACE_S: u64 = 3600;

/// Where something stands, for a sentence about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) line: usize,
    pub(super) service: &'a str,
    pub(super) key: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn refused(self, what: impl Display) -> Refused {
        Refused(format!(
            "line {}: service `{}`: `{}` {what}",
            self.line,
            shown(self.service),
            shown(self.key)
        ))
    }

    pub(super) fn at(self, node: &Node) -> Self {
        Self {
            line: node.line,
            ..self
        }
    }

    fn key(self, key: &'a str, node: &Node) -> Self {
        Self { key, ..self }.at(node)
    }
}

/// The pairs of a mapping, or the entries of a list that stands for one.
pub(super) type Pairs = Vec<(String, Option<String>)>;

impl Reader<'_> {
    /// Reads a service; None for one that has profiles, none of which is ever active here.
    pub(super) fn service(&mut self, name: &str, node: &Node) -> Result<Option<Service>, Refused> {
        let place = Place {
            line: node.line,
            service: name,
            key: "services",
        };
        let Value::Map(pairs) = &node.value else {
            return Err(place.refused(format!(
                "has {} in its place, and has to have a mapping",
                node.value.kind()
            )));
        };
        if let Some((_, profiles)) = pairs.iter().find(|(key, _)| key == "profiles")
            && !self.texts(place.key("profiles", profiles), profiles)?.is_empty()
        {
            self.notes.push(format!(
                "service `{}` has `profiles`, so it is left out",
                shown(name)
            ));
            return Ok(None);
        }
        let name: ComposeName = name
            .parse()
            .map_err(|error| place.refused(format!("has a bad name: {error}")))?;
        let mut service = Service {
            name,
            kind: ServiceKind::Release,
            late: false,
            source: Source::Build(Build {
                context: None,
                dockerfile: rel("Dockerfile"),
                arguments: BTreeMap::new(),
                target: None,
            }),
            command: None,
            entrypoint: None,
            environment: BTreeMap::new(),
            port: None,
            depends_on: BTreeMap::new(),
            volumes: Vec::new(),
            healthcheck: None,
            working_dir: None,
            init: true,
            stop_signal: None,
            stop_grace_s: GRACE_S,
            read_only: false,
            tmpfs: BTreeMap::new(),
        };
        let mut image = None;
        let mut build = None;
        // Values of `environment` win over those of files, wherever either stands.
        let mut own = BTreeMap::new();
        let mut ports = None;
        for (key, node) in pairs {
            let at = place.key(key, node);
            match key.as_str() {
                "image" => image = Some(self.parsed(at, node)?),
                "build" => build = Some(self.build(at, node)?),
                "environment" => own = self.assignments(at, node)?,
                "env_file" => service.environment = self.env_files(at, node)?,
                "expose" => service.port = self.first_port(at, node)?,
                "ports" => ports = self.first_port(at, node)?,
                "user" => self.user(at, node)?,
                _ => self.plain_key(&mut service, at, node)?,
            }
        }
        service.environment.extend(own);
        service.port = service.port.or(ports);
        service.source = match (build, image) {
            (Some(build), _) => Source::Build(build),
            (None, Some(image)) => Source::Image(image),
            (None, None) => return Err(place.refused("has neither `image` nor `build`; give it one of them")),
        };
        Ok(Some(service))
    }

    /// The keys that stand for themselves.
    fn plain_key(&mut self, service: &mut Service, at: Place<'_>, node: &Node) -> Result<(), Refused> {
        match at.key {
            "command" => service.command = self.command(at, node)?,
            "entrypoint" => service.entrypoint = self.entrypoint(at, node)?,
            "depends_on" => service.depends_on = self.depends_on(at, node)?,
            "volumes" => service.volumes = self.mounts(at, node, &mut service.tmpfs)?,
            "tmpfs" => self.tmpfs(at, node, &mut service.tmpfs)?,
            "healthcheck" => service.healthcheck = Some(self.healthcheck(at, node)?),
            "working_dir" => {
                let path = self.text(at, node)?;
                if !path.starts_with('/') || path.contains("/../") {
                    return Err(at.refused("is no absolute path, such as /app"));
                }
                service.working_dir = Some(path);
            }
            "init" => service.init = self.flag(at, node)?,
            "read_only" => service.read_only = self.flag(at, node)?,
            "stop_signal" => {
                let signal = self.text(at, node)?;
                if !values::is_signal(&signal) {
                    return Err(at.refused("is no signal, such as SIGTERM"));
                }
                service.stop_signal = Some(signal);
            }
            "stop_grace_period" => {
                let seconds = self.duration(at, node)?.div_ceil(1_000_000_000);
                let seconds = Some(seconds).filter(|seconds| *seconds <= MOST_GRACE_S);
                let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
                service.stop_grace_s = seconds.ok_or_else(|| at.refused("is longer than an hour"))?;
            }
            "restart" => {
                let policy = self.text(at, node)?;
                let known = policy.split(':').next().unwrap_or_default();
                if !matches!(known, "no" | "always" | "on-failure" | "unless-stopped") {
                    return Err(at.refused("is none of no, always, on-failure and unless-stopped"));
                }
            }
            "labels" | "annotations" | "profiles" => {}
            key if key.starts_with("x-") => {}
            key => return Err(at.refused(keys::of_service(key))),
        }
        Ok(())
    }

    /// A single value, its variables filled in.
    pub(super) fn text(&mut self, at: Place<'_>, node: &Node) -> Result<String, Refused> {
        let at = at.at(node);
        let Value::Text(text) = &node.value else {
            return Err(at.refused(format!("is {}, and has to be a single value", node.value.kind())));
        };
        let text = self.variables.expand(text);
        let text = text.map_err(|what| at.refused(format!("cannot be filled in: {what}")))?;
        if text.contains('\0') {
            return Err(at.refused("has a NUL character"));
        }
        Ok(text)
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        at: Place<'_>,
        node: &Node,
    ) -> Result<T, Refused> {
        let text = self.text(at, node)?;
        text.parse()
            .map_err(|error| at.at(node).refused(format!("cannot be taken: {error}")))
    }

    pub(super) fn flag(&mut self, at: Place<'_>, node: &Node) -> Result<bool, Refused> {
        match self.text(at, node)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(at.refused("is neither true nor false")),
        }
    }

    pub(super) fn duration(&mut self, at: Place<'_>, node: &Node) -> Result<u64, Refused> {
        let text = self.text(at, node)?;
        values::nanoseconds(&text).ok_or_else(|| at.refused("is no time of at most 24h, such as 1m30s"))
    }

    /// A list of single values; one alone counts as a list of it.
    pub(super) fn texts(&mut self, at: Place<'_>, node: &Node) -> Result<Vec<String>, Refused> {
        match &node.value {
            Value::List(nodes) => nodes.iter().map(|node| self.text(at, node)).collect(),
            Value::Null => Ok(Vec::new()),
            _ => Ok(vec![self.text(at, node)?]),
        }
    }

    /// `NAME: value` and `- NAME=value`; None where there is no value.
    pub(super) fn pairs(&mut self, at: Place<'_>, node: &Node) -> Result<Pairs, Refused> {
        let pairs: Pairs = match &node.value {
            Value::Null => Vec::new(),
            Value::Map(pairs) => {
                let read = |(key, node): &(String, Node)| match node.value {
                    Value::Null => Ok((key.clone(), None)),
                    _ => Ok((key.clone(), Some(self.text(at, node)?))),
                };
                pairs.iter().map(read).collect::<Result<_, Refused>>()?
            }
            _ => {
                let lines = self.texts(at, node)?.into_iter();
                lines
                    .map(|line| match line.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (line, None),
                    })
                    .collect()
            }
        };
        if pairs.len() > ENTRIES {
            return Err(at.refused(format!("has more than {ENTRIES} entries")));
        }
        Ok(pairs)
    }

    fn command(&mut self, at: Place<'_>, node: &Node) -> Result<Option<Vec<String>>, Refused> {
        if node.value == Value::Null {
            return Ok(None);
        }
        let words = self.words(at, node)?;
        if words.is_empty() {
            return Err(at.refused("is empty; leave it out for the image's own, or write what is to be run"));
        }
        Ok(Some(words))
    }

    fn entrypoint(&mut self, at: Place<'_>, node: &Node) -> Result<Option<Vec<String>>, Refused> {
        if node.value == Value::Null {
            return Ok(None);
        }
        self.words(at, node).map(Some)
    }

    /// A list of arguments, or a line that is split as a shell would.
    fn words(&mut self, at: Place<'_>, node: &Node) -> Result<Vec<String>, Refused> {
        match node.value {
            Value::Text(_) => {
                let line = self.text(at, node)?;
                command_line::split(&line)
                    .map_err(|error| at.refused(format!("cannot be split into arguments: {error}")))
            }
            _ => self.texts(at, node),
        }
    }

    /// All containers of a project run as one user, who owns its volumes.
    fn user(&mut self, at: Place<'_>, node: &Node) -> Result<(), Refused> {
        let user = self.text(at, node)?;
        if matches!(user.split(':').next(), Some("root" | "0")) {
            return Err(at.refused("is root, which no container may be; remove it"));
        }
        self.notes.push(format!(
            "service `{}`: `user` is not used, the project's own user is",
            at.service
        ));
        Ok(())
    }
}

pub(super) fn rel(text: &'static str) -> RelPath {
    text.parse().expect("paths in the code are relative")
}
