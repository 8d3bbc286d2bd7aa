//! Runs a tool of the server by its argument vector: no shell, a time limit, and an end when the job is cancelled.

use super::error::{Doing, HostError, Result};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// What a tool left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    /// The last line of the error output that says something, or the exit status.
    pub(crate) fn complaint(&self) -> String {
        self.stderr
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map_or_else(|| self.status.to_string(), str::to_owned)
    }
}

/// Runs a command to its end, whatever its exit status, in a process group of its own.
///
/// # Errors
/// It cannot be started, takes longer than `limit`, or the job was cancelled; its whole group is killed then.
pub(crate) async fn run(
    command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Finished> {
    // Boxed: every step of a deployment would otherwise carry the room for it.
    Box::pin(attend(command, input, limit, cancel)).await
}

async fn attend(
    mut command: Command,
    input: &[u8],
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Finished> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .doing(|| format!("start `{name}`; `host-runner doctor` checks the tools"))?;
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input)
            .await
            .doing(|| format!("write to `{name}`"))?;
    }
    let reason = tokio::select! {
        output = child.wait_with_output() => {
            let output = output.doing(|| format!("wait for `{name}`"))?;
            return Ok(Finished {
                status: output.status,
                stdout: output.stdout,
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        () = tokio::time::sleep(limit) => format!("`{name}` took longer than {} s", limit.as_secs()),
        () = cancel.cancelled() => "the job was cancelled".to_owned(),
    };
    if let Some(group) = group {
        // The group may have ended in this very moment; there is nothing left to kill then.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    Err(HostError::new(reason))
}

/// Runs a command that has to succeed and gives its standard output.
///
/// # Errors
/// As [`run`], and when the exit status is not 0: with `what` and the tool's last words.
pub(crate) async fn run_ok(
    command: Command,
    what: &str,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Vec<u8>> {
    let done = run(command, &[], limit, cancel).await?;
    if done.status.success() {
        Ok(done.stdout)
    } else {
        Err(HostError::because(what, done.complaint()))
    }
}
