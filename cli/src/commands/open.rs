//! `open`: the project's page of the dashboard.

use super::{Session, browser};
use crate::failure::Failure;
use crate::find;
use serde_json::json;

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
    browser::open(&address).map_err(|error| {
        Failure::Usage(format!(
            "cannot start a browser ({error}); open the address yourself"
        ))
    })
}
