//! Keeps the projects as they should be, with or without the edge: looked over at the start and every 30 seconds, their
//! schedulers started each minute.

use super::Agent;
use crate::{clock, deploy};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Between two looks at all projects.
const LOOK: Duration = Duration::from_secs(30);

/// Runs until the agent stops.
pub(super) async fn run(agent: &Agent) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut minute = Instant::now() + until_the_minute();
    loop {
        tokio::select! {
            () = agent.stopping.cancelled() => return,
            _ = look.tick() => look_over(agent).await,
            () = sleep_until(minute) => {
                schedule(agent).await;
                minute = Instant::now() + until_the_minute();
            }
        }
    }
}

/// Schedulers ask what is due in this minute of the clock: twice in one would do its work twice, whenever the runner
/// started.
fn until_the_minute() -> Duration {
    let past_ms = u64::try_from(clock::local().0.rem_euclid(60_000)).unwrap_or(0);
    Duration::from_millis(60_000 - past_ms)
}

async fn look_over(agent: &Agent) {
    let host = &agent.host;
    let slugs = match deploy::projects(host) {
        Ok(slugs) if slugs.is_empty() => return,
        Ok(slugs) => slugs,
        Err(error) => return tracing::error!(%error, "the projects of this server cannot be listed"),
    };
    let seen = match host.docker.list(None).await {
        Ok(seen) => seen,
        Err(error) => return tracing::error!(%error, "the projects cannot be looked over"),
    };
    for slug in slugs {
        // A project whose job is running is that job's; it is looked at the next time.
        let turn = agent.turn(Some(slug.as_str()));
        let Some(Ok(_turn)) = turn.as_ref().map(|turn| turn.try_lock()) else {
            continue;
        };
        if let Err(error) = deploy::bring_up(host, &slug, &seen).await {
            tracing::error!(project = %slug, %error, "a project is not as it should be");
        }
    }
}

async fn schedule(agent: &Agent) {
    let host = &agent.host;
    let slugs = deploy::projects(host).unwrap_or_else(|error| {
        tracing::error!(%error, "the projects of this server cannot be listed");
        Vec::new()
    });
    for slug in slugs {
        if let Err(error) = deploy::run_scheduler(host, &slug).await {
            tracing::error!(project = %slug, %error, "a project's scheduler could not be started");
        }
    }
}
