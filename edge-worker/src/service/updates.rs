//! Updating the runners of servers to the release that is published here.

use super::{releases, servers};
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::store::lease::Arguments;
use crate::store::servers::ServerRow;
use crate::store::{activity, jobs};
use devflow_protocol::release::RunnerVersion;
use devflow_protocol::runner_api::ServerFacts;
use devflow_protocol::{JobId, ServerId};

/// The version that a server's runner told of itself.
pub(crate) fn running(row: &ServerRow) -> Option<RunnerVersion> {
    let facts: ServerFacts = serde_json::from_str(row.facts.as_deref()?).ok()?;
    facts.runner_version.parse().ok()
}

/// Refuses a release that a server would not take. Of the same version it is asked for: it may be another build of it.
fn check(name: &str, running: Option<RunnerVersion>, published: RunnerVersion) -> Result<(), ApiError> {
    match running {
        None => Err(ApiError::Conflict(
            "server_not_enrolled",
            format!("{name} has not been connected yet."),
        )),
        Some(running) if published < running => Err(ApiError::Conflict(
            "release_is_older",
            format!("{name} runs runner {running}, and {published}, which is published here, is older."),
        )),
        Some(_) => Ok(()),
    }
}

/// Asks a server to replace its runner by the one that is published.
pub(crate) async fn update(state: &AppState, actor: &Actor, id: &ServerId) -> Result<JobId, ApiError> {
    let row = servers::get(state, id).await?;
    let found = releases::signed(state).await?.ok_or_else(|| {
        ApiError::Conflict(
            "nothing_published",
            "No runner is published here; its owner does so with `cargo xtask publish-runner`.".to_owned(),
        )
    })?;
    let version = found.release.runner;
    check(&row.name, running(&row), version)?;
    let arguments = Arguments {
        update: Some(Box::new(found.signed)),
        ..Arguments::default()
    };
    let arguments = serde_json::to_string(&arguments)
        .map_err(|error| ApiError::Internal(format!("an update cannot be written: {error}")))?;
    let (now, job) = (platform::now(), platform::new_id(JobId::new));
    let new = jobs::NewJob {
        id: &job,
        server: id,
        project: None,
        verb: "update",
        arguments: &arguments,
        now,
    };
    let batch = vec![
        jobs::insert_once(&new),
        activity::record_if_changed(now, &actor.0, "server.update", id.as_str(), &version.to_string()),
    ];
    let answers = state.db.batch(batch).await?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::Conflict(
            "update_under_way",
            format!("An update of {} has not ended yet.", row.name),
        ));
    }
    state.signal(Some(id), vec![super::FLEET.to_owned()]);
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_refuses_what_is_older_or_for_nobody() {
        let version = |text: &str| text.parse::<RunnerVersion>().unwrap();
        let code = |running: Option<&str>, published: &str| match check(
            "web-1",
            running.map(version),
            version(published),
        ) {
            Ok(()) => "asked",
            Err(ApiError::Conflict(code, _)) => code,
            Err(_) => "something else",
        };
        assert_eq!(code(Some("0.1.0"), "0.2.0"), "asked");
        assert_eq!(code(Some("0.2.0"), "0.2.0"), "asked");
        assert_eq!(code(Some("0.10.0"), "0.9.0"), "release_is_older");
        assert_eq!(code(None, "0.2.0"), "server_not_enrolled");
    }
}
