//! A whole server: Debian with systemd as its first process, in namespaces of its own. It shares the machine's network, so an
//! edge at 127.0.0.1 is within its reach.

use crate::edge::random;
use crate::places;
use crate::process::{Process, output, tail, wait_for};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(30);

/// A server that runs.
#[derive(Debug)]
pub struct Vps {
    process: Process,
    /// The process id of its systemd, as this machine counts.
    first: u32,
    folder: PathBuf,
    name: String,
}

impl Vps {
    /// The root of a Debian that every server starts from, which `cargo xtask setup` makes.
    pub fn debian() -> Result<PathBuf> {
        let root = places::cache()?.join("deb/bookworm-server");
        ensure!(
            root.join(".complete").exists(),
            "{} is not there; `cargo xtask setup` makes it (as root)",
            root.display()
        );
        Ok(root)
    }

    /// Boots a server whose own files are in `folder`, and waits until systemd answers.
    pub fn boot(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let name = format!("df-{}", hex::encode(random::<3>()?));
        let script = folder.join("boot.sh");
        fs::write(&script, include_str!("vps.sh"))?;
        let mut command = Command::new("sh");
        command.arg(&script).arg(folder).arg(Self::debian()?).arg(&name);
        let log = folder.join("console.log");
        let mut process = Process::start("the server", &mut command, &log)?;
        let first = wait_for("systemd to start", BOOT, || {
            process.check()?;
            Ok(child_of(process.pid()).filter(|child| is_systemd(*child)))
        })?;
        let vps = Self {
            process,
            first,
            folder: folder.to_owned(),
            name,
        };
        wait_for("systemd to answer", BOOT, || {
            let state = vps.shell("systemctl is-system-running")?;
            let word = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            // What a container cannot have makes it degraded.
            match word.as_str() {
                "running" | "degraded" => Ok(Some(())),
                _ => bail!(
                    "{word} {}: {}",
                    String::from_utf8_lossy(&state.stderr),
                    tail(&log, 20)
                ),
            }
        })?;
        Ok(vps)
    }

    /// A command inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string()])
            .args([
                "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd", "--", "env", "-i",
            ])
            .args([
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LANG=C.UTF-8",
            ])
            .arg(program);
        command
    }

    /// Runs what somebody types there.
    pub fn shell(&self, line: &str) -> Result<Output> {
        let mut command = self.command("sh");
        command.args(["-c", line]).output().context("cannot run nsenter")
    }

    /// The same where it has to end well; gives what it printed.
    pub fn run(&self, line: &str) -> Result<String> {
        output(self.command("sh").args(["-c", line])).with_context(|| format!("on the server: {line}"))
    }

    /// What its service logged, for messages.
    pub fn journal(&self, unit: &str) -> String {
        let read = self.shell(&format!("journalctl --no-pager -n 60 -o cat -u {unit}"));
        read.map_or_else(
            |error| error.to_string(),
            |read| String::from_utf8_lossy(&read.stdout).into_owned(),
        )
    }

    /// A file of the server, as this machine reaches it.
    pub fn file(&self, path: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.first.to_string())
            .join("root")
            .join(path.trim_start_matches('/'))
    }
}

impl Drop for Vps {
    fn drop(&mut self) {
        // All that runs in its namespace of processes ends with the first one.
        self.process.kill();
        let end = output(
            Command::new("sh")
                .arg(self.folder.join("boot.sh"))
                .args(["end", "-"])
                .arg(&self.name),
        );
        if let Err(error) = end {
            eprintln!("control groups of a server are left behind: {error:#}");
        }
    }
}

fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn is_systemd(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd")
}
