//! The access token of a project's repository: what is written when a project is made or changed.

use super::hook;
use super::input::Head;
use crate::app::AppState;
use crate::auth::Actor;
use crate::error::ApiError;
use crate::service::repository_tokens::{self, Change};
use crate::store::projects::ProjectRow;
use crate::store::{Statement, activity, repository_tokens as store};
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::text::RepositoryUrl;
use devflow_protocol::{ProjectId, UnixMillis};

/// What gives a new project its token: the one that came with it, or the one of the look that it was made from.
pub(super) async fn first(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    head: &Head,
    repository: &RepositoryUrl,
    now: UnixMillis,
) -> Result<Vec<Statement>, ApiError> {
    let (token, forget) = match (&head.repository_token, &head.inspection) {
        (None, None) => return Ok(vec![]),
        (Some(given), _) => (given.check(repository, Some(head.provider))?, None),
        (None, Some(look)) => (
            repository_tokens::of_look(state, actor, look, repository).await?,
            Some(store::forget(look)),
        ),
    };
    let mut batch = set(state, actor, id, repository, &token, now);
    batch.extend(forget);
    Ok(batch)
}

/// What changes a project's token, where its repository is `repository` from `now` on.
pub(super) async fn change(
    state: &AppState,
    actor: &Actor,
    row: &ProjectRow,
    repository: &RepositoryUrl,
    change: Change,
    now: UnixMillis,
) -> Result<Vec<Statement>, ApiError> {
    let id = &row.id;
    match change {
        Change::Keep if row.settings()?.repository == *repository => Ok(vec![]),
        Change::Keep => {
            repository_tokens::check_kept(state, id, repository).await?;
            Ok(vec![])
        }
        Change::Set(given) => {
            let hook = hook::of_project(state, id).await?;
            let token = given.check(repository, hook.map(|hook| hook.provider))?;
            Ok(set(state, actor, id, repository, &token, now))
        }
        Change::TakeAway => Ok(vec![
            store::take_away(id, now),
            activity::record_if_changed(now, &actor.0, "repository_token.remove", id.as_str(), ""),
        ]),
    }
}

fn set(
    state: &AppState,
    actor: &Actor,
    id: &ProjectId,
    repository: &RepositoryUrl,
    token: &RepositoryToken,
    now: UnixMillis,
) -> Vec<Statement> {
    let row = repository_tokens::seal(state, actor, id.as_str(), repository, token, now);
    let user = token.user();
    vec![
        store::set(id, &row, now),
        activity::record_if_changed(now, &actor.0, "repository_token.set", id.as_str(), user),
    ]
}
