//! The second factor: codes of an app, set up, asked for when signing in and as a proof, and recovery codes. Passkeys
//! are in [`super::passkeys`].

use super::account::end_others;
use super::object::{Ask, Reply};
use super::{Caller, SignedIn, ask, cookie, device, passkeys, start_session};
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::second_factors::{self as store, CountRow, FactorRow};
use crate::store::users::{self, UserRow};
use crate::store::{Statement, activity};
use axum::http::HeaderMap;
use devflow_domain::second_factor::{self, RECOVERY_BYTES, RECOVERY_CODES, SECRET_BYTES, Typed};
use devflow_protocol::{UnixMillis, UserId};
use serde::{Deserialize, Serialize};

/// How long the second step of signing in may take, in milliseconds.
const STEP_MS: i64 = 5 * 60_000;
/// The place of what the form between the steps carries.
const STEP_CONTEXT: &str = "sign-in/second-step";

/// That the password was right: sealed, in the form that asks for the code.
#[derive(Serialize, Deserialize)]
struct Step {
    user: UserId,
    at: UnixMillis,
    /// Another password ends it.
    password: String,
}

pub(super) fn password_tag(user: &UserRow) -> String {
    crypt::hash(user.password_hash.as_bytes())
}

/// What is asked for after the password.
pub(crate) struct Asked {
    /// That the password was right, sealed: what the form carries on.
    pub(crate) step: String,
    /// A code of an app will do.
    pub(crate) app: bool,
    /// A passkey will do.
    pub(crate) passkey: bool,
}

/// Asks for a factor of somebody whose password was right.
pub(super) fn begin(state: &AppState, user: &UserRow) -> Result<Asked, ApiError> {
    let step = Step {
        user: user.id.clone(),
        at: platform::now(),
        password: password_tag(user),
    };
    let plain = serde_json::to_vec(&step).map_err(|error| ApiError::Internal(error.to_string()))?;
    let step = state
        .config
        .data_key
        .encrypt(STEP_CONTEXT, &plain, platform::entropy());
    Ok(asked(state, user, step))
}

fn asked(state: &AppState, user: &UserRow, step: String) -> Asked {
    Asked {
        step,
        app: user.has_app != 0,
        passkey: user.has_passkey != 0 && passkeys::are_possible(state),
    }
}

/// Asks again, after what was given did not do.
pub(crate) async fn again(state: &AppState, step: String) -> Result<Asked, ApiError> {
    let user = open_step(state, &step).await?;
    Ok(asked(state, &user, step))
}

/// What will do for somebody who is signed in: a code of an app, a passkey.
pub(crate) async fn kinds(state: &AppState, me: &SignedIn) -> Result<(bool, bool), ApiError> {
    let row: Option<UserRow> = state.db.first(users::by_id(&me.user)).await?;
    let asked = row.map(|row| asked(state, &row, String::new()));
    Ok(asked.map_or((false, false), |asked| (asked.app, asked.passkey)))
}

pub(super) fn too_late() -> ApiError {
    ApiError::Unauthenticated("too_late", "That took too long; sign in again.".to_owned())
}

/// Whose password was right, a moment ago, and still is.
pub(super) async fn open_step(state: &AppState, step: &str) -> Result<UserRow, ApiError> {
    let plain = state
        .config
        .data_key
        .decrypt(STEP_CONTEXT, step)
        .map_err(|_| too_late())?;
    let step: Step = serde_json::from_slice(&plain).map_err(|_| too_late())?;
    let user: Option<UserRow> = state.db.first(users::by_id(&step.user)).await?;
    let user = user
        .filter(|user| password_tag(user) == step.password)
        .ok_or_else(too_late)?;
    if platform::now().since(step.at) > STEP_MS {
        return Err(too_late());
    }
    Ok(user)
}

/// The second step: checks the code and starts a session; gives the values of the `Set-Cookie` headers.
pub(crate) async fn finish(
    state: &AppState,
    headers: &HeaderMap,
    step: &str,
    code: &str,
) -> Result<Vec<String>, ApiError> {
    let user = open_step(state, step).await?;
    check(state, headers, &user.id, activity::STRANGER, code).await?;
    start_session(state, headers, &user.id).await
}

fn wrong() -> ApiError {
    ApiError::Unauthenticated(
        "wrong_code",
        "The code is wrong, or was used already; wait for the next one.".to_owned(),
    )
}

/// Checks a code of the app or a recovery code, and spends it. A wrong one goes on record as done by `actor`: before it
/// fits, nobody knows who signs in.
pub(super) async fn check(
    state: &AppState,
    headers: &HeaderMap,
    user: &UserId,
    actor: &str,
    code: &str,
) -> Result<(), ApiError> {
    let typed = Typed::read(code).ok_or_else(wrong)?;
    let device = device::known(state, headers, user);
    let attempt = Ask::TryCode {
        user: user.to_string(),
        device: device.clone(),
    };
    if let Reply::Wait { seconds } = ask(state, &attempt).await? {
        return Err(ApiError::RateLimited(seconds));
    }
    let spent = match typed {
        Typed::Code(code) => spend_code(state, user, &code).await?,
        Typed::Recovery(code) => {
            let hash = crypt::token_hash(&code);
            let action = "second_factor.recovery";
            let told = activity::record_if_changed(platform::now(), user.as_str(), action, user.as_str(), "");
            let answers = state.db.batch(vec![store::spend_code(user, &hash), told]).await?;
            answers.first().is_some_and(|answer| answer.changes() > 0)
        }
    };
    if !spent {
        let refused = activity::record(platform::now(), actor, "second_factor.refused", user.as_str(), "");
        state.db.run(refused).await?;
        return Err(wrong());
    }
    let fitted = Ask::CodeFitted {
        user: user.to_string(),
        device,
    };
    ask(state, &fitted).await.map(drop)
}

async fn spend_code(state: &AppState, user: &UserId, code: &str) -> Result<bool, ApiError> {
    let row: Option<FactorRow> = state.db.first(store::of(user)).await?;
    let Some(row) = row.filter(|row| row.confirmed_at.is_some()) else {
        return Ok(false);
    };
    let secret = open(state, user, &row)?;
    match second_factor::accept(&secret, code, row.last_step, platform::now()) {
        Some(step) => Ok(state.db.run(store::spend_step(user, step)).await? > 0),
        None => Ok(false),
    }
}

fn open(state: &AppState, user: &UserId, row: &FactorRow) -> Result<Vec<u8>, ApiError> {
    let context = crypt::second_factor_context(user.as_str());
    Ok(state.config.data_key.decrypt(&context, &row.secret)?)
}

fn record(user: &UserId, action: &str) -> Statement {
    activity::record(platform::now(), user.as_str(), action, user.as_str(), "")
}

/// A secret to show.
pub(crate) struct Secret {
    /// In groups, to be typed.
    pub(crate) text: String,
    /// What the QR code says.
    pub(crate) uri: String,
}

/// How it stands with somebody's app for codes.
pub(crate) enum Factor {
    None,
    /// The first code has to be given.
    Begun(Secret),
    There {
        since: UnixMillis,
    },
}

/// One's own.
pub(crate) async fn of(state: &AppState, me: &SignedIn) -> Result<Factor, ApiError> {
    let row: Option<FactorRow> = state.db.first(store::of(&me.user)).await?;
    Ok(match row {
        None => Factor::None,
        Some(FactorRow {
            confirmed_at: Some(since),
            ..
        }) => Factor::There { since },
        Some(row) => {
            let secret = open(state, &me.user, &row)?;
            Factor::Begun(Secret {
                text: second_factor::grouped(&second_factor::base32(&secret)),
                uri: second_factor::uri(&secret, &me.email),
            })
        }
    })
}

/// How many of one's own recovery codes are left.
pub(crate) async fn codes_left(state: &AppState, me: &SignedIn) -> Result<i64, ApiError> {
    let row: Option<CountRow> = state.db.first(store::codes_left(&me.user)).await?;
    Ok(row.map_or(0, |row| row.count))
}

/// Makes a secret for an app to take.
pub(crate) async fn set_up(state: &AppState, me: &SignedIn) -> Result<(), ApiError> {
    let secret: [u8; SECRET_BYTES] = platform::entropy();
    let context = crypt::second_factor_context(me.user.as_str());
    let sealed = state
        .config
        .data_key
        .encrypt(&context, &secret, platform::entropy());
    state
        .db
        .run(store::begin(&me.user, &sealed, platform::now()))
        .await?;
    Ok(())
}

/// New recovery codes, and what is stored of them.
pub(super) fn new_codes(user: &UserId) -> (Vec<String>, [Statement; 2]) {
    let codes: Vec<String> = (0..RECOVERY_CODES)
        .map(|_| second_factor::base32(&platform::entropy::<RECOVERY_BYTES>()).to_lowercase())
        .collect();
    let hashes: Vec<String> = codes.iter().map(|code| crypt::token_hash(code)).collect();
    let shown = codes.iter().map(|code| second_factor::grouped(code)).collect();
    (shown, store::renew_codes(user, &hashes))
}

/// The second factor counts from now on.
pub(crate) struct Confirmed {
    /// Shown this once.
    pub(crate) codes: Vec<String>,
    /// The session with its new token.
    pub(crate) signed_in: SignedIn,
    /// The value of the `Set-Cookie` header.
    pub(crate) cookie: String,
}

/// Takes the first code of the app. All other sessions end, for they came in without it, and this one gets a new token.
pub(crate) async fn confirm(state: &AppState, me: SignedIn, code: &str) -> Result<Confirmed, ApiError> {
    let row: Option<FactorRow> = state.db.first(store::of(&me.user)).await?;
    let row = row.filter(|row| row.confirmed_at.is_none()).ok_or_else(|| {
        ApiError::Conflict(
            "nothing_begun",
            "There is nothing to confirm; begin again.".to_owned(),
        )
    })?;
    let Some(Typed::Code(code)) = Typed::read(code) else {
        return Err(ApiError::invalid("code", "the six digits that the app shows"));
    };
    let now = platform::now();
    let step = second_factor::accept(&open(state, &me.user, &row)?, &code, row.last_step, now)
        .ok_or_else(|| ApiError::invalid("code", "it does not fit; is the clock of the device right?"))?;
    let (codes, renew) = new_codes(&me.user);
    let token = crypt::token(platform::entropy());
    let mut batch = vec![store::confirm(&me.user, step, now)];
    batch.extend(renew);
    batch.push(users::rotate_session(
        &me.token_hash,
        &crypt::token_hash(&token),
        now,
    ));
    end_others(state, &me, batch, "second_factor.set_up").await?;
    Ok(Confirmed {
        codes,
        signed_in: me.renewed(&token),
        cookie: cookie(&token),
    })
}

/// Makes new recovery codes; those before open nothing any more.
pub(crate) async fn renew_codes(state: &AppState, me: &SignedIn) -> Result<Vec<String>, ApiError> {
    if !me.has_factor {
        return Err(ApiError::no_such("second factor"));
    }
    let (codes, renew) = new_codes(&me.user);
    let mut batch: Vec<Statement> = renew.into();
    batch.push(record(&me.user, "second_factor.codes"));
    state.db.batch(batch).await?;
    Ok(codes)
}

/// True where all must have a second factor.
pub(crate) async fn is_required(state: &AppState) -> Result<bool, ApiError> {
    let row: Option<serde_json::Value> = state.db.first(store::required()).await?;
    Ok(row.is_some())
}

/// The last factor is not taken away while all must have one.
pub(super) fn last_factor() -> ApiError {
    ApiError::Conflict(
        "required",
        "Everybody here must have a second factor, and this is your only one: add another first.".to_owned(),
    )
}

/// Takes one's own app away, unless it is the only factor and all must have one.
pub(crate) async fn remove(state: &AppState, me: &SignedIn) -> Result<(), ApiError> {
    let mut batch: Vec<Statement> = store::remove(&me.user).into();
    batch.push(record(&me.user, "second_factor.remove"));
    match state.db.batch(batch).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_null("second_factors.secret") => Err(last_factor()),
        Err(error) => Err(error.into()),
    }
}

/// Says whether all must have one. Who says so has one, or would be the first to be kept out.
pub(crate) async fn require(state: &AppState, caller: &Caller, required: bool) -> Result<(), ApiError> {
    let row: Option<UserRow> = state.db.first(users::by_id(&caller.user)).await?;
    if required && !row.is_some_and(|row| row.has_factor()) {
        return Err(ApiError::Conflict(
            "no_factor",
            "Set up your own second factor first, under Your account.".to_owned(),
        ));
    }
    let action = if required {
        "second_factor.require"
    } else {
        "second_factor.allow_none"
    };
    let record = activity::record(platform::now(), &caller.actor.0, action, "", "");
    state
        .db
        .batch(vec![store::set_required(required), record])
        .await?;
    Ok(())
}
