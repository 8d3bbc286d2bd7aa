//! Looking at a repository before it becomes a project: a server is asked, and its answer is the end of the job.

use super::repository_tokens::{self, Given};
use super::servers;
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::platform;
use crate::store::lease::Arguments;
use crate::store::{activity, jobs, repository_tokens as store};
use devflow_protocol::inspection::Inspection;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::text::{RefName, RepositoryUrl};
use devflow_protocol::{JobId, ServerId};

/// How far a look is.
#[derive(Debug)]
pub(crate) enum Look {
    /// The server has not answered yet.
    Working,
    /// What was found.
    Found(Box<Inspection>),
    /// Why it could not look.
    Failed(String),
}

/// Asks a server to look at the tip of `ref_name`, with an access token where the repository asks for one: a project that is
/// made of the look within an hour takes it over.
pub(crate) async fn start(
    state: &AppState,
    actor: &Actor,
    server: &ServerId,
    repository: RepositoryUrl,
    ref_name: RefName,
    token: Option<&Given>,
) -> Result<JobId, ApiError> {
    let token = token.map(|given| given.check(&repository, None)).transpose()?;
    servers::check_takes_work(state, server).await?;
    let (now, job) = (platform::now(), platform::new_id(JobId::new));
    let token = token.map(|token| {
        let row = repository_tokens::seal(state, actor, job.as_str(), &repository, &token, now);
        store::insert_for_look(&job, &row)
    });
    let record = activity::record(
        now,
        &actor.0,
        "server.inspect",
        server.as_str(),
        repository.as_str(),
    );
    let arguments = serde_json::to_string(&Arguments {
        repository: Some(repository),
        ref_name: Some(ref_name),
        ..Arguments::default()
    })
    .expect("arguments are plain");
    let new = jobs::NewJob {
        id: &job,
        server,
        project: None,
        verb: "inspect",
        arguments: &arguments,
        now,
    };
    let batch = [jobs::insert(&new), record].into_iter().chain(token);
    state.db.batch(batch.collect()).await?;
    state.signal(Some(server), vec![]);
    Ok(job)
}

/// How far the look of a job is.
pub(crate) async fn get(state: &AppState, job: &JobId) -> Result<Look, ApiError> {
    let row: Option<jobs::JobRow> = state.db.first(jobs::by_id(job)).await?;
    let row = row
        .filter(|row| row.verb == "inspect")
        .ok_or_else(|| ApiError::no_such("look at a repository"))?;
    Ok(look(&row.state, row.outcome.as_deref()))
}

fn look(state: &str, outcome: Option<&str>) -> Look {
    // Only the removal of its server gives a look up.
    if state == "abandoned" {
        return Look::Failed("the server was removed before it answered; choose another one".to_owned());
    }
    let Some(outcome) = outcome else {
        return Look::Working;
    };
    match serde_json::from_str(outcome) {
        Ok(Outcome::Inspected { inspection }) => Look::Found(Box::new(inspection)),
        Ok(Outcome::Failed { reason, .. } | Outcome::Refused { reason }) => Look::Failed(reason),
        _ => Look::Failed("the server ended the look without an answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_is_what_the_outcome_says() {
        let said_in = |state, outcome| match look(state, outcome) {
            Look::Working => "working".to_owned(),
            Look::Found(found) => format!("found {:?}", found.files),
            Look::Failed(reason) => reason,
        };
        let said = |outcome| said_in("done", outcome);
        let commit = "a".repeat(40);
        let found = format!(
            r#"{{"outcome":"inspected","inspection":{{"commit":"{commit}","files":["artisan"],"requires":{{}},
            "builds_assets":false,"env_names":[],"unreadable":[]}}}}"#
        );
        assert_eq!(said_in("running", None), "working");
        assert_eq!(
            said_in("abandoned", None),
            "the server was removed before it answered; choose another one"
        );
        assert_eq!(said(Some(&found)), r#"found ["artisan"]"#);
        assert_eq!(
            said(Some(r#"{"outcome":"refused","reason":"not allowed"}"#)),
            "not allowed"
        );
        assert_eq!(
            said(Some(r#"{"outcome":"cancelled"}"#)),
            "the server ended the look without an answer"
        );
    }
}
