//! The environment of a release: what the project set, what the server adds, and where each kind of application reads
//! it from.

use super::layout::{Layout, ReleaseDir};
use super::replicas::SHARED;
use crate::host::{HostError, Result};
use devflow_protocol::project::{Environment, Framework, ProjectSpec};
use devflow_protocol::text::EnvName;
use std::path::Path;

/// Where a project's `SQLite` database goes when nothing else is set, below `shared/`.
pub(crate) const SQLITE_FILE: &str = "database/database.sqlite";

/// Credentials for packages: build steps have them, a release that serves does not.
const BUILD_ONLY: [&str; 3] = ["COMPOSER_AUTH", "NPM_TOKEN", "NODE_AUTH_TOKEN"];

/// What a release runs with: everything but what only its build needs.
pub(crate) fn runtime(all: &Environment) -> Environment {
    let mut values = all.0.clone();
    values.retain(|name, _| !BUILD_ONLY.contains(&name.as_str()));
    Environment(values)
}

/// What only the build steps have.
pub(crate) fn build_only(all: &Environment) -> Vec<String> {
    let wanted = all
        .0
        .iter()
        .filter(|(name, _)| BUILD_ONLY.contains(&name.as_str()));
    wanted.map(|(name, value)| format!("{name}={value}")).collect()
}

/// Puts the environment of a release together. The project's own values win over `services`.
///
/// # Errors
/// A database file inside a release: the next one would lose it.
pub(crate) fn compose(
    spec: &ProjectSpec,
    layout: &Layout,
    release: &ReleaseDir,
    own: &Environment,
    services: &Environment,
) -> Result<Environment> {
    let mut values = services.0.clone();
    if spec.framework.is_laravel() && wants_sqlite(spec, own) {
        let file = layout.shared().join(SQLITE_FILE);
        values.insert(name("DB_CONNECTION"), "sqlite".into());
        values.insert(name("DB_DATABASE"), file.to_string_lossy().into_owned());
    }
    if spec.framework == Framework::Shopware {
        values.insert(name("APP_ENV"), "prod".into());
    }
    values.extend(own.0.clone());
    values.insert(name("DEVFLOW_RELEASE"), release.id.to_string());
    let all = Environment(values);
    refuse_lost_database(spec, layout, &all)?;
    Ok(all)
}

fn name(text: &'static str) -> EnvName {
    text.parse().expect("the names of this file are variable names")
}

fn get<'e>(environment: &'e Environment, wanted: &'static str) -> Option<&'e str> {
    environment
        .0
        .get(&name(wanted))
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

// Laravel's own default is a file inside the release.
fn wants_sqlite(spec: &ProjectSpec, own: &Environment) -> bool {
    match get(own, "DB_CONNECTION") {
        Some(connection) => connection == "sqlite",
        None => {
            !spec.services.mariadb
                && ["DB_URL", "DATABASE_URL", "DB_HOST", "DB_SOCKET"]
                    .iter()
                    .all(|n| get(own, n).is_none())
        }
    }
}

/// True where the release uses the database file in the shared folder.
pub(crate) fn uses_shared_sqlite(layout: &Layout, environment: &Environment) -> bool {
    get(environment, "DB_CONNECTION") == Some("sqlite")
        && get(environment, "DB_DATABASE").map(Path::new) == Some(layout.shared().join(SQLITE_FILE).as_path())
}

fn refuse_lost_database(spec: &ProjectSpec, layout: &Layout, all: &Environment) -> Result<()> {
    if get(all, "DB_CONNECTION") != Some("sqlite") {
        return Ok(());
    }
    let Some(file) = get(all, "DB_DATABASE").filter(|file| !file.contains(":memory:")) else {
        return Ok(());
    };
    let path = Path::new(file);
    let in_shared_path = |below: &Path| {
        spec.shared
            .iter()
            .any(|shared| below.starts_with(shared.path.as_str()))
    };
    let lost = if path.is_relative() {
        !in_shared_path(path)
    } else if let Ok(below) = path.strip_prefix(layout.app()) {
        !in_shared_path(below)
    } else {
        path.starts_with(layout.releases()) || path.starts_with(layout.current())
    };
    if lost {
        return Err(HostError::new(format!(
            "DB_DATABASE is `{file}`, a file inside the release, which the next release would not have; \
             remove the variable (the server then keeps the file in the project's shared folder) or name a path in {}",
            layout.shared().display()
        )));
    }
    Ok(())
}

/// The variables of the project's containers. A Dockerfile's image has them all, and the port that it has to listen on; they
/// are never in the image itself. Plain PHP and Shopware read the whole environment there, byte for byte; Laravel has
/// its `.env` and must not find the values twice, because a cached configuration would then differ from what it says.
pub(crate) fn for_containers(spec: &ProjectSpec, release: &ReleaseDir, all: &Environment) -> Vec<String> {
    let set = |name: &str| all.0.keys().any(|known| known.as_str() == name);
    if let Some(container) = &spec.container {
        let usual = [
            ("PORT", container.port.to_string()),
            ("DEVFLOW_SHARED", SHARED.to_owned()),
            ("HOME", "/tmp".to_owned()),
        ];
        let usual = usual.into_iter().filter(|(name, _)| !set(name));
        let own = all.0.iter().map(|(name, value)| (name.as_str(), value.clone()));
        return usual
            .chain(own)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
    }
    let mut list = vec![
        "PHP_INI_SCAN_DIR=:/etc/devflow/php.d".to_owned(),
        format!("DEVFLOW_RELEASE={}", release.id),
        "HOME=/tmp".to_owned(),
    ];
    if !spec.framework.is_laravel() {
        list.extend(all.0.iter().map(|(name, value)| format!("{name}={value}")));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment(
            pairs
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), (*value).to_owned()))
                .collect(),
        )
    }

    fn composed(own: &[(&str, &str)]) -> Result<Environment> {
        let mut spec = samples::spec("shop");
        spec.shared = devflow_domain::pipeline::defaults(Framework::Laravel).shared;
        let layout = Layout::at(Path::new("/srv/p"), &spec.slug);
        let release = layout.release(&samples::deploy("shop").deployment);
        compose(
            &spec,
            &layout,
            &release,
            &environment(own),
            &environment(&[("DB_HOST", "made"), ("A", "made")]),
        )
    }

    #[test]
    fn compose_lets_the_projects_own_values_win() {
        let all = composed(&[("A", "own"), ("DB_HOST", "elsewhere")]).expect("composes");
        assert_eq!(
            (get(&all, "A"), get(&all, "DB_HOST")),
            (Some("own"), Some("elsewhere"))
        );
        assert_eq!(get(&all, "DB_CONNECTION"), None);
    }

    #[test]
    fn compose_puts_an_unnamed_database_into_the_shared_folder() {
        for own in [&[][..], &[("DB_CONNECTION", "sqlite")]] {
            let all = composed(own).expect("composes");
            assert_eq!(
                get(&all, "DB_DATABASE"),
                Some("/srv/p/shop/shared/database/database.sqlite")
            );
        }
    }

    #[test]
    fn compose_refuses_a_database_that_the_next_release_would_not_have() {
        let with = |file| composed(&[("DB_CONNECTION", "sqlite"), ("DB_DATABASE", file)]);
        for lost in [
            "database/x.sqlite",
            "/srv/p/shop/current/app/x.sqlite",
            "/srv/p/shop/releases/x/app/x.sqlite",
        ] {
            let message = with(lost).expect_err("must be refused").to_string();
            assert!(
                message.contains(lost) && message.contains("/srv/p/shop/shared"),
                "{message}"
            );
        }
        for kept in [
            ":memory:",
            "storage/app/x.sqlite",
            "/srv/p/shop/current/app/storage/app/x",
            "/srv/p/shop/shared/x",
            "/var/x",
        ] {
            assert!(with(kept).is_ok(), "{kept}");
        }
    }

    #[test]
    fn credentials_for_packages_stay_in_the_build() {
        let all = environment(&[("COMPOSER_AUTH", "{}"), ("APP_KEY", "k")]);
        assert_eq!(runtime(&all), environment(&[("APP_KEY", "k")]));
        assert_eq!(build_only(&all), ["COMPOSER_AUTH={}"]);
    }
}
