//! Who comes in: set-up of the owner, sign-in and sign-out, sessions and API keys.

pub(crate) mod account;
mod breached;
mod caller;
mod device;
mod join;
mod kept;
pub(crate) mod login;
mod new_password;
mod object;
pub(crate) mod passkeys;
mod password;
mod place;
pub(crate) mod second;

pub(crate) use caller::{Actor, Caller, SignedIn, check_csrf, header_token, not_signed_in, request_cookie};
pub(crate) use join::{invitation, join};
pub(crate) use passkeys::Answer;
pub(crate) use place::{device_name, network};

use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::{activity, users};
use axum::http::HeaderMap;
use devflow_domain::access::Scope;
use devflow_domain::api_key::{MAX_DAYS, ends_at};
use devflow_domain::people::{Email, PASSWORD_MAX, check_password};
use devflow_domain::refusals::Refusal;
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

/// Counts a refusal.
pub(crate) async fn tell_refusal(state: &AppState, refusal: Refusal) -> Result<(), ApiError> {
    ask(state, &Ask::Refused { refusal }).await.map(drop)
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
        return Err(ApiError::Hidden("There is nothing at this address.".to_owned()));
    }
    match state.db.first::<users::IdRow>(users::owner()).await? {
        None => Ok(()),
        Some(_) => Err(ApiError::Hidden("There is nothing at this address.".to_owned())),
    }
}

/// Makes the owner and their first API key.
pub(crate) async fn set_up(state: &AppState, setup: &SetUp) -> Result<NewOwner, ApiError> {
    check_setup(state, &setup.token).await?;
    let email = check_credentials(&setup.email, &setup.password)?;
    let password = new_password::accept(state, &setup.password).await?;
    let (now, user, key_id) = (
        platform::now(),
        platform::new_id(UserId::new),
        platform::new_id(ApiKeyId::new),
    );
    let api_key = new_key();
    let owner = users::NewOwner {
        id: &user,
        email: email.as_str(),
        password_hash: &password.hash,
        now,
    };
    let mut batch = vec![
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
    batch.extend(password.record(now, &user));
    match state.db.batch(batch).await {
        Ok(_) => Ok(NewOwner {
            user,
            email: email.to_string(),
            api_key,
        }),
        Err(error) if error.is_duplicate("users.") || error.is_check("role") => {
            Err(ApiError::Hidden("There is nothing at this address.".to_owned()))
        }
        Err(error) => Err(error.into()),
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

/// What comes of the right password.
pub(crate) enum Entered {
    /// They are in: values of `Set-Cookie` headers.
    In(Vec<String>),
    /// A factor has to follow.
    FactorNeeded(second::Asked),
}

/// Asks the `Auth` object whether a password fits. Failures at the account of somebody who is here go on record, as done
/// by `actor`.
async fn verify(
    state: &AppState,
    headers: &HeaderMap,
    email: &str,
    password: &str,
    (actor, action): (&str, &str),
) -> Result<users::UserRow, ApiError> {
    let user: Option<users::UserRow> = if email.len() <= 254 {
        state.db.first(users::by_email(email)).await?
    } else {
        None
    };
    let asked = Ask::Verify {
        account: email.chars().take(254).collect(),
        address: place::address(headers),
        device: user
            .as_ref()
            .and_then(|user| device::known(state, headers, &user.id)),
        password: password.chars().take(PASSWORD_MAX + 1).collect(),
        stored: user.as_ref().map(|user| user.password_hash.clone()),
    };
    match (ask(state, &asked).await?, user) {
        (Reply::Right, Some(user)) => Ok(user),
        (Reply::Wait { seconds }, _) => Err(ApiError::RateLimited(seconds)),
        (
            Reply::Wrong {
                recorded: Some(count),
            },
            Some(user),
        ) => {
            let detail = format!("{count} within 15 min");
            let record = activity::record(platform::now(), actor, action, user.id.as_str(), &detail);
            state.db.run(record).await?;
            Err(wrong_credentials())
        }
        _ => Err(wrong_credentials()),
    }
}

fn wrong_credentials() -> ApiError {
    ApiError::Unauthenticated(
        "wrong_credentials",
        "E-mail address or password are wrong.".to_owned(),
    )
}

/// Checks e-mail address and password, and starts a session where no factor has to follow.
pub(crate) async fn sign_in(
    state: &AppState,
    headers: &HeaderMap,
    email: &str,
    password: &str,
) -> Result<Entered, ApiError> {
    let user = verify(
        state,
        headers,
        email.trim(),
        password,
        (activity::STRANGER, "session.refused"),
    )
    .await?;
    if user.has_factor() {
        return Ok(Entered::FactorNeeded(second::begin(state, &user)?));
    }
    Ok(Entered::In(start_session(state, headers, &user.id).await?))
}

/// What somebody gives to say again who they are.
pub(crate) enum Proof<'a> {
    /// Of an account without a factor: whoever learnt the password of one that has got no further than its first step.
    Password(&'a str),
    /// A code of the app, or a recovery code.
    Code(&'a str),
    /// A passkey.
    Passkey(&'a Answer),
}

/// Checks password, code or passkey again and gives the session a new token, so that whoever held the old one is out; gives
/// the value of the `Set-Cookie` header.
pub(crate) async fn prove(
    state: &AppState,
    headers: &HeaderMap,
    signed_in: &SignedIn,
    proof: Proof<'_>,
) -> Result<String, ApiError> {
    match proof {
        Proof::Password(_) if signed_in.has_factor => {
            let record = activity::record(
                platform::now(),
                signed_in.user.as_str(),
                "session.proof_refused",
                signed_in.user.as_str(),
                "a password without the second factor",
            );
            state.db.run(record).await?;
            return Err(ApiError::Unauthenticated(
                "factor_needed",
                "Your account has a second factor, so a password is not enough: use the factor.".to_owned(),
            ));
        }
        Proof::Password(password) => {
            let checked = verify(
                state,
                headers,
                &signed_in.email,
                password,
                (signed_in.user.as_str(), "session.proof_refused"),
            )
            .await;
            checked.map_err(|error| match error {
                ApiError::Unauthenticated(..) => {
                    ApiError::Unauthenticated("wrong_password", "The password is wrong.".to_owned())
                }
                other => other,
            })?;
        }
        Proof::Code(code) => {
            let user = &signed_in.user;
            second::check(state, headers, user, user.as_str(), code).await?;
        }
        Proof::Passkey(answer) => passkeys::prove(state, signed_in, answer).await?,
    }
    let (now, token) = (platform::now(), crypt::token(platform::entropy()));
    let user = signed_in.user.as_str();
    let batch = vec![
        users::rotate_session(&signed_in.token_hash, &crypt::token_hash(&token), now),
        activity::record(now, user, "session.prove", &signed_in.login, ""),
    ];
    state.db.batch(batch).await?;
    Ok(cookie(&token))
}

fn cookie(token: &str) -> String {
    let max_age = users::ABSOLUTE_MS / 1000;
    format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

/// Starts a session; gives the values of the `Set-Cookie` headers: the session's, and the mark of the device.
pub(crate) async fn start_session(
    state: &AppState,
    headers: &HeaderMap,
    user: &UserId,
) -> Result<Vec<String>, ApiError> {
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
    Ok(vec![cookie(&token), device::mark(state, headers, user)])
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
