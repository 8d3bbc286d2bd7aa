//! Shows a deployment while it goes on: steps, what they print, and how it ended.

use crate::answers::{Deployment, Output};
use crate::edge::{Edge, decode};
use crate::failure::Failure;
use crate::out::Out;
use devflow_domain::moment::Length;
use devflow_protocol::DeploymentId;
use devflow_protocol::event::{Event, Happening, StepOutcome};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long the installation may be silent while a deployment is followed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Shows events until the deployment is over, as lines or, with `json`, as one object a line; gives its end.
pub(crate) fn to_the_end(
    edge: &Edge,
    out: &mut Out,
    id: &DeploymentId,
    json: bool,
) -> Result<(Deployment, Value), Failure> {
    let mut place = Place::default();
    let (started, mut heard) = (Instant::now(), Instant::now());
    loop {
        let output = match place.next(edge, id) {
            Ok(output) => output,
            Err(Failure::Unreachable(_)) if heard.elapsed() < PATIENCE => {
                out.remark("the installation does not answer; trying again");
                std::thread::sleep(Duration::from_secs(2));
                continue;
            }
            Err(failure) => return Err(failure),
        };
        heard = Instant::now();
        show(out, &output, json)?;
        if output.is_last() {
            return Deployment::get(edge, id);
        }
        if output.events.is_empty() {
            let waited = Length(i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX));
            out.remark(&format!("{} … {waited}", output.state));
            std::thread::sleep(pace(started.elapsed()));
        }
    }
}

/// Shows the events that there are.
pub(crate) fn so_far(edge: &Edge, out: &mut Out, id: &DeploymentId, json: bool) -> Result<(), Failure> {
    let mut place = Place::default();
    loop {
        let output = place.next(edge, id)?;
        if output.events.is_empty() {
            return Ok(());
        }
        show(out, &output, json)?;
    }
}

/// Often while most deployments run, seldom after: each look is a request that somebody pays.
fn pace(elapsed: Duration) -> Duration {
    match elapsed.as_secs() {
        0..20 => Duration::from_millis(400),
        20..120 => Duration::from_secs(1),
        _ => Duration::from_secs(3),
    }
}

/// How far the output has been shown.
#[derive(Default)]
struct Place {
    attempt: u32,
    last: u64,
}

impl Place {
    /// What comes next. Events count anew with each attempt.
    fn next(&mut self, edge: &Edge, id: &DeploymentId) -> Result<Output, Failure> {
        let path = |after: u64| format!("/deployments/{id}/output?after={after}");
        let mut output: Output = decode(edge.get(&path(self.last))?)?;
        if output.attempt != self.attempt {
            if self.last > 0 {
                output = decode(edge.get(&path(0))?)?;
            }
            self.attempt = output.attempt;
        }
        self.last = output.last;
        Ok(output)
    }
}

fn show(out: &mut Out, output: &Output, json: bool) -> Result<(), Failure> {
    for event in &output.events {
        if json {
            out.json(event)?;
        } else if let Some(line) = decode::<Event>(event.clone())
            .ok()
            .and_then(|event| line(&event.what))
        {
            out.line(&line)?;
        }
    }
    Ok(())
}

/// What a person reads of an event. A kind that only a newer installation has is passed over.
fn line(what: &Happening) -> Option<String> {
    Some(match what {
        Happening::State { .. } | Happening::StepStarted { .. } => return None,
        Happening::Commit { sha, subject, author } => format!("● {} {subject} ({author})", sha.short()),
        Happening::StepFinished { step, outcome, ms } => {
            let took = Length(i64::try_from(*ms).unwrap_or(i64::MAX));
            match outcome {
                StepOutcome::Ok => format!("✓ {step} {took}"),
                StepOutcome::Skipped => format!("- {step} skipped"),
                StepOutcome::Failed => format!("✗ {step} {took}"),
            }
        }
        Happening::Output { step, text, .. } => format!("  {step} │ {text}"),
    })
}

/// Says how a deployment ended; anything but live is a failure.
pub(crate) fn verdict(out: &mut Out, end: &Deployment, body: &Value, json: bool) -> Result<(), Failure> {
    let took = end
        .finished_at
        .map(|finished| Length(finished.since(end.queued_at)));
    let took = took.map_or_else(String::new, |took| format!(" after {took}"));
    if json {
        out.json(body)?;
    }
    if end.state == "live" {
        if !json {
            out.line(&format!("✓ live{took}"))?;
        }
        return Ok(());
    }
    let reason = end.reason.as_deref().unwrap_or("no reason was given");
    Err(Failure::NotLive(format!(
        "the deployment is {}{took}: {reason}",
        end.state.replace('_', " ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn line_shows_what_a_person_reads_of_each_event() {
        let sha = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
        let cases = [
            (json!({"kind": "state", "state": "building"}), None),
            (json!({"kind": "step_started", "step": "composer"}), None),
            (
                json!({"kind": "commit", "sha": sha, "subject": "Fix it", "author": "Ann"}),
                Some("● a94a8fe Fix it (Ann)"),
            ),
            (
                json!({"kind": "step_finished", "step": "composer", "outcome": "ok", "ms": 1234}),
                Some("✓ composer 1.2 s"),
            ),
            (
                json!({"kind": "step_finished", "step": "npm", "outcome": "skipped", "ms": 0}),
                Some("- npm skipped"),
            ),
            (
                json!({"kind": "step_finished", "step": "migrate", "outcome": "failed", "ms": 80}),
                Some("✗ migrate 80 ms"),
            ),
            (
                json!({"kind": "output", "step": "migrate", "stream": "err", "text": "no table"}),
                Some("  migrate │ no table"),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(line(&decode(body).unwrap()).as_deref(), expected);
        }
    }
}
