//! Builds an image with `BuildKit` from the files of a folder. The engine's own client has no part in it: the library's
//! build cannot read what `BuildKit` tells without a whole stack of remote procedure calls beside it.
//!
//! Nothing is handed to the build but the files, and the arguments that a compose file writes out.

use super::exec::Ended;
use super::progress::Progress;
use super::{Docker, PROJECT, RELEASE, ROOT};
use crate::host::error::{Doing, HostError, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::event::Stream;
use devflow_protocol::text::EnvName;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{ChildStdout, Command};
use tokio_util::sync::CancellationToken;

/// Bytes of the archive that are sent at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest message of the engine.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// An image to build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build<'a> {
    /// The folder that the files are in.
    pub(crate) folder: &'a Path,
    /// The files, by their paths inside it, each ended by a NUL.
    pub(crate) files: &'a [u8],
    /// One of the files.
    pub(crate) dockerfile: &'a str,
    /// Values of the Dockerfile's arguments, which stay in the image's history.
    pub(crate) arguments: &'a BTreeMap<EnvName, String>,
    /// The stage that is wanted; None for the last.
    pub(crate) target: Option<&'a str>,
    /// What the image is called.
    pub(crate) tag: &'a str,
    pub(crate) project: &'a str,
    pub(crate) release: &'a str,
    /// The longest time.
    pub(crate) limit: Duration,
}

/// A line of the engine's answer.
#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    aux: Option<serde_json::Value>,
    stream: Option<String>,
    error: Option<String>,
    /// What it says instead where it refuses the request.
    #[serde(rename = "message")]
    refusal: Option<String>,
}

impl Docker {
    /// Builds an image; its output is handed on by lines. Status 1 stands for a build that failed, whose last line on the
    /// error stream says why.
    ///
    /// # Errors
    /// The engine refuses or breaks off, or the files cannot be sent.
    pub(crate) async fn build(
        &self,
        build: Build<'_>,
        cancel: &CancellationToken,
        on_line: impl FnMut(Stream, &str),
    ) -> Result<Ended> {
        tokio::select! {
            ended = Box::pin(self.attend(build, on_line)) => ended,
            () = tokio::time::sleep(build.limit) => Ok(Ended::TimedOut),
            () = cancel.cancelled() => Ok(Ended::Cancelled),
        }
    }

    async fn attend(&self, build: Build<'_>, mut on_line: impl FnMut(Stream, &str)) -> Result<Ended> {
        let socket = UnixStream::connect(&self.socket)
            .await
            .doing(|| format!("connect to Docker at {}; is it running?", self.socket.display()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .doing(|| "talk to Docker")?;
        // Where it breaks, the answer does too, which says so.
        let connection = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection of a build broke");
            }
            std::future::pending().await
        };
        let mut archive = Archive::of(build.folder)?;
        let request = hyper::Request::post(self.address(&build))
            .header("Host", "docker")
            .header("Content-Type", "application/x-tar")
            .body(StreamBody::new(archive.frames()))
            .doing(|| "ask for a build")?;
        let asked = async {
            let answer = sender.send_request(request).await.doing(|| "ask for a build")?;
            follow(answer, &mut on_line).await
        };
        // With this future the connection ends, and with the connection the build.
        tokio::select! {
            ended = asked => ended,
            failed = archive.feed(build.files) => Err(failed),
            never = connection => never,
        }
    }

    fn address(&self, build: &Build<'_>) -> String {
        let labels = serde_json::json!({ ROOT: self.root, PROJECT: build.project, RELEASE: build.release })
            .to_string();
        let arguments = serde_json::json!(build.arguments).to_string();
        let query = [
            ("version", "2"),
            ("dockerfile", build.dockerfile),
            ("t", build.tag),
            ("labels", &labels),
            ("buildargs", &arguments),
            ("target", build.target.unwrap_or_default()),
            ("rm", "1"),
        ];
        let address = reqwest::Url::parse_with_params("http://docker/build", query);
        let address = address.expect("a constant address takes any query");
        format!("{}?{}", address.path(), address.query().unwrap_or_default())
    }
}

/// `tar` at work.
struct Archive {
    child: tokio::process::Child,
}

impl Archive {
    /// Files belong to root in the image unless its Dockerfile says otherwise; what they are on this server is nobody's
    /// business there.
    fn of(folder: &Path) -> Result<Self> {
        let child = Command::new("tar")
            .args([
                "--create",
                "--file=-",
                "--numeric-owner",
                "--owner=0",
                "--group=0",
            ])
            .arg("--directory")
            .arg(folder)
            .args([
                "--no-recursion",
                "--null",
                "--verbatim-files-from",
                "--files-from=-",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .doing(|| "start `tar`, which packs what is built from")?;
        Ok(Self { child })
    }

    /// What it writes, as the body of a request.
    fn frames(&mut self) -> impl stream::Stream<Item = io::Result<Frame<Bytes>>> + Send + use<> {
        let output = self.child.stdout.take();
        stream::try_unfold(output, async |output: Option<ChildStdout>| {
            let Some(mut output) = output else { return Ok(None) };
            let mut chunk = vec![0; CHUNK_BYTES];
            let length = output.read(&mut chunk).await?;
            chunk.truncate(length);
            Ok((length > 0).then(|| (Frame::data(Bytes::from(chunk)), Some(output))))
        })
    }

    /// Tells it the files. Ends only where that fails.
    async fn feed(&mut self, files: &[u8]) -> HostError {
        let input = self.child.stdin.take();
        let fed = async {
            let mut input = input.ok_or(io::ErrorKind::BrokenPipe)?;
            input.write_all(files).await?;
            drop(input);
            self.child.wait().await
        };
        match fed.await {
            Ok(status) if status.success() => std::future::pending().await,
            Ok(status) => HostError::new(format!(
                "could not pack the files of the release: tar ended with {status}"
            )),
            Err(error) => HostError::because("pack the files of the release", error),
        }
    }
}

async fn follow(answer: hyper::Response<Incoming>, on_line: &mut impl FnMut(Stream, &str)) -> Result<Ended> {
    let refused = !answer.status().is_success();
    let mut body = answer.into_body();
    let mut progress = Progress::default();
    let mut rest = Vec::new();
    let mut failure = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.doing(|| "follow the build")?;
        rest.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            failure = message(&line, &mut progress, on_line).or(failure);
        }
        if rest.len() > MESSAGE_BYTES {
            return Err(HostError::new("Docker's answer to a build is too long"));
        }
    }
    failure = message(&rest, &mut progress, on_line).or(failure);
    progress.finish(on_line);
    match failure {
        Some(why) if refused => Err(HostError::because("build the image", why)),
        None if refused => Err(HostError::new("Docker refuses to build and does not say why")),
        Some(why) => {
            on_line(Stream::Err, &why);
            Ok(Ended::Exit(1))
        }
        None => Ok(Ended::Exit(0)),
    }
}

/// Takes a message in; gives the reason where it says that the build failed.
fn message(line: &[u8], progress: &mut Progress, on_line: &mut impl FnMut(Stream, &str)) -> Option<String> {
    let message: Message = serde_json::from_slice(line).ok()?;
    if message.id.as_deref() == Some("moby.buildkit.trace")
        && let Some(trace) = message.aux.as_ref().and_then(serde_json::Value::as_str)
        && let Ok(trace) = STANDARD.decode(trace)
    {
        progress.take(&trace, on_line);
    }
    for line in message.stream.iter().flat_map(|text| text.lines()) {
        on_line(Stream::Out, line);
    }
    message.error.or(message.refusal)
}
