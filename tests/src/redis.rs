//! Redis on a private socket.

use crate::process::{Process, output, wait_for};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running Redis without a TCP port, which keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    _process: Process,
    socket: PathBuf,
}

impl Redis {
    /// Starts it.
    pub fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let socket = folder.join("redis.sock");
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocketperm",
                "777",
            ])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder);
        let mut process = Process::start("redis-server", &mut command, &folder.join("redis.log"))?;
        wait_for("Redis to answer", Duration::from_secs(20), || {
            process.check()?;
            Ok(ask(&socket, &["PING"])
                .ok()
                .filter(|answer| answer == "PONG")
                .map(drop))
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

    /// Runs one command as the default user.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        ask(&self.socket, words)
    }
}

fn ask(socket: &Path, words: &[&str]) -> Result<String> {
    Ok(
        output(Command::new("redis-cli").arg("-s").arg(socket).args(words))?
            .trim_end()
            .to_owned(),
    )
}
