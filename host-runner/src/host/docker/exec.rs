//! Runs a command in a running container and hands its output on by lines.
//!
//! A process in a container takes the engine some 50 ms to start. One that is known to be wanted soon is started ahead
//! ([`Docker::arm`]) and waits in a shell for the word to go.

use super::{Docker, words};
use crate::host::error::{Doing, HostError, Result};
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use devflow_protocol::event::Stream;
use futures_util::StreamExt;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

/// Longest line that is gathered before it is handed on in pieces.
const LINE_BYTES: usize = 16 * 1024;

/// How a command in a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Exit(i64),
    /// It took longer than it may. It still runs; the caller ends its container.
    TimedOut,
    /// The job was cancelled. It still runs; the caller ends its container.
    Cancelled,
}

/// What an armed command waits in. Without the word (the runner ended, the deployment failed) it ends by itself.
const AWAIT: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// A command that is started in its container and waits for the word to go.
pub(crate) struct Armed(Attached);

/// A process in a container, with its streams.
struct Attached {
    id: String,
    output: futures_util::stream::BoxStream<'static, std::result::Result<LogOutput, Error>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Armed").field(&self.0.id).finish()
    }
}

impl Docker {
    /// Starts a command that waits until it is [fired](Self::fire).
    ///
    /// # Errors
    /// The engine refuses or breaks off.
    pub(crate) async fn arm(&self, container: &str, argv: &[String]) -> Result<Armed> {
        let mut waiting: Vec<String> = ["sh", "-c", AWAIT, "sh"].map(str::to_owned).into();
        waiting.extend_from_slice(argv);
        self.attach(container, waiting, true).await.map(Armed)
    }

    /// Lets an armed command go.
    ///
    /// # Errors
    /// The engine breaks off.
    pub(crate) async fn fire(
        &self,
        Armed(mut armed): Armed,
        limit: Duration,
        cancel: &CancellationToken,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<Ended> {
        armed.input.write_all(b"\n").await.doing(|| "let a command go")?;
        // Boxed, here and below: every step of a deployment would otherwise carry the room for it.
        Box::pin(self.follow(armed, limit, cancel, on_line)).await
    }

    /// Runs a command as the container's user in its working folder.
    ///
    /// # Errors
    /// The engine refuses or breaks off.
    pub(crate) async fn exec(
        &self,
        container: &str,
        argv: &[String],
        limit: Duration,
        cancel: &CancellationToken,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<Ended> {
        let started = Box::pin(self.attach(container, argv.to_vec(), false)).await?;
        Box::pin(self.follow(started, limit, cancel, on_line)).await
    }

    async fn attach(&self, container: &str, argv: Vec<String>, stdin: bool) -> Result<Attached> {
        let client = self.client().await?;
        let config = ExecConfig {
            attach_stdin: Some(stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv),
            ..Default::default()
        };
        let exec = client
            .create_exec(container, config)
            .await
            .map_err(|error| failed(&error))?;
        let started = client
            .start_exec(&exec.id, None)
            .await
            .map_err(|error| failed(&error))?;
        match started {
            StartExecResults::Attached { output, input } => Ok(Attached {
                id: exec.id,
                output,
                input,
            }),
            StartExecResults::Detached => Err(HostError::new(
                "Docker did not attach to the command that it started",
            )),
        }
    }

    async fn follow(
        &self,
        mut process: Attached,
        limit: Duration,
        cancel: &CancellationToken,
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<Ended> {
        let mut lines = Lines::default();
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                chunk = process.output.next() => match chunk {
                    Some(chunk) => {
                        let chunk = chunk.map_err(|error| failed(&error))?;
                        let stream = match chunk {
                            LogOutput::StdErr { .. } => Stream::Err,
                            _ => Stream::Out,
                        };
                        lines.take(stream, chunk.as_ref(), &mut on_line);
                    }
                    None => break,
                },
                () = &mut deadline => return Ok(Ended::TimedOut),
                () = cancel.cancelled() => return Ok(Ended::Cancelled),
            }
        }
        lines.finish(&mut on_line);
        let client = self.client().await?;
        let seen = client
            .inspect_exec(&process.id)
            .await
            .map_err(|error| failed(&error))?;
        seen.exit_code
            .map(Ended::Exit)
            .ok_or_else(|| HostError::new("a command was cut off from its container"))
    }
}

fn failed(error: &Error) -> HostError {
    HostError::because("run a command in its container", words(error))
}

/// Puts chunks of two streams together to lines.
#[derive(Default)]
pub(super) struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Lines {
    pub(super) fn take(&mut self, stream: Stream, chunk: &[u8], on_line: &mut impl FnMut(Stream, &str)) {
        let rest = match stream {
            Stream::Err => &mut self.err,
            _ => &mut self.out,
        };
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.ends_with(b"\n") || rest.len() > LINE_BYTES {
                hand_on(stream, rest, on_line);
            }
        }
    }

    pub(super) fn finish(&mut self, on_line: &mut impl FnMut(Stream, &str)) {
        for (stream, rest) in [(Stream::Out, &mut self.out), (Stream::Err, &mut self.err)] {
            if !rest.is_empty() {
                hand_on(stream, rest, on_line);
            }
        }
    }
}

// Progress bars return to the line's start: only what a terminal would show in the end is handed on.
fn hand_on(stream: Stream, line: &mut Vec<u8>, on_line: &mut impl FnMut(Stream, &str)) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    on_line(stream, text.rsplit('\r').next().unwrap_or(text));
    line.clear();
}
