//! The web server: vhosts as transactions (tested before and after they are moved in, put back when refused) and
//! requests through it.

use super::error::{Doing, HostError, Result};
use super::http;
use super::process::run;
use super::vhost::default_vhost;
use crate::config::NginxConfig;
use devflow_protocol::text::Slug;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(30);
/// Sorts before every project's file; slugs hold no dot and no underscore.
const DEFAULT_FILE: &str = "000_default.conf";

/// The web server of this machine.
#[derive(Debug)]
pub(crate) struct Nginx {
    config: NginxConfig,
    group: u32,
    staging: PathBuf,
    // Two changes at once would test each other's files.
    changes: Mutex<()>,
}

impl Nginx {
    /// Prepares the folder of the vhosts.
    ///
    /// # Errors
    /// The group is unknown or the folder cannot be made.
    pub(crate) fn new(config: NginxConfig, state_dir: &Path) -> Result<Self> {
        let group = group_id(&config.group)?;
        fs::create_dir_all(&config.vhost_dir).doing(|| format!("make {}", config.vhost_dir.display()))?;
        Ok(Self {
            config,
            group,
            staging: state_dir.join("nginx-staging"),
            changes: Mutex::new(()),
        })
    }

    /// The id of the group that reads public files.
    pub(crate) fn group(&self) -> u32 {
        self.group
    }

    /// Values of the vhosts' `listen`.
    pub(crate) fn listen(&self) -> &[String] {
        &self.config.listen
    }

    /// Where the password file of a project is.
    pub(crate) fn htpasswd_path(&self, slug: &Slug) -> PathBuf {
        self.config.vhost_dir.join(format!("{slug}.htpasswd"))
    }

    fn vhost_path(&self, slug: &Slug) -> PathBuf {
        self.config.vhost_dir.join(format!("{slug}.conf"))
    }

    /// Puts a project's vhost in place; Nginx is only told when its text is new.
    ///
    /// # Errors
    /// Nginx refuses the configuration. What was there before is in place again then.
    pub(crate) async fn apply(&self, slug: &Slug, vhost: &str, htpasswd: Option<&str>) -> Result<bool> {
        let _one_at_a_time = self.changes.lock().await;
        let mut changed = self.ensure_default().await?;
        changed |= self.write_htpasswd(slug, htpasswd)?;
        let path = self.vhost_path(slug);
        let before = read(&path)?;
        if before.as_deref() != Some(vhost) {
            self.test_alone(vhost).await?;
            self.replace(&path, before.as_deref(), vhost).await?;
            changed = true;
        }
        if changed {
            self.reload().await?;
        }
        Ok(changed)
    }

    /// Removes a project's vhost and password file.
    ///
    /// # Errors
    /// The files cannot be removed or Nginx cannot be told.
    pub(crate) async fn remove(&self, slug: &Slug) -> Result<()> {
        let _one_at_a_time = self.changes.lock().await;
        let mut changed = self.write_htpasswd(slug, None)?;
        changed |= remove(&self.vhost_path(slug))?;
        if changed {
            self.reload().await?;
        }
        Ok(())
    }

    async fn ensure_default(&self) -> Result<bool> {
        let path = self.config.vhost_dir.join(DEFAULT_FILE);
        let wanted = default_vhost(&self.config.listen);
        let before = read(&path)?;
        if before.as_deref() == Some(&wanted) {
            return Ok(false);
        }
        self.replace(&path, before.as_deref(), &wanted)
            .await
            .map_err(|error| {
                HostError::new(format!(
                    "{error}; if another site is the default server of Nginx, disable that one"
                ))
            })?;
        Ok(true)
    }

    fn write_htpasswd(&self, slug: &Slug, line: Option<&str>) -> Result<bool> {
        let path = self.htpasswd_path(slug);
        match line {
            None => remove(&path),
            Some(line) if read(&path)?.as_deref() == Some(line) => Ok(false),
            Some(line) => {
                let staged = path.with_extension("htpasswd.new");
                write(&staged, line, 0o640)?;
                chown(&staged, None, Some(self.group))
                    .doing(|| format!("give {} to its group", staged.display()))?;
                fs::rename(&staged, &path).doing(|| format!("move {} in", path.display()))?;
                Ok(true)
            }
        }
    }

    // A vhost that Nginx would refuse never reaches its folder, where it would block everybody's next reload.
    async fn test_alone(&self, vhost: &str) -> Result<()> {
        fs::create_dir_all(&self.staging).doing(|| format!("make {}", self.staging.display()))?;
        let main = self.staging.join("nginx.conf");
        write(&self.staging.join("vhost.conf"), vhost, 0o600)?;
        let staged = self.staging.display();
        let text = format!(
            "pid \"{staged}/pid\";\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n    include \"{staged}/vhost.conf\";\n}}\n"
        );
        write(&main, &text, 0o600)?;
        self.test(&main).await
    }

    async fn replace(&self, path: &Path, before: Option<&str>, text: &str) -> Result<()> {
        let staged = path.with_extension("new");
        write(&staged, text, 0o644)?;
        fs::rename(&staged, path).doing(|| format!("move {} in", path.display()))?;
        let Err(refused) = self.test(&self.config.config).await else {
            return Ok(());
        };
        match before {
            Some(before) => write(path, before, 0o644)?,
            None => {
                remove(path)?;
            }
        }
        Err(refused)
    }

    async fn test(&self, config: &Path) -> Result<()> {
        let mut command = Command::new(&self.config.binary);
        command.arg("-t").arg("-q").arg("-c").arg(config);
        let done = run(command, &[], LIMIT, &CancellationToken::new()).await?;
        if done.status.success() {
            return Ok(());
        }
        let cause = done.stderr.lines().find(|line| line.contains("[emerg]"));
        let cause = cause.map_or_else(
            || done.complaint(),
            |line| line.split("[emerg] ").last().unwrap_or(line).to_owned(),
        );
        Err(HostError::new(format!("Nginx refuses the vhost: {cause}")))
    }

    async fn reload(&self) -> Result<()> {
        let mut command = Command::new(&self.config.binary);
        command
            .arg("-q")
            .arg("-c")
            .arg(&self.config.config)
            .args(["-s", "reload"]);
        let done = run(command, &[], LIMIT, &CancellationToken::new()).await?;
        if done.status.success() {
            return Ok(());
        }
        Err(HostError::because(
            "reload Nginx (is it running?)",
            done.complaint(),
        ))
    }

    /// Asks a path of a host through Nginx and gives the status.
    ///
    /// # Errors
    /// Nginx does not answer in time.
    pub(crate) async fn get(&self, host: &str, path: &str, limit: Duration) -> Result<u16> {
        let address = self.address();
        tokio::time::timeout(limit, get(&address, host, path))
            .await
            .map_err(|_| {
                HostError::new(format!(
                    "Nginx gave no answer on {address} within {} s",
                    limit.as_secs()
                ))
            })?
            .doing(|| format!("ask Nginx on {address}"))
    }

    fn address(&self) -> String {
        let first = self.config.listen.first().map_or("80", String::as_str);
        match first.parse::<std::net::SocketAddr>() {
            Ok(mut address) => {
                if address.ip().is_unspecified() {
                    address.set_ip(match address.ip() {
                        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
                    });
                }
                address.to_string()
            }
            Err(_) => format!("127.0.0.1:{first}"),
        }
    }
}

async fn get(address: &str, host: &str, path: &str) -> std::io::Result<u16> {
    http::status(TcpStream::connect(address).await?, host, path).await
}

fn group_id(name: &str) -> Result<u32> {
    let groups = fs::read_to_string("/etc/group").doing(|| "read /etc/group")?;
    groups
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name))
                .then(|| fields.nth(1)?.parse().ok())
                .flatten()
        })
        .ok_or_else(|| {
            HostError::new(format!(
                "there is no group `{name}`; set nginx.group to the one Nginx runs as"
            ))
        })
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::because(format!("read {}", path.display()), error)),
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .doing(|| format!("write {}", path.display()))
}

fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HostError::because(format!("remove {}", path.display()), error)),
    }
}
