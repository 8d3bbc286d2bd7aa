//! What a new server fetches before it has a key: the script that installs the runner, and the runner itself. Nothing here is
//! secret; what is in them is signed, see [`devflow_protocol::release`].

use crate::access::{Door, Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform::Passed;
use crate::service::releases;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use devflow_protocol::release::{Release, RunnerVersion, Target};

pub(super) fn router() -> Routes {
    Routes::new()
        .get("/install", Needs::Open(Door::Anybody), script)
        .get("/runner/{version}/{target}", Needs::Open(Door::Anybody), program)
}

#[worker::send]
async fn script(State(state): State<AppState>) -> Result<Response, ApiError> {
    let release = releases::current(&state).await?.ok_or_else(|| {
        ApiError::NotFound(
            "No runner is published here; its owner does so with `cargo xtask publish-runner`.".to_owned(),
        )
    })?;
    let text = render(&state.config.public_origin, &release);
    Ok((
        [(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")],
        text,
    )
        .into_response())
}

#[worker::send]
async fn program(
    State(state): State<AppState>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let nothing = || ApiError::NotFound("There is no such runner.".to_owned());
    let Path((version, target)) = path.map_err(|_| nothing())?;
    let version: RunnerVersion = version.parse().map_err(|_| nothing())?;
    let target: Target = target.parse().map_err(|_| nothing())?;
    let passed = Passed::new(releases::program(&state, version, target).await?);
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        Extension(passed),
    )
        .into_response())
}

/// The script for a release.
fn render(edge: &str, release: &Release) -> String {
    let sum = |target| release.program(target).map_or("", |program| &program.sha256);
    include_str!("install.sh")
        .replace("@EDGE@", &quoted(edge))
        .replace("@VERSION@", &release.runner.to_string())
        .replace("@X86_64@", sum(Target::X86_64))
        .replace("@AARCH64@", sum(Target::Aarch64))
}

/// A word of a shell script that stands for `text`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;
    use devflow_protocol::release::Program;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn release() -> Release {
        Release {
            version: devflow_protocol::VERSION,
            runner: "1.2.3".parse().unwrap(),
            signed_at: UnixMillis(1),
            programs: vec![Program {
                target: Target::X86_64,
                size: 3,
                sha256: "ab".repeat(32),
            }],
        }
    }

    #[test]
    fn script_names_version_and_sums_and_is_one_that_a_shell_reads() {
        let text = render("https://it's.example.com", &release());
        for name in ["EDGE", "VERSION", "X86_64", "AARCH64"] {
            assert!(!text.contains(&format!("@{name}@")), "{text}");
        }
        for line in [
            r"edge='https://it'\''s.example.com'",
            "version=1.2.3",
            &format!("sum_x86_64={}", "ab".repeat(32)),
            "sum_aarch64=",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let mut shell = Command::new("sh")
            .arg("-n")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }
}
