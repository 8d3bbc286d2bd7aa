//! What the files of a repository say. They are a stranger's: whatever is in them, this gives facts of bounded size.

use crate::{compose, dockerfile};
use devflow_protocol::inspection::{
    COMPOSE, COMPOSER, ComposeFound, DOCKERFILE, ENV_EXAMPLE, FILE_BYTES, FILES, Inspection, LIST_ITEMS,
    PACKAGE, ServiceFound,
};
use devflow_protocol::outcome::ServiceKind;
use devflow_protocol::text::{EnvName, GitSha};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest name of a package and longest version that are kept, in characters.
const WORD_CHARS: usize = 100;

/// Reads what was found: `has` tells whether a path of [`FILES`] is a file of the commit, `content` gives what is in one.
pub fn read(
    commit: GitSha,
    has: impl Fn(&str) -> bool,
    mut content: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Inspection {
    let files: Vec<String> = FILES
        .into_iter()
        .filter(|path| has(path))
        .map(str::to_owned)
        .collect();
    let mut unreadable = Vec::new();
    let mut text = |path: &str| {
        if !has(path) {
            return None;
        }
        let read = content(path)
            .filter(|bytes| bytes.len() <= FILE_BYTES)
            .and_then(|bytes| String::from_utf8(bytes).ok());
        if read.is_none() {
            unreadable.push(format!(
                "{path} is no text of at most {} KiB, so it was not looked at.",
                FILE_BYTES / 1024
            ));
        }
        read
    };
    let [composer, package, env, docker] = [COMPOSER, PACKAGE, ENV_EXAMPLE, DOCKERFILE].map(&mut text);
    let compose = COMPOSE
        .into_iter()
        .find(|path| has(path))
        .and_then(|path| Some((path, text(path)?)));
    let port = docker.and_then(|text| dockerfile::read(&text).ok()?.port);
    let services = compose.and_then(|(path, text)| match services(path, &text, port) {
        Ok(found) => Some(found),
        // Beside a framework it is most often for development.
        Err(_) if has("artisan") || has("bin/console") => None,
        Err(error) => {
            unreadable.push(format!("{path} cannot be deployed as it is: {error}."));
            None
        }
    });
    let mut json = |path: &str, text: Option<String>| -> Value {
        let Some(text) = text else {
            return Value::Null;
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            unreadable.push(format!("{path} is not JSON: {error}."));
            Value::Null
        })
    };
    let (composer, package) = (json(COMPOSER, composer), json(PACKAGE, package));
    Inspection {
        commit,
        files,
        requires: requires(&composer),
        builds_assets: package["scripts"]["build"].is_string(),
        // One that is not built as it is says so when it is deployed.
        port,
        compose: services,
        env_names: env.as_deref().map(env_names).unwrap_or_default(),
        unreadable,
    }
}

/// The services of a compose file. `port` is that of the Dockerfile beside it.
fn services(path: &str, text: &str, port: Option<u16>) -> Result<ComposeFound, compose::Refused> {
    let found = compose::outline(text)?.services.into_iter();
    let service = |service: compose::Service| {
        let built = match &service.source {
            compose::Source::Build(build) => {
                build.context.is_none() && build.dockerfile.as_str() == DOCKERFILE
            }
            compose::Source::Image(_) => false,
        };
        ServiceFound {
            port: service.port.or(port.filter(|_| built)),
            kept: service.kind == ServiceKind::Kept,
            name: service.name,
        }
    };
    Ok(ComposeFound {
        file: path
            .parse()
            .map_err(|error| compose::Refused(format!("{error}")))?,
        services: found.map(service).collect(),
    })
}

fn requires(composer: &Value) -> BTreeMap<String, String> {
    let Some(packages) = composer["require"].as_object() else {
        return BTreeMap::new();
    };
    let word = |text: &str| {
        let printable = text.chars().filter(|c| !c.is_control());
        printable.take(WORD_CHARS).collect::<String>()
    };
    packages
        .iter()
        .take(LIST_ITEMS)
        .filter_map(|(name, version)| Some((word(name), word(version.as_str()?))))
        .collect()
}

/// Names alone: a value in an example may be somebody's secret all the same.
fn env_names(text: &str) -> Vec<EnvName> {
    let mut names: Vec<EnvName> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        if let Ok(name) = name.trim().parse::<EnvName>()
            && !names.contains(&name)
            && names.len() < LIST_ITEMS
        {
            names.push(name);
        }
    }
    names
}
