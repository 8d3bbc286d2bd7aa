//! A database and a Redis user of a project's own, made as often as asked and dropped only by a purge.
//!
//! Their passwords are made here and stay on this server, in a file that only root reads.

use super::error::{Doing, HostError, Result};
use super::process::run;
use super::{Host, redis};
use crate::config::{MariadbConfig, RedisConfig};
use devflow_protocol::project::{Environment, Framework, ProjectSpec};
use devflow_protocol::text::{EnvName, Slug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_mins(1);

/// The passwords of a project's services.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Passwords {
    mariadb: Option<String>,
    redis: Option<String>,
}

/// What a project's database, its user and its Redis user are called. The prefix keeps a project from taking over
/// what was there before it, such as `mysql`.
fn account(slug: &Slug) -> String {
    format!("df_{}", slug.as_str().replace('-', "_"))
}

/// What the names of the databases of a project's tenants begin with. No account has a `$`, so that no other project's
/// begins so.
fn tenant_prefix(account: &str) -> String {
    format!("{account}$")
}

/// Makes what the project asks for, where it is not there, and gives the variables to reach it with.
///
/// # Errors
/// The server has no such service, or the service refuses.
pub(crate) async fn ensure(host: &Host, project_dir: &Path, spec: &ProjectSpec) -> Result<Environment> {
    let mut values = BTreeMap::new();
    if !spec.services.mariadb && !spec.services.redis {
        return Ok(Environment(values));
    }
    let file = project_dir.join("services.json");
    let mut passwords: Passwords = crate::deploy::load(&file)?.unwrap_or_default();
    let before = passwords.clone();
    let (need_sql, need_redis) = (spec.services.mariadb, spec.services.redis);
    if need_sql && passwords.mariadb.is_none() {
        passwords.mariadb = Some(new_password()?);
    }
    if need_redis && passwords.redis.is_none() {
        passwords.redis = Some(new_password()?);
    }
    if passwords != before {
        crate::deploy::save(&file, &passwords, 0o600)?;
    }
    let account = account(&spec.slug);
    if let Some(password) = passwords.mariadb.filter(|_| need_sql) {
        let config = mariadb_of(host)?;
        sql(config, &create_sql(&account, &password)).await?;
        if spec.framework == Framework::MultiTenant {
            let prefix = tenant_prefix(&account);
            sql(config, &grant_sql(&account, &format!("{prefix}%"))).await?;
            values.insert(env_name("TENANT_DB_PREFIX"), prefix);
        }
        for (name, value) in [
            ("DB_CONNECTION", "mysql"),
            ("DB_HOST", "localhost"),
            ("DB_SOCKET", &config.socket.to_string_lossy()),
            ("DB_DATABASE", &account),
            ("DB_USERNAME", &account),
            ("DB_PASSWORD", &password),
        ] {
            values.insert(env_name(name), value.to_owned());
        }
        if spec.framework == Framework::Shopware {
            let socket = config.socket.to_string_lossy();
            let url = format!("mysql://{account}:{password}@localhost/{account}?unix_socket={socket}");
            values.insert(env_name("DATABASE_URL"), url);
        }
    }
    if let Some(password) = passwords.redis.filter(|_| need_redis) {
        let config = redis_of(host)?;
        redis::set_user(config, &account, &password).await?;
        for (name, value) in [
            ("REDIS_CLIENT", "phpredis"),
            ("REDIS_HOST", config.socket.to_string_lossy().as_ref()),
            // phpredis takes a host with port 0 as the path of a socket.
            ("REDIS_PORT", "0"),
            ("REDIS_USERNAME", &account),
            ("REDIS_PASSWORD", &password),
            ("REDIS_PREFIX", &format!("{account}:")),
        ] {
            values.insert(env_name(name), value.to_owned());
        }
    }
    Ok(Environment(values))
}

/// Makes the project's Redis user again, with the password it has.
///
/// # Errors
/// Redis is not reachable or refuses.
pub(crate) async fn ensure_redis(host: &Host, project_dir: &Path, spec: &ProjectSpec) -> Result<()> {
    if !spec.services.redis {
        return Ok(());
    }
    let passwords: Passwords = crate::deploy::load(&project_dir.join("services.json"))?.unwrap_or_default();
    match passwords.redis {
        Some(password) => redis::set_user(redis_of(host)?, &account(&spec.slug), &password).await,
        None => Ok(()),
    }
}

/// Drops a project's database, users and keys for good.
///
/// # Errors
/// The service refuses.
pub(crate) async fn drop_all(host: &Host, project_dir: &Path, slug: &Slug) -> Result<()> {
    let Some(passwords) = crate::deploy::load::<Passwords>(&project_dir.join("services.json"))? else {
        return Ok(());
    };
    let account = account(slug);
    if passwords.mariadb.is_some() {
        let config = mariadb_of(host)?;
        let prefix = tenant_prefix(&account);
        let listed = sql(config, &format!("SHOW DATABASES LIKE '{}%';\n", escaped(&prefix))).await?;
        let tenants = listed.lines().filter(|name| name.starts_with(&prefix));
        let drop: String = tenants.chain([account.as_str()]).map(drop_sql).collect();
        sql(
            config,
            &format!("{drop}DROP USER IF EXISTS '{account}'@'localhost';\n"),
        )
        .await?;
    }
    if passwords.redis.is_some() {
        redis::remove_user(redis_of(host)?, &account).await?;
    }
    Ok(())
}

fn mariadb_of(host: &Host) -> Result<&MariadbConfig> {
    host.config.mariadb.as_ref().ok_or_else(|| {
        HostError::new(
            "the project asks for a database, but this server's runner.toml has no [mariadb] section",
        )
    })
}

fn redis_of(host: &Host) -> Result<&RedisConfig> {
    host.config.redis.as_ref().ok_or_else(|| {
        HostError::new("the project asks for Redis, but this server's runner.toml has no [redis] section")
    })
}

// The end of a tenant's name is the application's own.
fn drop_sql(database: &str) -> String {
    format!("DROP DATABASE IF EXISTS `{}`;\n", database.replace('`', "``"))
}

// Account and password hold letters, digits and underscores only, so nothing in them ends a literal.
fn create_sql(account: &str, password: &str) -> String {
    let grant = grant_sql(account, account);
    format!(
        "CREATE DATABASE IF NOT EXISTS `{account}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n\
         CREATE USER IF NOT EXISTS '{account}'@'localhost' IDENTIFIED BY '{password}';\n\
         ALTER USER '{account}'@'localhost' IDENTIFIED BY '{password}';\n\
         {grant}"
    )
}

fn grant_sql(account: &str, databases: &str) -> String {
    let pattern = escaped(databases);
    format!("GRANT ALL PRIVILEGES ON `{pattern}`.* TO '{account}'@'localhost';\n")
}

// In a pattern an underscore is a wildcard: unescaped, `df_a_b` would also open `df_axb`.
fn escaped(name: &str) -> String {
    name.replace('_', "\\_")
}

// By standard input: an argument would be readable by every user of the server.
async fn sql(config: &MariadbConfig, statements: &str) -> Result<String> {
    let mut command = Command::new("mariadb");
    command.args([
        "--no-defaults",
        "--protocol=socket",
        "--batch",
        "--skip-column-names",
        "--user",
        &config.user,
        "--socket",
    ]);
    command.arg(&config.socket);
    let done = run(command, statements.as_bytes(), LIMIT, &CancellationToken::new()).await?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    Err(HostError::because(
        format!("prepare the database at {}", config.socket.display()),
        done.complaint(),
    ))
}

fn new_password() -> Result<String> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).doing(|| "get random bytes for a password")?;
    Ok(hex::encode(bytes))
}

fn env_name(text: &str) -> EnvName {
    text.parse().expect("the names of this file are variable names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn create_sql_grants_the_one_database_only() {
        let sql = create_sql("df_my_shop", "abc");
        assert!(
            sql.contains("GRANT ALL PRIVILEGES ON `df\\_my\\_shop`.* TO 'df_my_shop'@'localhost'"),
            "{sql}"
        );
        assert!(
            sql.contains("CREATE DATABASE IF NOT EXISTS `df_my_shop`"),
            "{sql}"
        );
    }
}
