//! What the files of a repository say. They are a stranger's: whatever is in them, this gives facts of bounded size.

use crate::dockerfile;
use devflow_protocol::inspection::{
    COMPOSER, DOCKERFILE, ENV_EXAMPLE, FILE_BYTES, FILES, Inspection, LIST_ITEMS, PACKAGE,
};
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
        port: docker.and_then(|text| dockerfile::read(&text).ok()?.port),
        env_names: env.as_deref().map(env_names).unwrap_or_default(),
        unreadable,
    }
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
