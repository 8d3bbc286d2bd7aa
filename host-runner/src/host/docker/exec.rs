//! Runs a command in a running container and hands its output on by lines.

use super::{Docker, words};
use crate::host::error::{HostError, Result};
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use devflow_protocol::event::Stream;
use futures_util::StreamExt;
use std::time::Duration;
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

impl Docker {
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
        mut on_line: impl FnMut(Stream, &str),
    ) -> Result<Ended> {
        let client = self.client().await?;
        let failed = |error: &bollard::errors::Error| {
            HostError::because(
                format!("run `{}`", argv.first().map_or("", String::as_str)),
                words(error),
            )
        };
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
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
        let StartExecResults::Attached { mut output, .. } = started else {
            return Err(HostError::new(
                "Docker did not attach to the command that it started",
            ));
        };
        let mut lines = Lines::default();
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                chunk = output.next() => match chunk {
                    Some(chunk) => lines.take(&chunk.map_err(|error| failed(&error))?, &mut on_line),
                    None => break,
                },
                () = &mut deadline => return Ok(Ended::TimedOut),
                () = cancel.cancelled() => return Ok(Ended::Cancelled),
            }
        }
        lines.finish(&mut on_line);
        let seen = client
            .inspect_exec(&exec.id)
            .await
            .map_err(|error| failed(&error))?;
        seen.exit_code
            .map(Ended::Exit)
            .ok_or_else(|| HostError::new(format!("`{}` was cut off from its container", argv.join(" "))))
    }
}

/// Puts chunks of two streams together to lines.
#[derive(Default)]
struct Lines {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Lines {
    fn take(&mut self, chunk: &LogOutput, on_line: &mut impl FnMut(Stream, &str)) {
        let (stream, rest) = match chunk {
            LogOutput::StdErr { .. } => (Stream::Err, &mut self.err),
            _ => (Stream::Out, &mut self.out),
        };
        for piece in chunk.as_ref().split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.ends_with(b"\n") || rest.len() > LINE_BYTES {
                hand_on(stream, rest, on_line);
            }
        }
    }

    fn finish(&mut self, on_line: &mut impl FnMut(Stream, &str)) {
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
