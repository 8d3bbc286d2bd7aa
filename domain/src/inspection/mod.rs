//! Looking at a repository before it becomes a project: what its files say ([`read`], in the runner), and the settings
//! that follow from it ([`propose`], on the edge).

mod read;
mod versions;

pub use read::read;

use crate::pipeline::{self, multi_tenant};
use crate::webhook::Provider;
use devflow_protocol::inspection::{ComposeFound, DOCKERFILE, ENV_EXAMPLE, Inspection, ServiceFound};
use devflow_protocol::project::{Framework, Process};
use devflow_protocol::text::{ComposeName, EnvName, PhpVersion};

/// PHP versions, the one that is preferred first.
const PHP_VERSIONS: [&str; 7] = ["8.4", "8.3", "8.2", "8.5", "8.1", "8.0", "7.4"];

/// Settings for a person to look at, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The kind of application.
    pub framework: Framework,
    /// The preferred PHP version that `composer.json` allows.
    pub php: PhpVersion,
    /// The port that a Dockerfile exposes or a service names, where it is deployed by that.
    pub port: Option<u16>,
    /// The service of a compose file that visitors most likely reach, where it is deployed by that.
    pub service: Option<ComposeName>,
    /// What runs beside the site.
    pub processes: Vec<Process>,
    /// A database is made.
    pub mariadb: bool,
    /// Redis is given.
    pub redis: bool,
    /// Variables that want a value: those of `.env.example` but for what is set for the project anyway.
    pub env_names: Vec<EnvName>,
    /// What was found and what follows, one sentence each.
    pub reasons: Vec<String>,
}

/// Proposes settings for what was found.
pub fn propose(found: &Inspection) -> Proposal {
    let mut reasons = Vec::new();
    let framework = framework(found, &mut reasons);
    let container = matches!(framework, Framework::Dockerfile | Framework::Compose);
    let php = if container {
        preferred()
    } else {
        php(found, &mut reasons)
    };
    let web = found.compose.as_ref().filter(|_| framework == Framework::Compose);
    let web = web.and_then(web_service);
    let port = match (framework, web) {
        (Framework::Compose, web) => web.and_then(|web| web.port),
        (Framework::Dockerfile, _) => found.port,
        _ => None,
    };
    if let Some(web) = web {
        reasons.push(format!(
            "Visitors most likely reach its service {}; choose another one if not.",
            web.name
        ));
    }
    if let Some(port) = port {
        reasons.push(format!("It exposes port {port}."));
    }
    let mariadb = match framework {
        Framework::Laravel | Framework::MultiTenant => names(found, "DB_DATABASE"),
        Framework::Shopware => names(found, "DATABASE_URL"),
        Framework::Php | Framework::Dockerfile | Framework::Compose => false,
    };
    if mariadb {
        reasons.push("Its .env.example names a database, so one is made for it.".to_owned());
    }
    let redis = ["predis/predis", "ext-redis", HORIZON]
        .into_iter()
        .find(|package| found.requires.contains_key(*package));
    if let Some(package) = redis {
        reasons.push(format!("It requires {package}, so it is given Redis."));
    }
    if found.builds_assets && !container {
        reasons.push("Its package.json has a build script, which each deployment runs.".to_owned());
    }
    reasons.extend(found.unreadable.iter().cloned());
    Proposal {
        framework,
        php,
        port,
        service: web.map(|web| web.name.clone()),
        processes: processes(found, framework),
        mariadb,
        redis: redis.is_some(),
        env_names: wanted(found, framework, mariadb, redis.is_some()),
        reasons,
    }
}

/// Composer's name of Laravel's Horizon.
const HORIZON: &str = "laravel/horizon";

/// The framework's own, with Horizon where the project has that.
fn processes(found: &Inspection, framework: Framework) -> Vec<Process> {
    let mut defaults = pipeline::defaults(framework);
    if found.requires.contains_key(HORIZON)
        && let (Some(worker), Some(horizon)) = (defaults.processes.first_mut(), defaults.alternatives.pop())
    {
        *worker = horizon;
    }
    defaults.processes
}

fn names(found: &Inspection, name: &str) -> bool {
    found.env_names.iter().any(|known| known.as_str() == name)
}

fn framework(found: &Inspection, reasons: &mut Vec<String>) -> Framework {
    let requires = |package| found.requires.get(package);
    if let Some(version) = requires("laravel/framework").filter(|_| found.has("artisan")) {
        if let Some(package) = multi_tenant::PACKAGES
            .into_iter()
            .find(|package| requires(package).is_some())
        {
            reasons.push(format!(
                "It has artisan and requires laravel/framework {version} and {package}: Laravel with many tenants."
            ));
            return Framework::MultiTenant;
        }
        let queue = if requires(HORIZON).is_some() {
            "Horizon"
        } else {
            "a queue worker"
        };
        reasons.push(format!(
            "It has artisan and requires laravel/framework {version}: Laravel, with {queue} and the scheduler."
        ));
        return Framework::Laravel;
    }
    let console = |package| requires(package).filter(|_| found.has("bin/console"));
    if let Some(version) = console("shopware/core") {
        reasons.push(format!(
            "It has bin/console and requires shopware/core {version}: Shopware, with a queue worker and its scheduled tasks."
        ));
        return Framework::Shopware;
    }
    if let Some(compose) = &found.compose {
        let kept = compose.services.iter().filter(|service| service.kept);
        let kept: Vec<&str> = kept.map(|service| service.name.as_str()).collect();
        let kept = match kept[..] {
            [] => String::new(),
            [one] => format!(" {one} goes on from release to release with its volumes."),
            _ => format!(
                " {} go on from release to release with their volumes.",
                kept.join(", ")
            ),
        };
        reasons.push(format!(
            "It has a {} and no framework that is known here: its services are built and run.{kept}",
            compose.file
        ));
        return Framework::Compose;
    }
    if found.has(DOCKERFILE) {
        reasons.push(
            "It has a Dockerfile and no framework that is known here: its image is built and run; say on which port it \
             speaks HTTP."
                .to_owned(),
        );
        return Framework::Dockerfile;
    }
    reasons.push(match console("symfony/framework-bundle") {
        Some(_) => "It requires symfony/framework-bundle: a Symfony application. There is no pipeline for that, so plain PHP is \
             proposed; add its commands as hooks."
            .to_owned(),
        None if found.has("composer.json") => "It has a composer.json and no framework that is known here: plain PHP.".to_owned(),
        None if found.has("index.php") || found.has("public/index.php") => "It has an index.php: plain PHP.".to_owned(),
        None => "Nothing says that this is a PHP application; look whether the branch is right.".to_owned(),
    });
    Framework::Php
}

/// The service that visitors most likely reach: one that names a port, by its name.
fn web_service(found: &ComposeFound) -> Option<&ServiceFound> {
    const USUAL: [&str; 8] = ["web", "proxy", "nginx", "caddy", "http", "www", "app", "php"];
    let rank = |service: &&ServiceFound| {
        let usual = USUAL.iter().position(|name| *name == service.name.as_str());
        (service.kept, service.port.is_none(), usual.unwrap_or(USUAL.len()))
    };
    found.services.iter().min_by_key(rank)
}

fn preferred() -> PhpVersion {
    PHP_VERSIONS[0].parse().expect("a version")
}

fn php(found: &Inspection, reasons: &mut Vec<String>) -> PhpVersion {
    let Some(constraint) = found.requires.get("php") else {
        return preferred();
    };
    let fits = |version: &&str| versions::allows(constraint, version);
    if let Some(version) = PHP_VERSIONS.into_iter().find(|version| fits(version)) {
        reasons.push(format!("It requires PHP {constraint}: {version}."));
        return version.parse().expect("a version");
    }
    reasons.push(format!(
        "It requires PHP {constraint}, which none of the known versions is; choose one."
    ));
    preferred()
}

/// What is set for a project without anybody's doing, by the beginnings of names.
fn wanted(found: &Inspection, framework: Framework, mariadb: bool, redis: bool) -> Vec<EnvName> {
    let own: &[&str] = match framework {
        Framework::Laravel | Framework::MultiTenant => &["APP_KEY", "APP_ENV", "APP_DEBUG", "APP_URL"],
        Framework::Shopware => &["APP_SECRET", "APP_ENV"],
        Framework::Php | Framework::Dockerfile | Framework::Compose => &[],
    };
    let set = |name: &str| {
        own.contains(&name)
            || (mariadb && (name.starts_with("DB_") || name == "DATABASE_URL"))
            || (redis && name.starts_with("REDIS_"))
    };
    let names = found.env_names.iter().filter(|_| found.has(ENV_EXAMPLE));
    names.filter(|name| !set(name.as_str())).cloned().collect()
}

/// The provider whose address this is, where the host tells.
pub fn provider_of(repository: &str) -> Option<Provider> {
    let rest = repository.split_once("://").map_or(repository, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?;
    match host.rsplit('@').next()? {
        "github.com" => Some(Provider::Github),
        "gitlab.com" => Some(Provider::Gitlab),
        "bitbucket.org" => Some(Provider::Bitbucket),
        "codeberg.org" => Some(Provider::Gitea),
        _ => None,
    }
}

/// A project's name made of its repository's: `flower-shop.git` is “Flower shop”.
pub fn name_of(repository: &str) -> String {
    let last = repository.trim_end_matches('/').rsplit(['/', ':']).next();
    let last = last.unwrap_or_default();
    let words = last
        .strip_suffix(".git")
        .unwrap_or(last)
        .replace(['-', '_', '.'], " ");
    let mut letters = words.trim().chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}

#[cfg(test)]
mod tests;
