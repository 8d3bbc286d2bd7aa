//! A deployment on the terminal: its steps with their times, and what they print.

use anyhow::Result;
use devflow_tests::api::{Api, has_ended};
use devflow_tests::process::interrupted;
use serde_json::Value;
use std::time::Duration;

/// Prints what happens until the deployment ends; gives its last state.
pub(crate) fn follow(api: &Api, deployment: &str) -> Result<String> {
    let mut after = 0;
    loop {
        let shown = api.deployment(deployment)?;
        let state = shown["state"].as_str().unwrap_or_default().to_owned();
        let ended = has_ended(&shown);
        // Asked for after the state, so that nothing is missed once it is final.
        after = print_from(api, deployment, after)?;
        if ended {
            if let Some(reason) = shown["reason"].as_str() {
                println!("  {reason}");
            }
            return Ok(state);
        }
        if interrupted() {
            return Ok(state);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn print_from(api: &Api, deployment: &str, mut after: u64) -> Result<u64> {
    loop {
        let answer = api.get(&format!("/deployments/{deployment}/output?after={after}"))?;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        for event in &events {
            print(&event["what"]);
        }
        let last = answer["last"].as_u64().unwrap_or(after);
        if events.is_empty() || last <= after {
            return Ok(after.max(last));
        }
        after = last;
    }
}

fn print(what: &Value) {
    let text = |name: &str| what[name].as_str().unwrap_or_default();
    match text("kind") {
        "state" => println!("● {}", text("state")),
        "commit" => println!("  {:.8} {} ({})", text("sha"), text("subject"), text("author")),
        "step_finished" => {
            let mark = match text("outcome") {
                "ok" => "✓",
                "skipped" => "–",
                _ => "✗",
            };
            println!(
                "  {mark} {:<22} {:>6} ms",
                text("step"),
                what["ms"].as_u64().unwrap_or_default()
            );
        }
        "output" => println!("      {}", text("text")),
        _ => {}
    }
}
