//! Reading of TOML tables that reports every problem at once: unknown keys, wrong types, missing values.

use std::path::PathBuf;
use toml::{Table, Value};

/// Everything that is wrong with a file, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "  - {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Takes keys out of a table; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Reader<'p> {
    table: Table,
    path: String,
    known: Vec<&'static str>,
    problems: &'p mut Vec<String>,
}

impl<'p> Reader<'p> {
    /// Reads `table`, which stands at `path` (empty for the file itself).
    pub(crate) fn new(table: Table, path: &str, problems: &'p mut Vec<String>) -> Self {
        Self {
            table,
            path: path.to_owned(),
            known: Vec::new(),
            problems,
        }
    }

    /// The key as a person finds it in the file.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            format!("`{key}`")
        } else {
            format!("`{}.{key}`", self.path)
        }
    }

    /// Adds a problem about `key`.
    pub(crate) fn problem(&mut self, key: &str, text: &str) {
        let name = self.name(key);
        self.problems.push(format!("{name} {text}"));
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// A text, if the key is there.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, &format!("must be a text, found {}", other.type_str()));
                None
            }
        }
    }

    /// An absolute path, if the key is there.
    pub(crate) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        let plain = path.components().all(|part| {
            matches!(
                part,
                std::path::Component::RootDir | std::path::Component::Normal(_)
            )
        });
        if !path.is_absolute() || !plain {
            self.problem(key, "must be an absolute path without `..`");
            return None;
        }
        Some(path)
    }

    /// True or false, if the key is there.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.take(key)? {
            Value::Boolean(flag) => Some(flag),
            other => {
                self.problem(key, &format!("must be true or false, found {}", other.type_str()));
                None
            }
        }
    }

    /// A whole number within `range`, all of which `N` holds, if the key is there.
    pub(crate) fn integer<N: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<N> {
        match self.take(key)? {
            Value::Integer(number) if range.contains(&number) => N::try_from(number).ok(),
            _ => {
                self.problem(
                    key,
                    &format!("must be a whole number from {} to {}", range.start(), range.end()),
                );
                None
            }
        }
    }

    /// A list of texts, if the key is there.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.take(key)?;
        let texts = value.as_array().and_then(|list| {
            list.iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            self.problem(key, "must be a list of texts");
        }
        texts
    }

    /// A table inside this one, if the key is there.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table> {
        match self.take(key)? {
            Value::Table(table) => Some(table),
            other => {
                self.problem(key, &format!("must be a table, found {}", other.type_str()));
                None
            }
        }
    }

    /// Reports the keys that nothing asked for.
    pub(crate) fn finish(mut self) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            let known = self.known.join(", ");
            self.problem(&key, &format!("is not known; known here: {known}"));
        }
    }
}
