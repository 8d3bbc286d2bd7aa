//! What changed between two versions of a project's environment: names only, never values.

use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// What the changes of several versions, one after the other, make together.
pub fn together(versions: impl IntoIterator<Item = Changes>) -> Changes {
    let mut kinds: BTreeMap<EnvName, Kind> = BTreeMap::new();
    for version in versions {
        let told = [
            (Kind::Added, version.added),
            (Kind::Changed, version.changed),
            (Kind::Removed, version.removed),
        ];
        for (kind, names) in told {
            for name in names {
                let then = match (kinds.get(&name), kind) {
                    (Some(Kind::Added), Kind::Removed) => None,
                    (Some(Kind::Added), _) => Some(Kind::Added),
                    // It is there again, most likely with another value.
                    (Some(Kind::Removed), Kind::Added) => Some(Kind::Changed),
                    (_, kind) => Some(kind),
                };
                match then {
                    Some(kind) => kinds.insert(name, kind),
                    None => kinds.remove(&name),
                };
            }
        }
    }
    let mut changes = Changes::default();
    for (name, kind) in kinds {
        match kind {
            Kind::Added => changes.added.push(name),
            Kind::Changed => changes.changed.push(name),
            Kind::Removed => changes.removed.push(name),
        }
    }
    changes
}

#[derive(Clone, Copy)]
enum Kind {
    Added,
    Changed,
    Removed,
}

impl Changes {
    /// What takes them back.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            added: self.removed,
            changed: self.changed,
            removed: self.added,
        }
    }
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

    proptest::proptest! {
        /// Whatever happened in between, the names are those that the first and the last version tell of. A name that was
        /// there all the time may be said to have changed where it has its old value again.
        #[test]
        fn together_says_what_first_and_last_version_say(
            versions in proptest::collection::vec(proptest::collection::btree_map("[A-D]", 0_u8..3, 0..4), 1..6)
        ) {
            let version = |values: &BTreeMap<String, u8>| Environment(
                values.iter().map(|(name, value)| (name.parse().expect("a name"), value.to_string())).collect()
            );
            let versions: Vec<Environment> = versions.iter().map(version).collect();
            let steps = versions.windows(2).map(|pair| changes(&pair[0], &pair[1]));
            let found = together(steps);
            let wanted = changes(&versions[0], &versions[versions.len() - 1]);
            proptest::prop_assert_eq!(&found.added, &wanted.added);
            proptest::prop_assert_eq!(&found.removed, &wanted.removed);
            for name in &wanted.changed {
                proptest::prop_assert!(found.changed.contains(name));
            }
            proptest::prop_assert_eq!(found.clone().reversed().reversed(), found);
        }
    }
}
