//! Runs a tool of the server by its argument vector: no shell, bounds for all that it uses, and an end when the job is
//! cancelled.

use super::error::{Doing, HostError, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use std::io::{self, ErrorKind};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// The most that a tool may answer, in bytes: the files of a commit with some 200,000 of them fit.
const STDOUT_BYTES: usize = 32 * 1024 * 1024;
/// How much is kept of the end of what it complains about, in bytes.
const STDERR_BYTES: usize = 64 * 1024;

/// What a tool may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The longest time.
    pub(crate) time: Duration,
    /// The largest file that it may write, and the most memory that it may fill, in bytes.
    pub(crate) file_and_memory: Option<(u64, u64)>,
}

impl From<Duration> for Bounds {
    fn from(time: Duration) -> Self {
        Self {
            time,
            file_and_memory: None,
        }
    }
}

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
/// It cannot be started, takes or answers more than `bounds` allow, or the job was cancelled; its whole group is killed
/// then. A file that is too large ends it with the signal XFSZ.
pub(crate) async fn run(
    command: Command,
    input: &[u8],
    bounds: impl Into<Bounds>,
    cancel: &CancellationToken,
) -> Result<Finished> {
    // Boxed: every step of a deployment would otherwise carry the room for it.
    Box::pin(attend(command, input, bounds.into(), cancel)).await
}

async fn attend(
    mut command: Command,
    input: &[u8],
    bounds: Bounds,
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
        .and_then(Pid::from_raw);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let work = async {
        if let Some(limits) = bounds.file_and_memory {
            limit(group, limits)?;
        }
        tokio::try_join!(
            child.wait(),
            feed(stdin, input),
            answer(stdout),
            complaint(stderr)
        )
    };
    let reason = tokio::select! {
        done = work => match done {
            Ok((status, (), stdout, stderr)) => {
                let stderr = String::from_utf8_lossy(&stderr).into_owned();
                return Ok(Finished { status, stdout, stderr });
            }
            Err(error) => format!("attend to `{name}`: {error}"),
        },
        () = tokio::time::sleep(bounds.time) => format!("`{name}` took longer than {} s", bounds.time.as_secs()),
        () = cancel.cancelled() => "the job was cancelled".to_owned(),
    };
    if let Some(group) = group {
        // The group may have ended in this very moment; there is nothing left to kill then.
        let _ = kill_process_group(group, Signal::KILL);
    }
    Err(HostError::new(reason))
}

/// Bounds a process and those that it starts from now on.
fn limit(process: Option<Pid>, (file, memory): (u64, u64)) -> io::Result<()> {
    for (resource, most) in [(Resource::Fsize, file), (Resource::Data, memory)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        prlimit(process, resource, limit)?;
    }
    Ok(())
}

async fn feed(stdin: Option<impl AsyncWrite + Unpin>, input: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    match stdin.write_all(input).await {
        // It ended without reading all: its exit status says why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

async fn answer(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stdout) = stdout {
        let most = STDOUT_BYTES + 1;
        stdout.take(most as u64).read_to_end(&mut bytes).await?;
    }
    if bytes.len() > STDOUT_BYTES {
        let most = STDOUT_BYTES / (1024 * 1024);
        return Err(io::Error::other(format!("it answered more than {most} MiB")));
    }
    Ok(bytes)
}

/// The end of what it complains about.
async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(mut stderr) = stderr else {
        return Ok(bytes);
    };
    while stderr.read_buf(&mut bytes).await? > 0 {
        if bytes.len() > 2 * STDERR_BYTES {
            bytes.drain(..bytes.len() - STDERR_BYTES);
        }
    }
    Ok(bytes)
}

/// Runs a command that has to succeed and gives its standard output.
///
/// # Errors
/// As [`run`], and when the exit status is not 0: with `what` and the tool's last words.
pub(crate) async fn run_ok(
    command: Command,
    what: &str,
    bounds: impl Into<Bounds>,
    cancel: &CancellationToken,
) -> Result<Vec<u8>> {
    let done = run(command, &[], bounds, cancel).await?;
    if done.status.success() {
        Ok(done.stdout)
    } else {
        Err(HostError::because(what, done.complaint()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, input: &[u8], bounds: Bounds) -> Result<Finished> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, input, bounds, &CancellationToken::new()).await
    }

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn run_feeds_and_reads_at_once_and_keeps_the_end_of_complaints() {
        let input = vec![b'x'; 1024 * 1024];
        let done = sh("cat; seq 100000 >&2; exit 3", &input, SOON.into())
            .await
            .expect("it ends");
        assert_eq!((done.status.code(), done.stdout.len()), (Some(3), input.len()));
        assert_eq!(done.complaint(), "100000");
        assert!(done.stderr.len() <= 2 * STDERR_BYTES, "{}", done.stderr.len());
        let deaf = sh("exit 4", &input, SOON.into()).await.expect("it ends");
        assert_eq!(deaf.status.code(), Some(4));
    }

    #[tokio::test]
    async fn run_ends_what_answers_without_end() {
        let error = sh("yes", &[], SOON.into()).await.expect_err("it has no end");
        assert_eq!(error.to_string(), "attend to `sh`: it answered more than 32 MiB");
    }

    #[tokio::test]
    async fn run_ends_what_writes_a_large_file_or_fills_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let bounds = Bounds {
            time: SOON,
            file_and_memory: Some((1 << 20, 64 << 20)),
        };
        let file = folder.path().join("large").display().to_string();
        // A moment, in which the bounds are set.
        let script = format!("sleep 0.2; head -c 2000000 /dev/zero >{file}");
        let done = sh(&script, &[], bounds).await.expect("it ends");
        assert!(!done.status.success(), "{done:?}");
        assert_eq!(std::fs::metadata(&file).expect("the file").len(), 1 << 20);
        let script = "sleep 0.2; head -c 200000000 /dev/zero | tail -n 1 | wc -c";
        let done = sh(script, &[], bounds).await.expect("it ends");
        assert!(done.stderr.contains("memory exhausted"), "{done:?}");
    }
}
