//! What changed between two versions of a project's environment: names only, never values.

use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use serde::{Deserialize, Serialize};

/// What a version changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Names that were not there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<EnvName>,
    /// Names with another value than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<EnvName>,
    /// Names that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<EnvName>,
}

/// What makes `after` of `before`, each in the order of names.
pub fn changes(before: &Environment, after: &Environment) -> Changes {
    let mut changes = Changes::default();
    for (name, value) in &after.0 {
        match before.0.get(name) {
            None => changes.added.push(name.clone()),
            Some(old) if old != value => changes.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    let gone = before.0.keys().filter(|name| !after.0.contains_key(*name));
    changes.removed.extend(gone.cloned());
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(values: &[(&str, &str)]) -> Environment {
        let pair = |(name, value): &(&str, &str)| (name.parse().expect("a name"), (*value).to_owned());
        Environment(values.iter().map(pair).collect())
    }

    #[test]
    fn changes_are_told_by_name_and_kind() {
        let before = environment(&[("A", "1"), ("B", "2"), ("C", "3")]);
        let after = environment(&[("A", "1"), ("B", "two"), ("D", "4")]);
        let names = |names: &[EnvName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let told = changes(&before, &after);
        assert_eq!(names(&told.added), ["D"]);
        assert_eq!(names(&told.changed), ["B"]);
        assert_eq!(names(&told.removed), ["C"]);
        assert_eq!(changes(&after, &after), Changes::default());
    }
}
