//! Coming in by an invitation.

use super::{new_password, start_session};
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::{activity, people};
use axum::http::HeaderMap;
use devflow_domain::people::check_password;
use devflow_protocol::UserId;

fn over() -> ApiError {
    ApiError::Hidden(
        "This invitation is over: it was used, taken back, or is too old. Ask for a new one.".to_owned(),
    )
}

/// The invitation of a token.
pub(crate) async fn invitation(state: &AppState, token: &str) -> Result<people::InvitationRow, ApiError> {
    let found = state
        .db
        .first(people::invitation(&crypt::token_hash(token), platform::now()))
        .await?;
    found.ok_or_else(over)
}

/// Makes the invited person and signs them in; gives the values of the `Set-Cookie` headers.
pub(crate) async fn join(
    state: &AppState,
    headers: &HeaderMap,
    token: &str,
    password: &str,
) -> Result<Vec<String>, ApiError> {
    let invitation = invitation(state, token).await?;
    check_password(password, &invitation.email)
        .map_err(|problem| ApiError::invalid("password", problem.to_string()))?;
    let password = new_password::accept(state, password).await?;
    let (now, user) = (platform::now(), platform::new_id(UserId::new));
    let mut batch: Vec<_> = people::accept(&crypt::token_hash(token), &user, &password.hash, now).into();
    batch.push(activity::record(
        now,
        user.as_str(),
        "user.join",
        user.as_str(),
        invitation.id.as_str(),
    ));
    batch.extend(password.record(now, &user));
    match state.db.batch(batch).await {
        Ok(_) => start_session(state, headers, &user).await,
        Err(error) if error.is_null("users.email") || error.is_duplicate("users.email") => Err(over()),
        Err(error) => Err(error.into()),
    }
}
