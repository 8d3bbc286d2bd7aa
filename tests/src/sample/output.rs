//! The output of a deployment, as a runner tells it.

use anyhow::Result;
use devflow_protocol::UnixMillis;
use rusqlite::{Transaction, params};
use serde_json::{Value, json};

/// Writes what the deployment of a job printed so far.
pub(super) fn write(rows: &Transaction<'_>, job: &str, state: &str, now: UnixMillis) -> Result<()> {
    let mut events: Vec<Value> = Vec::new();
    let mut tell = |what: Value| events.push(json!({"n": events.len() + 1, "at": now.0, "what": what}));
    let line = |step: &str, stream: &str, text: &str| json!({"kind": "output", "step": step, "stream": stream, "text": text});
    tell(json!({"kind": "step_started", "step": "composer"}));
    tell(line(
        "composer",
        "out",
        "\u{1b}[32mInstalling dependencies from lock file\u{1b}[39m",
    ));
    for package in [
        "brick/math (0.14.0)",
        "laravel/framework (12.31.1)",
        "monolog/monolog (3.9.0)",
        "nesbot/carbon (3.10.3)",
    ] {
        tell(line(
            "composer",
            "err",
            &format!("  - Installing {package}: Extracting archive"),
        ));
    }
    tell(line(
        "composer",
        "out",
        "\u{1b}[32mGenerating optimized autoload files\u{1b}[39m",
    ));
    tell(json!({"kind": "step_started", "step": "npm-build"}));
    tell(line(
        "npm-build",
        "out",
        "\u{1b}[36mvite v7.1.7 \u{1b}[32mbuilding for production...\u{1b}[39m",
    ));
    if state != "building" {
        tell(line(
            "npm-build",
            "out",
            "\u{1b}[32m✓\u{1b}[39m 58 modules transformed.",
        ));
        tell(line(
            "npm-build",
            "out",
            "public/build/manifest.json             \u{1b}[2m0.33 kB\u{1b}[22m",
        ));
        tell(line(
            "npm-build",
            "out",
            "public/build/assets/app-CqBnAw5s.css  \u{1b}[2m36.21 kB\u{1b}[22m",
        ));
        tell(json!({"kind": "step_started", "step": "migrate"}));
    }
    if state == "failed" {
        tell(line(
            "migrate",
            "out",
            "  \u{1b}[33;1mINFO\u{1b}[39;22m  Running migrations.",
        ));
        tell(line(
            "migrate",
            "err",
            "  \u{1b}[37;41mSQLSTATE[42S02]\u{1b}[39;49m: Base table or view not found: 1146 Table 'shop.price_lists' doesn't exist",
        ));
        tell(json!({"kind": "step_finished", "step": "migrate", "outcome": "failed", "ms": 156}));
    } else if state == "live" {
        tell(line(
            "migrate",
            "out",
            "  \u{1b}[33;1mINFO\u{1b}[39;22m  Nothing to migrate.",
        ));
        tell(json!({"kind": "step_started", "step": "switch"}));
        tell(line(
            "switch",
            "runner",
            "`current` points to the new release; the old one answers what it has accepted",
        ));
    }
    let last = events.len();
    rows.execute(
        "INSERT INTO deployment_events (job, attempt, first, last, received_at, body) VALUES (?1, 1, 1, ?2, ?3, ?4)",
        params![job, i64::try_from(last)?, now.0, serde_json::to_string(&events)?],
    )?;
    Ok(())
}
