//! A deployment that printed very much, written into the databases of an edge that is away.

use crate::api::Project;
use crate::database;
use anyhow::Result;
use rusqlite::params;
use serde_json::{Value, json};
use std::path::Path;

/// Lines of one stored chunk.
const CHUNK: usize = 500;

/// Ends the queued deployment `id` as failed, with `lines` lines of output whose last but one says `needle`.
///
/// # Errors
/// The databases below `data` are not there.
pub fn write(data: &Path, project: &Project, id: &str, lines: usize, needle: &str) -> Result<()> {
    let core = database::open(data, "projects")?;
    let steps = json!([{"step": "npm-build", "outcome": "failed", "ms": 90_000, "started_at": 1_000}]);
    core.execute(
        "UPDATE deployments SET state = 'failed', reason = 'step `npm-build` failed: it printed much', steps = ?2,
           started_at = queued_at, finished_at = queued_at + 90000 WHERE id = ?1 AND project = ?3",
        params![id, steps.to_string(), project.id],
    )?;
    core.execute(
        "UPDATE jobs SET state = 'done', attempt = 1, lease = 'written', finished_at = created_at WHERE deployment = ?1",
        [id],
    )?;
    let job: String = core.query_row("SELECT id FROM jobs WHERE deployment = ?1", [id], |row| {
        row.get(0)
    })?;
    let mut logs = database::open(data, "deployment_events")?;
    let rows = logs.transaction()?;
    let events: Vec<Value> = (1..=lines).map(|n| event(n, lines, needle)).collect();
    for chunk in events.chunks(CHUNK) {
        rows.execute(
            "INSERT INTO deployment_events (job, attempt, first, last, received_at, body) VALUES (?1, 1, ?2, ?3, 0, ?4)",
            params![job, chunk[0]["n"].as_i64(), chunk[chunk.len() - 1]["n"].as_i64(), serde_json::to_string(chunk)?],
        )?;
    }
    rows.commit()?;
    Ok(())
}

fn event(n: usize, lines: usize, needle: &str) -> Value {
    let text = if n + 1 == lines {
        format!("error: {needle}")
    } else if n.is_multiple_of(7) {
        format!(
            "\u{1b}[32m✓\u{1b}[39m resources/js/pages/page-{n}.vue \u{1b}[2m{}.4 kB │ gzip: 1.2 kB\u{1b}[22m",
            n % 90
        )
    } else {
        format!(
            "transforming module {n} of {lines}: node_modules/@acme/components/dist/part-{}.js",
            n % 113
        )
    };
    let what = if n == 1 {
        json!({"kind": "step_started", "step": "npm-build"})
    } else if n == lines {
        json!({"kind": "step_finished", "step": "npm-build", "outcome": "failed", "ms": 90_000})
    } else {
        json!({"kind": "output", "step": "npm-build", "stream": "out", "text": text})
    };
    json!({"n": n, "at": 0, "what": what})
}
