//! What of a service is more than a single value: its build, variables, ports, volumes, and what it waits for.

use super::service::{ENTRIES, Place, rel};
use super::values::{self, NoVolume};
use super::yaml::{Node, Value, shown};
use super::{Build, Condition, DOTENV, Healthcheck, Reader, Refused, Volume};
use crate::dotenv;
use devflow_protocol::text::{ComposeName, EnvName};
use std::collections::BTreeMap;

impl Reader<'_> {
    /// Variables; one without a value is passed on from the project's environment.
    pub(super) fn assignments(
        &mut self,
        at: Place<'_>,
        node: &Node,
    ) -> Result<BTreeMap<EnvName, String>, Refused> {
        let mut found = BTreeMap::new();
        for (name, value) in self.pairs(at, node)? {
            let parsed: EnvName = name
                .parse()
                .map_err(|error| at.refused(format!("cannot be taken: {error}")))?;
            match value.or_else(|| self.variables.get(&name)) {
                Some(value) => drop(found.insert(parsed, value)),
                None => drop(found.remove(&parsed)),
            }
        }
        Ok(found)
    }

    pub(super) fn env_files(
        &mut self,
        at: Place<'_>,
        node: &Node,
    ) -> Result<BTreeMap<EnvName, String>, Refused> {
        let entries: &[Node] = match &node.value {
            Value::List(nodes) => nodes,
            _ => std::slice::from_ref(node),
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let (path, required) = match &entry.value {
                Value::Map(pairs) => self.env_file(at, pairs)?,
                _ => (self.text(at, entry)?, true),
            };
            let at = at.at(entry);
            let Ok(Some(path)) = values::repository_path(&path) else {
                return Err(at.refused("names no file of the repository"));
            };
            if path.as_str() == DOTENV {
                found.extend(self.environment.0.clone());
                continue;
            }
            match (self.file)(&path).map_err(|what| at.refused(what))? {
                Some(text) => {
                    let read = dotenv::parse(&text).map_err(|problems| {
                        let first = problems.first().map(ToString::to_string).unwrap_or_default();
                        at.refused(format!("names `{path}`, which cannot be read: {first}"))
                    })?;
                    found.extend(read.0);
                }
                None if required => {
                    return Err(at.refused(format!(
                        "names `{path}`, which the repository does not have; `.env` stands for the project's environment"
                    )));
                }
                None => {}
            }
        }
        Ok(found)
    }

    fn env_file(&mut self, at: Place<'_>, pairs: &[(String, Node)]) -> Result<(String, bool), Refused> {
        let (mut path, mut required) = (String::new(), true);
        for (key, node) in pairs {
            match key.as_str() {
                "path" => path = self.text(at, node)?,
                "required" => required = self.flag(at, node)?,
                _ => {
                    return Err(at
                        .at(node)
                        .refused(format!("has `{}`, which is not known here", shown(key))));
                }
            }
        }
        Ok((path, required))
    }

    pub(super) fn first_port(&mut self, at: Place<'_>, node: &Node) -> Result<Option<u16>, Refused> {
        let entries: &[Node] = match &node.value {
            Value::List(nodes) => nodes,
            Value::Null => &[],
            _ => std::slice::from_ref(node),
        };
        let mut first = None;
        for entry in entries {
            let text = match &entry.value {
                Value::Map(pairs) => {
                    let known = [
                        "name",
                        "target",
                        "published",
                        "host_ip",
                        "protocol",
                        "app_protocol",
                        "mode",
                    ];
                    if let Some((key, node)) = pairs.iter().find(|(key, _)| !known.contains(&key.as_str())) {
                        return Err(at
                            .at(node)
                            .refused(format!("has `{}`, which is not known here", shown(key))));
                    }
                    let of = |wanted| pairs.iter().find(|(key, _)| key == wanted).map(|(_, node)| node);
                    let target = of("target").ok_or_else(|| at.at(entry).refused("has no `target`"))?;
                    let protocol = match of("protocol") {
                        Some(node) => self.text(at, node)?,
                        None => "tcp".to_owned(),
                    };
                    format!("{}/{protocol}", self.text(at, target)?)
                }
                _ => self.text(at, entry)?,
            };
            let port = values::port(&text).map_err(|_| at.at(entry).refused("is no port, such as 8080"))?;
            first = first.or(port);
        }
        if at.key == "ports" && !entries.is_empty() {
            let sentence = "no port is published: visitors come by the project's host names, services by each other's names";
            if !self.notes.iter().any(|known| known == sentence) {
                self.notes.push(sentence.to_owned());
            }
        }
        Ok(first)
    }

    pub(super) fn depends_on(
        &mut self,
        at: Place<'_>,
        node: &Node,
    ) -> Result<BTreeMap<ComposeName, Condition>, Refused> {
        let parsed = |name: &str, at: Place<'_>| -> Result<ComposeName, Refused> {
            name.parse()
                .map_err(|error| at.refused(format!("cannot be taken: {error}")))
        };
        let Value::Map(pairs) = &node.value else {
            let names = self.texts(at, node)?;
            return names
                .iter()
                .map(|name| Ok((parsed(name, at)?, Condition::Started)))
                .collect();
        };
        let mut found = BTreeMap::new();
        for (name, node) in pairs {
            let at = at.at(node);
            let mut condition = Condition::Started;
            let Value::Map(options) = &node.value else {
                return Err(at.refused("has to name a `condition` for each service"));
            };
            for (key, node) in options {
                match (key.as_str(), self.text(at, node)?.as_str()) {
                    ("condition", "service_started") => condition = Condition::Started,
                    ("condition", "service_healthy") => condition = Condition::Healthy,
                    ("condition", "service_completed_successfully") => condition = Condition::Completed,
                    ("required", "true") | ("restart", "true" | "false") => {}
                    (_, value) => {
                        return Err(at.at(node).refused(format!(
                            "has `{}: {}`, which is not known here",
                            shown(key),
                            shown(value)
                        )));
                    }
                }
            }
            found.insert(parsed(name, at)?, condition);
        }
        Ok(found)
    }

    pub(super) fn build(&mut self, at: Place<'_>, node: &Node) -> Result<Build, Refused> {
        let path = |text: &str, at: Place<'_>| {
            values::repository_path(text).map_err(|_| at.refused("names nothing inside the repository"))
        };
        let mut build = Build {
            context: None,
            dockerfile: rel("Dockerfile"),
            arguments: BTreeMap::new(),
            target: None,
        };
        let Value::Map(pairs) = &node.value else {
            build.context = path(&self.text(at, node)?, at)?;
            return Ok(build);
        };
        for (key, node) in pairs {
            let at = at.at(node);
            match key.as_str() {
                "context" => build.context = path(&self.text(at, node)?, at)?,
                "dockerfile" => {
                    let file = path(&self.text(at, node)?, at)?;
                    build.dockerfile = file.ok_or_else(|| at.refused("names no Dockerfile"))?;
                }
                "target" => build.target = Some(self.text(at, node)?),
                "args" => {
                    build.arguments = self.assignments(at, node)?;
                    // Builders read these themselves, and take an image from elsewhere for one of them.
                    if build
                        .arguments
                        .keys()
                        .any(|name| name.as_str().starts_with("BUILDKIT_"))
                    {
                        return Err(
                            at.refused("has an argument of the builder itself, BUILDKIT_…; remove it")
                        );
                    }
                }
                "labels" => {}
                key if key.starts_with("x-") => {}
                key => {
                    return Err(at.refused(format!(
                        "has `{}`, which is not taken; there are context, dockerfile, args and target",
                        shown(key)
                    )));
                }
            }
        }
        Ok(build)
    }

    pub(super) fn mounts(
        &mut self,
        at: Place<'_>,
        node: &Node,
        tmpfs: &mut BTreeMap<String, String>,
    ) -> Result<Vec<Volume>, Refused> {
        const BIND: &str = "mounts a file or folder from outside; use a volume with a name, and copy files into an image that \
                            is built";
        let Value::List(nodes) = &node.value else {
            return Err(at.refused("has to be a list"));
        };
        let mut found: Vec<Volume> = Vec::new();
        for node in nodes {
            let at = at.at(node);
            let volume = match &node.value {
                Value::Map(pairs) => self.long_mount(at, pairs, BIND, tmpfs)?,
                _ => Some(
                    values::volume(&self.text(at, node)?).map_err(|error| match error {
                        NoVolume::Bind => at.refused(BIND),
                        NoVolume::Nameless => {
                            at.refused("has no name before the path; give it one, such as data:/path")
                        }
                        NoVolume::Unknown => at.refused("is not `name:/path` or `name:/path:ro`"),
                    })?,
                ),
            };
            let Some(volume) = volume else { continue };
            if !self.volumes.contains(&volume.name) {
                return Err(at.refused(format!(
                    "names `{}`, which is not among the file's `volumes`; add it there",
                    volume.name
                )));
            }
            if found.iter().any(|known| known.target == volume.target) {
                return Err(at.refused(format!("mounts twice onto {}", shown(&volume.target))));
            }
            found.push(volume);
        }
        if found.len() > ENTRIES {
            return Err(at.refused(format!("has more than {ENTRIES} entries")));
        }
        Ok(found)
    }

    fn long_mount(
        &mut self,
        at: Place<'_>,
        pairs: &[(String, Node)],
        bind: &str,
        tmpfs: &mut BTreeMap<String, String>,
    ) -> Result<Option<Volume>, Refused> {
        let mut texts: BTreeMap<&str, String> = BTreeMap::new();
        for (key, node) in pairs {
            if !matches!(key.as_str(), "type" | "source" | "target" | "read_only") {
                return Err(at
                    .at(node)
                    .refused(format!("has `{}`, which is not taken; remove it", shown(key))));
            }
            texts.insert(key, self.text(at, node)?);
        }
        let mut take = |key| texts.remove(key).unwrap_or_default();
        let (kind, source, target, read_only) =
            (take("type"), take("source"), take("target"), take("read_only"));
        match (kind.as_str(), read_only.as_str()) {
            ("volume", "" | "true" | "false") => {
                let mode = if read_only == "true" { ":ro" } else { "" };
                values::volume(&format!("{source}:{target}{mode}"))
                    .map(Some)
                    .map_err(|_| {
                        at.refused("has to have a name as its `source` and an absolute path as its `target`")
                    })
            }
            ("tmpfs", "" | "false") => {
                let (path, options) = values::tmpfs(&target)
                    .ok_or_else(|| at.refused("has no absolute path as its `target`"))?;
                tmpfs.insert(path, options);
                Ok(None)
            }
            ("bind", _) => Err(at.refused(bind)),
            _ => Err(at.refused("is of a `type` that is not taken; there are volume and tmpfs")),
        }
    }

    pub(super) fn tmpfs(
        &mut self,
        at: Place<'_>,
        node: &Node,
        into: &mut BTreeMap<String, String>,
    ) -> Result<(), Refused> {
        for text in self.texts(at, node)? {
            let (path, options) = values::tmpfs(&text)
                .ok_or_else(|| at.refused("is no absolute path, or has another option than size and mode"))?;
            into.insert(path, options);
        }
        Ok(())
    }

    /// A time that comes again and again: each question is work of the engine, which no limit of the project holds back.
    fn often(&mut self, at: Place<'_>, node: &Node) -> Result<u64, Refused> {
        let time = self.duration(at, node)?;
        if time < 100_000_000 {
            return Err(at.refused("asks more often than each 100ms"));
        }
        Ok(time)
    }

    pub(super) fn healthcheck(&mut self, at: Place<'_>, node: &Node) -> Result<Healthcheck, Refused> {
        let Value::Map(pairs) = &node.value else {
            return Err(at.refused("has to be a mapping"));
        };
        let mut check = Healthcheck::default();
        for (key, node) in pairs {
            let at = at.at(node);
            match key.as_str() {
                "test" => {
                    check.test = match node.value {
                        Value::Text(_) => vec!["CMD-SHELL".to_owned(), self.text(at, node)?],
                        _ => self.texts(at, node)?,
                    };
                    let first = check.test.first().map(String::as_str);
                    if !matches!(first, Some("CMD" | "CMD-SHELL" | "NONE")) {
                        return Err(
                            at.refused("has a `test` that begins with none of CMD, CMD-SHELL and NONE")
                        );
                    }
                }
                "disable" => {
                    if self.flag(at, node)? {
                        check.test = vec!["NONE".to_owned()];
                    }
                }
                "interval" => check.interval = Some(self.often(at, node)?),
                "timeout" => check.timeout = Some(self.often(at, node)?),
                "start_period" => check.start_period = Some(self.duration(at, node)?),
                "retries" => {
                    let retries: u32 = self.parsed(at, node)?;
                    check.retries = Some(retries.clamp(1, 1000));
                }
                key if key.starts_with("x-") => {}
                key => return Err(at.refused(format!("has `{}`, which is not known here", shown(key)))),
            }
        }
        Ok(check)
    }
}
