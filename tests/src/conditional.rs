//! What every edit of the API does with the version that it is made on.

use crate::http::Answer;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Edits what is at `path` twice by `call` (method, headers, body). The version that was there before is refused for the second
/// one, which changes nothing then; the version that the first one gave is taken.
pub fn edit_twice(
    path: &str,
    (first, second): (&Value, &Value),
    call: impl Fn(&str, &[(&str, &str)], Option<&Value>) -> Result<Answer>,
) -> Result<()> {
    let tag = |answer: &Answer| answer.header("etag").map(str::to_owned).context("no etag");
    let now = || tag(&call("GET", &[], None)?);
    let change = |tag: &str, body: &Value| call("PATCH", &[("if-match", tag)], Some(body));
    let before = now()?;
    let changed = change(&before, first)?;
    changed.expect(200)?;
    let after = tag(&changed)?;
    ensure!(after == now()? && after != before, "{path}");
    let refused = change(&before, second)?.expect(412)?;
    ensure!(refused["code"] == "precondition_failed", "{path}: {refused}");
    ensure!(now()? == after, "{path} was changed all the same");
    change(&after, second)?.expect(200)?;
    Ok(())
}
