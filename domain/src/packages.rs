//! The Composer packages of a release, as `composer.lock` names them, and the conditions that a step of the pipeline puts
//! on them (<https://getcomposer.org/doc/articles/versions.md>).

use devflow_protocol::project::Gate;
use devflow_protocol::text::{PackageLabel, PackageName};
use serde::Deserialize;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Packages by name, each with its version as Composer writes it (`v7.1.0`, `6.6.10.3`, `dev-main`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages(BTreeMap<String, String>);

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

impl Packages {
    /// Reads a `composer.lock`; development packages are not installed in a release and are left out.
    ///
    /// # Errors
    /// It is no lock file.
    pub fn read(lock: &str) -> Result<Self, serde_json::Error> {
        let lock: Lock = serde_json::from_str(lock)?;
        let named = lock
            .packages
            .into_iter()
            .map(|package| (package.name, package.version));
        Ok(Self(named.collect()))
    }

    /// Name and version of each, those left out whose lock file says nonsense.
    pub fn labels(&self) -> BTreeMap<PackageLabel, PackageLabel> {
        labels(
            self.0
                .iter()
                .map(|(name, version)| (name.as_str(), version.as_str())),
        )
    }

    fn version(&self, package: &PackageName) -> Option<&str> {
        self.0.get(package.as_str()).map(String::as_str)
    }

    /// Why a gate does not hold; None where it does. `before` are the packages of the release that serves.
    pub fn unmet(&self, gate: &Gate, before: Option<&Self>) -> Option<String> {
        match gate {
            Gate::Present { package } if self.version(package).is_none() => {
                Some(format!("`{package}` is not installed"))
            }
            Gate::Absent { package } => self.version(package).map(|_| format!("`{package}` is installed")),
            Gate::AtLeast { package, version } => match self.version(package) {
                None => Some(format!("`{package}` is not installed")),
                Some(has) => (compare(has, version.as_str()) == Ordering::Less)
                    .then(|| format!("`{package}` is {has}, older than {version}")),
            },
            Gate::Below { package, version } => match self.version(package) {
                None => Some(format!("`{package}` is not installed")),
                Some(has) => (compare(has, version.as_str()) != Ordering::Less)
                    .then(|| format!("`{package}` is {has}, not older than {version}")),
            },
            Gate::Changed { package } => {
                let has = self.version(package);
                let same = before.is_some_and(|before| before.version(package) == has);
                same.then(|| format!("`{package}` is {}, as before", has.unwrap_or("not installed")))
            }
            // The application itself is asked for its commands.
            Gate::Present { .. } | Gate::Artisan { .. } => None,
        }
    }
}

fn labels<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<PackageLabel, PackageLabel> {
    pairs
        .filter_map(|(name, version)| Some((name.parse().ok()?, version.parse().ok()?)))
        .collect()
}

/// What a `package-lock.json` (of npm 7 or later) installs of what `package.json` itself asks for.
///
/// # Errors
/// It is no lock file.
pub fn npm(lock: &str) -> Result<BTreeMap<PackageLabel, PackageLabel>, serde_json::Error> {
    let lock: NpmLock = serde_json::from_str(lock)?;
    let Some(root) = lock.packages.get("") else {
        return Ok(BTreeMap::new());
    };
    let asked = root.dependencies.keys().chain(root.dev_dependencies.keys());
    let found = asked.filter_map(|name| {
        let package = lock.packages.get(&format!("node_modules/{name}"))?;
        Some((name.as_str(), package.version.as_deref()?))
    });
    Ok(labels(found))
}

/// See <https://docs.npmjs.com/cli/configuring-npm/package-lock-json>.
#[derive(Deserialize)]
struct NpmLock {
    #[serde(default)]
    packages: BTreeMap<String, NpmPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NpmPackage {
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Value>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, Value>,
}

/// A gate in words, behind `only where`.
pub fn describe(gate: &Gate) -> String {
    match gate {
        Gate::Present { package } => format!("{package} is installed"),
        Gate::Absent { package } => format!("{package} is not installed"),
        Gate::AtLeast { package, version } => format!("{package} is {version} or later"),
        Gate::Below { package, version } => format!("{package} is older than {version}"),
        Gate::Changed { package } => format!("{package} has another version than the live release"),
        Gate::Artisan { command, option } => format!("artisan's {command} knows --{option}"),
    }
}

/// Compares a version of a lock file with a plain one. A branch (`dev-main`, `6.6.x-dev`) counts as newer than all versions
/// of its numbers, a pre-release (`6.7.0.0-RC1`) as older than its version.
fn compare(has: &str, wanted: &str) -> Ordering {
    let has = has.trim_start_matches('v');
    if has.starts_with("dev-") {
        return Ordering::Greater;
    }
    let (numbers, suffix) = has.split_once('-').unwrap_or((has, ""));
    let is_branch = suffix == "dev";
    let parts = |text: &str| -> Vec<u32> {
        text.split('.')
            .map(|part| {
                if part == "x" {
                    u32::MAX
                } else {
                    part.parse().unwrap_or(0)
                }
            })
            .chain(std::iter::repeat(0))
            .take(4)
            .collect()
    };
    parts(numbers)
        .cmp(&parts(wanted))
        .then(if suffix.is_empty() || is_branch {
            Ordering::Equal
        } else {
            Ordering::Less
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn packages(list: &[(&str, &str)]) -> Packages {
        let list: Vec<_> = list
            .iter()
            .map(|(name, version)| json!({ "name": name, "version": version, "type": "library" }))
            .collect();
        let lock = json!({ "content-hash": "x", "packages": list, "packages-dev": [{ "name": "a/dev", "version": "1" }] });
        Packages::read(&lock.to_string()).expect("a lock file")
    }

    fn holds(packages: &Packages, gate: serde_json::Value, before: Option<&Packages>) -> bool {
        let gate: Gate = serde_json::from_value(gate).expect("a gate");
        packages.unmet(&gate, before).is_none()
    }

    #[test]
    fn gates_hold_as_the_lock_file_says() {
        let has = packages(&[("shopware/core", "v6.6.10.3")]);
        let gate = |is: &str, package: &str| json!({ "is": is, "package": package });
        assert!(holds(&has, gate("present", "shopware/core"), None));
        assert!(!holds(&has, gate("present", "a/dev"), None));
        assert!(holds(&has, gate("absent", "a/dev"), None));
        assert!(!holds(&has, gate("absent", "shopware/core"), None));
        let versions =
            |is: &str, version: &str| json!({ "is": is, "package": "shopware/core", "version": version });
        for (version, at_least) in [
            ("6.6.6", true),
            ("6.6.10.3", true),
            ("6.6.10.4", false),
            ("6.7", false),
        ] {
            assert_eq!(
                holds(&has, versions("at_least", version), None),
                at_least,
                "{version}"
            );
            assert_eq!(
                holds(&has, versions("below", version), None),
                !at_least,
                "{version}"
            );
        }
        let none = packages(&[]);
        assert!(
            !holds(&none, versions("at_least", "6"), None) && !holds(&none, versions("below", "6"), None)
        );
    }

    #[test]
    fn changed_compares_with_the_release_that_serves() {
        let changed = json!({ "is": "changed", "package": "shopware/core" });
        let (old, new) = (
            packages(&[("shopware/core", "v6.6.9.0")]),
            packages(&[("shopware/core", "v6.6.10.3")]),
        );
        assert!(holds(&new, changed.clone(), None));
        assert!(holds(&new, changed.clone(), Some(&old)));
        assert!(!holds(&new, changed, Some(&new)));
    }

    #[test]
    fn compare_knows_branches_and_candidates() {
        let cases = [
            ("6.7.0.0-RC1", "6.7", Ordering::Less),
            ("6.7.0.0", "6.7", Ordering::Equal),
            ("dev-trunk", "6.7", Ordering::Greater),
            ("6.6.x-dev", "6.6.10.3", Ordering::Greater),
            ("6.6.x-dev", "6.7", Ordering::Less),
        ];
        for (has, wanted, expected) in cases {
            assert_eq!(compare(has, wanted), expected, "{has} and {wanted}");
        }
    }

    #[test]
    fn npm_names_what_is_asked_for_in_the_version_that_is_installed() {
        let lock = json!({ "lockfileVersion": 3, "packages": {
            "": { "dependencies": { "vue": "^3.5.0", "@acme/ui": "file:ui" }, "devDependencies": { "vite": "^7.0.0" } },
            "node_modules/vue": { "version": "3.5.22" },
            "node_modules/vite": { "version": "7.1.7", "dependencies": { "rollup": "^4.0.0" } },
            "node_modules/rollup": { "version": "4.52.0" },
            "node_modules/@acme/ui": { "resolved": "ui", "link": true },
        }});
        let found = npm(&lock.to_string()).expect("a lock file");
        let found: Vec<_> = found
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        assert_eq!(found, ["vite 7.1.7", "vue 3.5.22"]);
        assert!(npm(r#"{"lockfileVersion": 1, "dependencies": {}}"#).is_ok_and(|found| found.is_empty()));
        assert!(npm("7").is_err());
    }

    #[test]
    fn labels_leave_out_what_no_package_is_called() {
        let labels = packages(&[
            ("acme/core", "v1.2.0"),
            ("acme/\u{1b}[31m", "1"),
            ("acme/long", &"9".repeat(200)),
        ])
        .labels();
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        assert_eq!(labels, ["acme/core v1.2.0"]);
    }

    proptest::proptest! {
        #[test]
        fn any_lock_file_is_read_or_refused(text in ".{0,80}") {
            let _ = (Packages::read(&text), npm(&text));
        }
    }
}
