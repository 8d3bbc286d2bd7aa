//! Child processes that end with the value that stands for them, and waiting with a deadline.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A long-running child in a process group of its own. Dropping it ends the whole group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// How long it may take to end by itself after SIGTERM.
    pub grace: Duration,
    /// Whether SIGTERM goes to the child alone and not to what it started.
    pub leader_first: bool,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let output = open().with_context(|| format!("cannot write the log {}", log.display()))?;
        let child = command
            // A pipe that nothing is written to: a child that watches it ends with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!(
                    "cannot start {name} ({}); is it installed? `cargo xtask setup` installs what is missing",
                    command.get_program().display()
                )
            })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            grace: Duration::from_secs(8),
            leader_first: false,
        })
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Fails, with the end of the log, if the process is no longer there.
    pub fn check(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended ({status}); its last lines:\n{}",
                self.name,
                tail(&self.log, 30)
            ),
        }
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // The group may be gone already, which is what the caller wants.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    fn signal_leader(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may be gone already, which is what the caller wants.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// SIGKILL to the whole group: no handler runs, as at a power cut.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// SIGTERM, then SIGKILL when the grace is over.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return self.signal(Signal::SIGKILL);
        }
        if self.leader_first {
            self.signal_leader(Signal::SIGTERM);
        } else {
            self.signal(Signal::SIGTERM);
        }
        let end = Instant::now() + self.grace;
        while self.ended().is_none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The last lines of a file; says so when it cannot be read.
pub fn tail(file: &Path, lines: usize) -> String {
    match fs::read(file) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("({} cannot be read: {error})", file.display()),
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes every [`wait_for`] give up, so that all values are dropped in order and end what they stand for.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Whether [`interrupt`] was called.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// How long [`wait_for`] rests: at first, and at most.
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(300);

/// Asks `probe` until it gives a value, the less often the longer it takes. Its last error, or `None`, is part of the message when time is up.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let last = match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) if error.is::<GiveUp>() => return Err(error.context(format!("waiting for {what}"))),
            Err(error) => Some(error),
        };
        if interrupted() {
            bail!("{what}: interrupted");
        }
        if start.elapsed() > limit {
            let message = format!("{what}: not within {} s", limit.as_secs());
            return Err(last.map_or_else(
                || anyhow::anyhow!(message.clone()),
                |error| error.context(message.clone()),
            ));
        }
        std::thread::sleep((start.elapsed() / 12).clamp(MIN_PAUSE, MAX_PAUSE));
    }
}

/// An error that waiting longer cannot cure; [`wait_for`] returns it at once.
#[derive(Debug)]
pub struct GiveUp(pub String);

impl std::fmt::Display for GiveUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GiveUp {}

/// Runs a command to its end and gives its standard output; a failure carries the command and what it printed.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A free TCP port on loopback, for programs that cannot take port 0. Below the ports that Linux gives to outgoing
/// connections (`ip_local_port_range`), so that it stays free while its program is away.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = 15_000 + u16::from_le_bytes(crate::edge::random()?) % 15_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("none of 100 ports on loopback is free")
}
