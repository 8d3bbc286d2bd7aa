//! `open`: the project's page of the dashboard.

use super::Session;
use crate::failure::Failure;
use crate::find;
use serde_json::json;
use std::process::{Command, Stdio};

/// Prints the address of the project's page, and opens it in a browser.
pub(super) fn open(mut session: Session, named: Option<&str>, print: bool) -> Result<(), Failure> {
    let project = find::project(&session.edge, named)?;
    let address = format!("{}/projects/{}", session.edge.origin(), project.id);
    if session.json {
        return session.out.json(&json!({ "url": address }));
    }
    session.out.line(&address)?;
    if print {
        return Ok(());
    }
    let opener = if cfg!(windows) {
        "explorer"
    } else if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = Command::new(opener)
        .arg(&address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.map(drop).map_err(|error| {
        Failure::Usage(format!(
            "cannot start a browser ({opener}: {error}); open the address yourself"
        ))
    })
}
