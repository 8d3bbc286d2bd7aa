//! What people do with their own account: see and end their sessions, change the password.

use super::{SignedIn, cookie, new_password};
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::IdRow;
use crate::store::people;
use crate::store::users::{self, SessionRow};
use crate::store::{Page, Statement, StoreError, activity};
use devflow_domain::people::check_password;
use devflow_protocol::LoginId;

/// A page of the sessions that hold, the latest used first.
pub(crate) async fn sessions(
    state: &AppState,
    me: &SignedIn,
    cursor: &str,
) -> Result<Page<SessionRow>, ApiError> {
    let asked = users::sessions_of(&me.user, platform::now(), cursor);
    Ok(Page::new(state.db.all(asked).await?, SessionRow::cursor))
}

fn record(me: &SignedIn, action: &str, subject: &str) -> Statement {
    activity::record(platform::now(), me.user.as_str(), action, subject, "")
}

/// Ends one session of one's own, and its live sockets.
pub(crate) async fn revoke(state: &AppState, me: &SignedIn, id: &LoginId) -> Result<(), ApiError> {
    let (now, user) = (platform::now(), &me.user);
    let record = activity::record_if_changed(now, user.as_str(), "session.revoke", id.as_str(), "");
    let answers = state
        .db
        .batch(vec![users::delete_session_of(user, id), record])
        .await?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::no_such("session"));
    }
    state.hub().close(id.as_str()).await;
    Ok(())
}

/// Runs `first`, ends all sessions but this one, and records it.
pub(super) async fn end_others(
    state: &AppState,
    me: &SignedIn,
    first: Vec<Statement>,
    action: &str,
) -> Result<(), StoreError> {
    let logins: Vec<IdRow> = state.db.all(people::logins(&me.user)).await?;
    let mut batch = first;
    batch.push(people::end_sessions(&me.user, &me.login));
    batch.push(record(me, action, &me.login));
    state.db.batch(batch).await?;
    for login in logins.iter().filter(|login| login.id != me.login) {
        state.hub().close(&login.id).await;
    }
    Ok(())
}

/// Ends all sessions but this one.
pub(crate) async fn revoke_others(state: &AppState, me: &SignedIn) -> Result<(), ApiError> {
    Ok(end_others(state, me, vec![], "session.revoke_others").await?)
}

/// Changes the password, ends all other sessions and gives this one a new token; gives the value of the `Set-Cookie`
/// header.
pub(crate) async fn change_password(
    state: &AppState,
    me: &SignedIn,
    password: &str,
) -> Result<String, ApiError> {
    check_password(password, &me.email)
        .map_err(|problem| ApiError::invalid("password", problem.to_string()))?;
    let password = new_password::accept(state, password).await?;
    let (now, token) = (platform::now(), crypt::token(platform::entropy()));
    let mut statements = vec![
        users::set_password(&me.user, &password.hash),
        users::rotate_session(&me.token_hash, &crypt::token_hash(&token), now),
    ];
    statements.extend(password.record(now, &me.user));
    end_others(state, me, statements, "user.password").await?;
    Ok(cookie(&token))
}
