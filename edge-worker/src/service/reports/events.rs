//! What happens while a job runs: its events are kept as they are and applied to the deployment.

use super::job;
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::service::topics;
use crate::store::deployments::{self, Progress, StepRow};
use crate::store::jobs::JobRow;
use crate::store::{InBatch as _, events};
use devflow_domain::deployment::{self, DeploymentEvent};
use devflow_protocol::ServerId;
use devflow_protocol::event::{DeploymentState, Event, Happening};
use devflow_protocol::limits::EVENTS_PER_BATCH;
use devflow_protocol::runner_api::EventsRequest;
use devflow_protocol::text::GitSha;

/// Takes a batch of events in: kept, and applied to the deployment. Both may happen again. Tells whether somebody
/// follows the deployment.
pub(crate) async fn take_events(
    state: &AppState,
    server: &ServerId,
    request: &EventsRequest,
) -> Result<bool, ApiError> {
    numbers(&request.events)?;
    let row = job(state, server, &request.job, request.attempt).await?;
    keep(state, request).await?;
    apply(state, &row, &request.events).await?;
    let topics = topics(row.project.as_ref(), row.deployment.as_ref());
    Ok(state.hub().signal(None, topics).await)
}

/// Keeps events behind those that are there. A batch that is sent again may have grown at its end since.
async fn keep(state: &AppState, request: &EventsRequest) -> Result<(), ApiError> {
    let (id, attempt) = (&request.job, request.attempt);
    let mut fresh = request.events.as_slice();
    while let (Some(first), Some(last)) = (fresh.first(), fresh.last()) {
        let body = serde_json::to_string(fresh).map_err(|error| ApiError::Internal(error.to_string()))?;
        let chunk = events::Fresh {
            job: id,
            attempt,
            first: first.n,
            last: last.n,
            body: &body,
            now: platform::now(),
        };
        let answers = state.logs.batch(events::keep(&chunk).into()).await?;
        let kept: Option<events::LastRow> = answers.last().first_row()?;
        let kept = kept.map_or(0, |row| row.last);
        let known = fresh.iter().take_while(|event| event.n <= kept).count();
        if known == 0 {
            return Err(ApiError::Internal(format!(
                "the events of job {id} were not kept"
            )));
        }
        fresh = &fresh[known..];
    }
    Ok(())
}

fn numbers(events: &[Event]) -> Result<(), ApiError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err(ApiError::invalid("events", "at least one event"));
    };
    let consecutive = events
        .windows(2)
        .all(|pair| pair[0].n.checked_add(1) == Some(pair[1].n));
    let in_range = first.n >= 1 && u32::try_from(last.n).is_ok();
    if events.len() > EVENTS_PER_BATCH || !consecutive || !in_range {
        return Err(ApiError::invalid(
            "events",
            format!("1 to {EVENTS_PER_BATCH} events with consecutive numbers from 1"),
        ));
    }
    Ok(())
}

/// What a batch of events makes of a deployment.
#[derive(Debug, PartialEq, Eq)]
struct Folded {
    state: DeploymentState,
    commit: Option<(GitSha, String, String)>,
    steps: Vec<StepRow>,
}

/// Applies events in order. What does not fit the state machine is left out: it comes of a batch sent again.
fn fold(state: DeploymentState, steps: Vec<StepRow>, events: &[Event]) -> Folded {
    let mut folded = Folded {
        state,
        commit: None,
        steps,
    };
    for event in events {
        match &event.what {
            Happening::State { state } => {
                folded.state = deployment::apply(folded.state, DeploymentEvent::Reported(*state))
                    .unwrap_or(folded.state);
            }
            Happening::Commit { sha, subject, author } => {
                let cut = |text: &str| text.chars().take(200).collect();
                folded.commit = Some((sha.clone(), cut(subject), cut(author)));
            }
            Happening::StepStarted { step } => {
                if !folded.steps.iter().any(|known| known.step == *step) {
                    folded.steps.push(StepRow {
                        step: step.clone(),
                        outcome: None,
                        ms: None,
                        started_at: Some(event.at),
                    });
                }
            }
            Happening::StepFinished { step, outcome, ms } => {
                let row = StepRow {
                    step: step.clone(),
                    outcome: Some(*outcome),
                    ms: Some(*ms),
                    started_at: None,
                };
                match folded.steps.iter_mut().find(|known| known.step == *step) {
                    Some(known) => {
                        *known = StepRow {
                            started_at: known.started_at,
                            ..row
                        }
                    }
                    None => folded.steps.push(row),
                }
            }
            Happening::Output { .. } => {}
        }
    }
    folded
}

async fn apply(state: &AppState, row: &JobRow, events: &[Event]) -> Result<(), ApiError> {
    let (Some(id), Some(seen)) = (&row.deployment, row.deployment_state) else {
        return Ok(());
    };
    let told = events
        .iter()
        .any(|event| !matches!(event.what, Happening::Output { .. }));
    // Said again after its end, it would be taken for what the next of several servers does.
    if !told || row.state == "done" {
        return Ok(());
    }
    let before: Vec<StepRow> = row
        .deployment_steps
        .as_deref()
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let folded = fold(seen, before, events);
    let steps =
        serde_json::to_string(&folded.steps).map_err(|error| ApiError::Internal(error.to_string()))?;
    let (commit, subject, author) = match &folded.commit {
        Some((sha, subject, author)) => (Some(sha), Some(subject.as_str()), Some(author.as_str())),
        None => (None, None, None),
    };
    state
        .db
        .run(deployments::progress(&Progress {
            id,
            seen,
            state: folded.state,
            commit,
            subject,
            author,
            steps: &steps,
        }))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;
    use devflow_protocol::event::StepOutcome;

    fn event(n: u64, what: Happening) -> Event {
        Event {
            n,
            at: UnixMillis(100),
            what,
        }
    }

    fn sample() -> Vec<Event> {
        let step = || "composer".parse().unwrap();
        vec![
            event(
                1,
                Happening::State {
                    state: DeploymentState::Building,
                },
            ),
            event(2, Happening::StepStarted { step: step() }),
            event(
                3,
                Happening::StepFinished {
                    step: step(),
                    outcome: StepOutcome::Ok,
                    ms: 40,
                },
            ),
        ]
    }

    #[test]
    fn fold_of_the_same_events_twice_changes_nothing() {
        let once = fold(DeploymentState::Preparing, vec![], &sample());
        let steps = vec![StepRow {
            step: "composer".parse().unwrap(),
            outcome: Some(StepOutcome::Ok),
            ms: Some(40),
            started_at: Some(UnixMillis(100)),
        }];
        assert_eq!(
            once,
            Folded {
                state: DeploymentState::Building,
                commit: None,
                steps: steps.clone()
            }
        );
        assert_eq!(
            fold(DeploymentState::Switching, steps.clone(), &sample()).state,
            DeploymentState::Switching
        );
        assert_eq!(fold(DeploymentState::Building, steps, &sample()), once);
    }

    #[test]
    fn numbers_refuses_gaps_and_nothing() {
        assert!(numbers(&sample()).is_ok());
        let mut gap = sample();
        gap.remove(1);
        assert!(numbers(&gap).is_err() && numbers(&[]).is_err());
        assert!(
            numbers(&[event(
                0,
                Happening::State {
                    state: DeploymentState::Building
                }
            )])
            .is_err()
        );
    }
}
