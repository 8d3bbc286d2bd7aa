//! MariaDB on a private socket, in a data folder of its own.

use crate::places;
use crate::process::{Process, output, wait_for};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running MariaDB without a TCP port. Its root user has no password: for demo and stories only.
#[derive(Debug)]
pub struct MariaDb {
    _process: Process,
    socket: PathBuf,
}

impl MariaDb {
    /// Makes the data folder and starts the server as the user `mysql`.
    pub fn start(folder: &Path) -> Result<Self> {
        let (data, run) = (folder.join("data"), folder.join("run"));
        fs::create_dir_all(&data)?;
        fs::create_dir_all(&run)?;
        output(Command::new("chown").arg("mysql:mysql").arg(&data).arg(&run))?;
        let install = places::find_program("mariadb-install-db")
            .context("MariaDB is not installed; `cargo xtask setup` installs it")?;
        output(
            Command::new(install)
                .args([
                    "--no-defaults",
                    "--user=mysql",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                ])
                .arg(format!("--datadir={}", data.display())),
        )?;
        let socket = run.join("my.sock");
        let server = places::find_program("mariadbd")
            .context("mariadbd is not installed; `cargo xtask setup` installs it")?;
        let mut command = Command::new(server);
        command
            .args([
                "--no-defaults",
                "--user=mysql",
                "--skip-networking",
                "--innodb-buffer-pool-size=64M",
            ])
            // Durability on a machine's crash is not what is tried here; starts and migrations are faster without it.
            .args(["--innodb-flush-log-at-trx-commit=2", "--performance-schema=OFF"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", run.join("my.pid").display()));
        let mut process = Process::start("mariadbd", &mut command, &folder.join("mariadb.log"))?;
        wait_for("MariaDB to answer", Duration::from_mins(1), || {
            process.check()?;
            Ok(query(&socket, "SELECT 1").ok().map(drop))
        })?;
        Ok(Self {
            _process: process,
            socket,
        })
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Runs SQL as root; rows as lines, columns tab-separated.
    pub fn query(&self, sql: &str) -> Result<String> {
        query(&self.socket, sql)
    }
}

fn query(socket: &Path, sql: &str) -> Result<String> {
    let text = output(
        Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-N", "-B", "-S"])
            .arg(socket)
            .arg("-e")
            .arg(sql),
    )?;
    Ok(text.trim_end().to_owned())
}
