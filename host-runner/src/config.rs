//! The runner's configuration (`runner.toml`): a pure parse of its text that reports all problems at once.

use crate::table::{Problems, Reader};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Table;

/// First uid that projects get, where nothing else is set.
const UID_BASE: u32 = 20_000;
/// Seconds between two questions to a repository, where nothing else is set.
const HEADS_EVERY_S: u64 = 300;

/// The most that a repository may send at once, in MiB, where nothing else is set.
const REPOSITORY_MIB: u32 = 4_096;

/// What `runner.toml` says, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Address of the edge, without a slash at the end; None takes the one of the enrolment.
    pub(crate) edge: Option<String>,
    /// PEM file of the authority that the edge's certificate must come from; None takes the system's roots.
    pub(crate) ca_file: Option<PathBuf>,
    /// Keys and journal.
    pub(crate) state_dir: PathBuf,
    /// One folder a project.
    pub(crate) projects_dir: PathBuf,
    /// What this server allows.
    pub(crate) policy_file: PathBuf,
    /// First uid given to projects.
    pub(crate) uid_base: u32,
    /// How often each repository is asked whether a push was missed; None never.
    pub(crate) heads_every: Option<Duration>,
    /// The most that a repository may send at once, and that the files of a commit may take, in MiB.
    pub(crate) repository_mib: u32,
    /// The Docker engine.
    pub(crate) docker: DockerConfig,
    /// The web server.
    pub(crate) nginx: NginxConfig,
    /// The `MariaDB` server for projects that ask for a database.
    pub(crate) mariadb: Option<MariadbConfig>,
    /// The Redis server for projects that ask for one.
    pub(crate) redis: Option<RedisConfig>,
}

/// Where Docker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DockerConfig {
    /// Its Unix socket.
    pub(crate) socket: PathBuf,
}

/// How Nginx is called and where its vhosts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NginxConfig {
    /// The program.
    pub(crate) binary: PathBuf,
    /// The main configuration; it must include `vhost_dir/*.conf`.
    pub(crate) config: PathBuf,
    /// Where the projects' vhosts are written.
    pub(crate) vhost_dir: PathBuf,
    /// Values of the vhosts' `listen`: a port or `address:port`.
    pub(crate) listen: Vec<String>,
    /// The group that reads public files.
    pub(crate) group: String,
}

/// Where `MariaDB` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MariadbConfig {
    /// Its Unix socket.
    pub(crate) socket: PathBuf,
    /// The account, which authenticates by its Unix user.
    pub(crate) user: String,
}

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisConfig {
    /// Its Unix socket.
    pub(crate) socket: PathBuf,
    /// File with the password of its default user; None where that one needs none.
    pub(crate) password_file: Option<PathBuf>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// All problems of the text at once.
    pub(crate) fn parse(text: &str) -> Result<Self, Problems> {
        let table = text
            .parse::<Table>()
            .map_err(|error| Problems(vec![format!("this is not valid TOML: {error}")]))?;
        let mut problems = Vec::new();
        let config = read(table, &mut problems);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(problems))
        }
    }
}

fn read(table: Table, problems: &mut Vec<String>) -> Config {
    let mut sections = Vec::new();
    let mut top = Reader::new(table, "", problems);
    let edge = top.text("edge");
    let edge = edge.and_then(|text| match edge_address(&text) {
        Ok(edge) => Some(edge),
        Err(reason) => {
            top.problem("edge", &reason);
            None
        }
    });
    let ca_file = top.path("ca_file");
    let state_dir = top.path("state_dir");
    let projects_dir = top.path("projects_dir");
    let policy_file = top.path("policy_file");
    let uid_base = top.integer("uid_base", 1_000..=2_000_000_000);
    let heads_every_s = top.integer("heads_every_s", 0..=86_400);
    let repository_mib = top.integer("repository_mib", 1..=1_048_576);
    for name in ["docker", "nginx", "mariadb", "redis"] {
        sections.push(top.table(name));
    }
    top.finish();
    let mut sections = sections.into_iter();
    let mut section = || sections.next().flatten();
    Config {
        edge,
        ca_file,
        state_dir: state_dir.unwrap_or_else(|| "/var/lib/devflow".into()),
        projects_dir: projects_dir.unwrap_or_else(|| "/srv/devflow/projects".into()),
        policy_file: policy_file.unwrap_or_else(|| "/etc/devflow/policy.toml".into()),
        uid_base: uid_base.unwrap_or(UID_BASE),
        heads_every: Some(heads_every_s.unwrap_or(HEADS_EVERY_S))
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        repository_mib: repository_mib.unwrap_or(REPOSITORY_MIB),
        docker: docker(section().unwrap_or_default(), problems),
        nginx: nginx(section().unwrap_or_default(), problems),
        mariadb: section().map(|table| mariadb(table, problems)),
        redis: section().map(|table| redis(table, problems)),
    }
}

fn docker(table: Table, problems: &mut Vec<String>) -> DockerConfig {
    let mut section = Reader::new(table, "docker", problems);
    let socket = section.path("socket");
    section.finish();
    DockerConfig {
        socket: socket.unwrap_or_else(|| "/var/run/docker.sock".into()),
    }
}

fn nginx(table: Table, problems: &mut Vec<String>) -> NginxConfig {
    let mut section = Reader::new(table, "nginx", problems);
    let binary = section.path("binary");
    let config = section.path("config");
    let vhost_dir = section.path("vhost_dir");
    let listen = section.texts("listen").unwrap_or_else(|| vec!["80".into()]);
    if listen.is_empty() || !listen.iter().all(|text| is_listen(text)) {
        section.problem(
            "listen",
            "must list ports or `address:port`, such as [\"80\", \"[::]:80\"]",
        );
    }
    let group = section.text("group").unwrap_or_else(|| "www-data".into());
    if !is_account(&group) {
        section.problem("group", "must be the name of a Unix group");
    }
    section.finish();
    NginxConfig {
        binary: binary.unwrap_or_else(|| "/usr/sbin/nginx".into()),
        config: config.unwrap_or_else(|| "/etc/nginx/nginx.conf".into()),
        vhost_dir: vhost_dir.unwrap_or_else(|| "/etc/nginx/devflow".into()),
        listen,
        group,
    }
}

fn mariadb(table: Table, problems: &mut Vec<String>) -> MariadbConfig {
    let mut section = Reader::new(table, "mariadb", problems);
    let socket = section.path("socket");
    let user = section.text("user").unwrap_or_else(|| "root".into());
    if !is_account(&user) {
        section.problem("user", "must be the name of a database account");
    }
    section.finish();
    MariadbConfig {
        socket: socket.unwrap_or_else(|| "/run/mysqld/mysqld.sock".into()),
        user,
    }
}

fn redis(table: Table, problems: &mut Vec<String>) -> RedisConfig {
    let mut section = Reader::new(table, "redis", problems);
    let socket = section.path("socket");
    let password_file = section.path("password_file");
    section.finish();
    RedisConfig {
        socket: socket.unwrap_or_else(|| "/run/redis/redis-server.sock".into()),
        password_file,
    }
}

/// Checks an edge's address and takes a slash off its end. Plain HTTP is for this machine and private addresses:
/// output, settings and names of variables would be readable on the way.
pub(crate) fn edge_address(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let url = reqwest::Url::parse(trimmed).map_err(|error| format!("is not an address: {error}"))?;
    let plain = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !plain {
        return Err("must be like https://devflow.example.com, without a path or a user".into());
    }
    match url.scheme() {
        "https" => Ok(trimmed.to_owned()),
        "http" if url.host_str().is_some_and(is_near) => Ok(trimmed.to_owned()),
        _ => Err("must start with https:// (http:// is for local addresses only)".into()),
    }
}

fn is_near(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn is_listen(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
        || text
            .parse::<std::net::SocketAddr>()
            .is_ok_and(|address| address.port() > 0)
}

fn is_account(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_of_an_empty_file_gives_the_defaults() {
        assert_eq!(
            Config::parse(""),
            Ok(Config {
                edge: None,
                ca_file: None,
                state_dir: "/var/lib/devflow".into(),
                projects_dir: "/srv/devflow/projects".into(),
                policy_file: "/etc/devflow/policy.toml".into(),
                uid_base: 20_000,
                heads_every: Some(Duration::from_mins(5)),
                repository_mib: 4096,
                docker: DockerConfig {
                    socket: "/var/run/docker.sock".into()
                },
                nginx: NginxConfig {
                    binary: "/usr/sbin/nginx".into(),
                    config: "/etc/nginx/nginx.conf".into(),
                    vhost_dir: "/etc/nginx/devflow".into(),
                    listen: vec!["80".into()],
                    group: "www-data".into(),
                },
                mariadb: None,
                redis: None,
            })
        );
    }

    #[test]
    fn parse_reports_every_problem_at_once() {
        let text = r#"
            edge = "http://devflow.example.com"
            state_dir = "var"
            uid_base = 0
            colour = "red"
            redis = 1
            [docker]
            sockets = "/x"
            [nginx]
            listen = ["80", "x"]
            group = "www data"
            [mariadb]
            socket = "/run/../x"
        "#;
        let problems = Config::parse(text).expect_err("must be refused");
        assert_eq!(
            problems.0,
            [
                "`edge` must start with https:// (http:// is for local addresses only)",
                "`state_dir` must be an absolute path without `..`",
                "`uid_base` must be a whole number from 1000 to 2000000000",
                "`redis` must be a table, found integer",
                "`colour` is not known; known here: edge, ca_file, state_dir, projects_dir, policy_file, \
                 uid_base, heads_every_s, repository_mib, docker, nginx, mariadb, redis",
                "`docker.sockets` is not known; known here: socket",
                "`nginx.listen` must list ports or `address:port`, such as [\"80\", \"[::]:80\"]",
                "`nginx.group` must be the name of a Unix group",
                "`mariadb.socket` must be an absolute path without `..`",
            ]
        );
    }

    #[test]
    fn the_sample_is_valid_and_shows_the_defaults() {
        let sample = Config::parse(include_str!("../packaging/runner.toml")).expect("the sample is valid");
        let defaults = Config::parse("[mariadb]\n[redis]\n").expect("valid");
        assert_eq!(sample, defaults);
    }

    #[test]
    fn edge_address_takes_https_anywhere_and_http_nearby() {
        for (text, expected) in [
            (
                "https://devflow.example.com/",
                Some("https://devflow.example.com"),
            ),
            ("http://127.0.0.1:8787", Some("http://127.0.0.1:8787")),
            ("http://[::1]:8787", Some("http://[::1]:8787")),
            ("http://10.1.2.3", Some("http://10.1.2.3")),
            ("http://8.8.8.8", None),
            ("https://user@devflow.example.com", None),
            ("https://devflow.example.com/edge", None),
            ("ftp://devflow.example.com", None),
            ("devflow.example.com", None),
        ] {
            assert_eq!(edge_address(text).ok().as_deref(), expected, "{text}");
        }
    }
}
