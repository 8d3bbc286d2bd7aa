//! Who comes in: set-up of the owner, sign-in and sign-out, sessions and API keys.

pub(crate) mod account;
mod caller;
mod join;
mod object;
mod password;
mod place;

pub(crate) use caller::{Actor, Caller, SignedIn, check_csrf, header_token, not_signed_in};
pub(crate) use join::{invitation, join};

use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::{activity, users};
use axum::http::HeaderMap;
use devflow_domain::access::Scope;
use devflow_domain::api_key::{MAX_DAYS, ends_at};
use devflow_domain::people::{Email, PASSWORD_MAX, check_password};
use devflow_protocol::audit::Personal;
use devflow_protocol::{ApiKeyId, LoginId, UserId};
use object::{Ask, Reply};
use serde::Deserialize;
use worker::{Method, Request, RequestInit};

/// The cookie that carries a session's token.
pub(crate) const COOKIE: &str = "__Host-devflow";
/// Prefix of API keys, for secret scanners.
pub(crate) const KEY_PREFIX: &str = "dfp_";

/// The text of a new API key: `dfp_` and 43 letters, digits, hyphens and underscores.
pub(crate) fn new_key() -> String {
    format!("{KEY_PREFIX}{}", crypt::token(platform::entropy()))
}

async fn ask(state: &AppState, ask: &Ask) -> Result<Reply, ApiError> {
    let mut init = RequestInit::new();
    let body = serde_json::to_string(ask).map_err(|error| ApiError::Internal(error.to_string()))?;
    init.with_method(Method::Post).with_body(Some(body.into()));
    let request = Request::new_with_init("https://auth/", &init)?;
    Ok(state
        .auth_object()?
        .fetch_with_request(request)
        .await?
        .json()
        .await?)
}

/// What makes the owner.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUp {
    pub(crate) token: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// The owner that was made.
pub(crate) struct NewOwner {
    pub(crate) user: UserId,
    pub(crate) email: String,
    /// Shown this once.
    pub(crate) api_key: String,
}

/// The set-up answers only to the token, and only while there is no owner; else it is not there.
pub(crate) async fn check_setup(state: &AppState, token: &str) -> Result<(), ApiError> {
    let expected = state.config.setup_token.as_deref();
    if !expected.is_some_and(|expected| crypt::same(expected, token)) {
        return Err(ApiError::NotFound("There is nothing at this address.".to_owned()));
    }
    match state.db.first::<users::UserRow>(users::owner()).await? {
        None => Ok(()),
        Some(_) => Err(ApiError::NotFound("There is nothing at this address.".to_owned())),
    }
}

/// Makes the owner and their first API key.
pub(crate) async fn set_up(state: &AppState, setup: &SetUp) -> Result<NewOwner, ApiError> {
    check_setup(state, &setup.token).await?;
    let email = check_credentials(&setup.email, &setup.password)?;
    let hash = hash_password(state, &setup.password).await?;
    let (now, user, key_id) = (
        platform::now(),
        platform::new_id(UserId::new),
        platform::new_id(ApiKeyId::new),
    );
    let api_key = new_key();
    let owner = users::NewOwner {
        id: &user,
        email: email.as_str(),
        password_hash: &hash,
        now,
    };
    let batch = vec![
        users::insert_owner(&owner),
        users::insert_key(&users::NewKey {
            token_hash: &crypt::token_hash(&api_key),
            id: &key_id,
            user: &user,
            name: "set-up",
            scope: Scope::Admin,
            projects: None,
            expires_at: ends_at(now, Some(MAX_DAYS)).ok(),
            now,
        }),
        activity::record(now, user.as_str(), "user.set_up", user.as_str(), ""),
    ];
    match state.db.batch(batch).await {
        Ok(_) => Ok(NewOwner {
            user,
            email: email.to_string(),
            api_key,
        }),
        Err(error) if error.is_duplicate("users.") || error.is_check("role") => {
            Err(ApiError::NotFound("There is nothing at this address.".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is stored of a password.
async fn hash_password(state: &AppState, password: &str) -> Result<String, ApiError> {
    let asked = Ask::Hash {
        password: password.to_owned(),
    };
    match ask(state, &asked).await? {
        Reply::Hash { hash } => Ok(hash),
        _ => Err(ApiError::Internal("the Auth object gave no hash".to_owned())),
    }
}

/// All problems at once.
fn check_credentials(email: &str, password: &str) -> Result<Email, ApiError> {
    let read = email.parse::<Email>();
    let mut problems = Vec::new();
    if let Err(problem) = &read {
        problems.push(("email".to_owned(), problem.to_string()));
    }
    if let Err(problem) = check_password(password, email) {
        problems.push(("password".to_owned(), problem.to_string()));
    }
    match read {
        Ok(email) if problems.is_empty() => Ok(email),
        _ => Err(ApiError::Invalid(problems)),
    }
}

/// Checks e-mail address and password and starts a session; gives the value of the `Set-Cookie` header.
pub(crate) async fn sign_in(
    state: &AppState,
    headers: &HeaderMap,
    email: &str,
    password: &str,
) -> Result<String, ApiError> {
    let email = email.trim();
    let user: Option<users::UserRow> = if email.len() <= 254 {
        state.db.first(users::by_email(email)).await?
    } else {
        None
    };
    let asked = Ask::Verify {
        account: email.chars().take(254).collect(),
        address: place::address(headers),
        password: password.chars().take(PASSWORD_MAX + 1).collect(),
        stored: user.as_ref().map(|user| user.password_hash.clone()),
    };
    match (ask(state, &asked).await?, user) {
        (Reply::Verified { ok: true }, Some(user)) => start_session(state, headers, &user.id).await,
        (Reply::Wait { seconds }, _) => Err(ApiError::RateLimited(seconds)),
        _ => Err(ApiError::Unauthenticated(
            "wrong_credentials",
            "E-mail address or password are wrong.".to_owned(),
        )),
    }
}

/// Checks the password again and gives the session a new token, so that whoever held the old one is out; gives the
/// value of the `Set-Cookie` header.
pub(crate) async fn prove(
    state: &AppState,
    headers: &HeaderMap,
    signed_in: &SignedIn,
    password: &str,
) -> Result<String, ApiError> {
    let user: Option<users::UserRow> = state.db.first(users::by_email(&signed_in.email)).await?;
    let asked = Ask::Verify {
        account: signed_in.email.clone(),
        address: place::address(headers),
        password: password.chars().take(PASSWORD_MAX + 1).collect(),
        stored: user.map(|user| user.password_hash),
    };
    let now = platform::now();
    match ask(state, &asked).await? {
        Reply::Verified { ok: true } => {}
        Reply::Wait { seconds } => return Err(ApiError::RateLimited(seconds)),
        _ => {
            let refused = activity::record(
                now,
                signed_in.user.as_str(),
                "session.proof_refused",
                &signed_in.login,
                "",
            );
            state.db.run(refused).await?;
            return Err(ApiError::Unauthenticated(
                "wrong_password",
                "The password is wrong.".to_owned(),
            ));
        }
    }
    let token = crypt::token(platform::entropy());
    state
        .db
        .batch(vec![
            users::rotate_session(&signed_in.token_hash, &crypt::token_hash(&token), now),
            activity::record(
                now,
                signed_in.user.as_str(),
                "session.prove",
                &signed_in.login,
                "",
            ),
        ])
        .await?;
    Ok(cookie(&token))
}

fn cookie(token: &str) -> String {
    let max_age = users::ABSOLUTE_MS / 1000;
    format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

async fn start_session(state: &AppState, headers: &HeaderMap, user: &UserId) -> Result<String, ApiError> {
    let (now, login) = (platform::now(), platform::new_id(LoginId::new));
    let (token, place) = (crypt::token(platform::entropy()), place::of(headers));
    let personal = Personal {
        salt: crypt::token(platform::entropy()),
        value: format!("{}, {}", place.device, place.address),
    };
    let mut batch = vec![users::insert_session(&users::NewSession {
        token_hash: &crypt::token_hash(&token),
        id: &login,
        user,
        place: &place,
        now,
    })];
    let told = activity::record_of_person(now, user, "session.start", login.as_str(), &personal);
    batch.extend(told);
    state.db.batch(batch).await?;
    Ok(cookie(&token))
}

/// Ends a session; gives the value of the `Set-Cookie` header.
pub(crate) async fn sign_out(state: &AppState, signed_in: &SignedIn) -> Result<String, ApiError> {
    let now = platform::now();
    state
        .db
        .batch(vec![
            users::delete_session(&signed_in.token_hash),
            activity::record(now, signed_in.user.as_str(), "session.end", &signed_in.login, ""),
        ])
        .await?;
    state.hub().close(&signed_in.login).await;
    Ok(format!(
        "{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
    ))
}
