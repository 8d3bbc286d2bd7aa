//! OpenSSH's server on a port of its own: a Git host whose repositories only those keys may read that were added.

use crate::places;
use crate::process::{Process, free_port, output, wait_for};
use anyhow::{Context, Result};
use nix::unistd::{User, geteuid};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running server. Who comes in by one of its keys can call git, and nothing else.
#[derive(Debug)]
pub struct Sshd {
    _process: Process,
    folder: PathBuf,
    port: u16,
    user: String,
}

impl Sshd {
    /// Starts it with a fresh host key, for the user that runs this.
    pub fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let user = User::from_uid(geteuid())?.context("this user has no name")?.name;
        output(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join("host_key")),
        )?;
        let at = folder.display();
        fs::write(
            folder.join("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized_keys\n\
                 PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nPermitRootLogin forced-commands-only\n"
            ),
        )?;
        // Where sshd runs as root it asks for this folder, which the service's unit makes otherwise.
        if geteuid().is_root() {
            fs::create_dir_all("/run/sshd").context("cannot make /run/sshd")?;
        }
        let program =
            places::find_program("sshd").context("sshd is not installed; `cargo xtask setup` installs it")?;
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        let mut process = Process::start("sshd", &mut command, &folder.join("sshd.log"))?;
        wait_for("sshd to listen", Duration::from_secs(10), || {
            process.check()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })?;
        Ok(Self {
            _process: process,
            folder: folder.to_owned(),
            port,
            user,
        })
    }

    /// Lets a key in, given as one line in OpenSSH's format.
    pub fn allow(&self, key: &str) -> Result<()> {
        let shell =
            places::find_program("git-shell").context("git-shell comes with git, and is not there")?;
        let line = format!(
            "command=\"{} -c \\\"$SSH_ORIGINAL_COMMAND\\\"\",restrict {key}\n",
            shell.display()
        );
        fs::write(self.folder.join("authorized_keys"), line).context("cannot write authorized_keys")
    }

    /// The address of a repository on it.
    pub fn url(&self, repository: &Path) -> String {
        format!(
            "ssh://{}@127.0.0.1:{}{}",
            self.user,
            self.port,
            repository.display()
        )
    }

    /// Its line in a file of known hosts, as `ssh-keyscan` prints it.
    pub fn known_hosts_line(&self) -> Result<String> {
        let key = fs::read_to_string(self.folder.join("host_key.pub"))?;
        Ok(format!("[127.0.0.1]:{} {key}", self.port))
    }

    /// What it logged.
    pub fn log(&self) -> PathBuf {
        self.folder.join("sshd.log")
    }
}
