//! Adding a passkey, giving it a name, and taking it away.

use super::answer::{Answer, Made};
use super::challenge::{Challenge, For};
use super::options;
use crate::app::AppState;
use crate::auth::account::end_others;
use crate::auth::second::{last_factor, new_codes};
use crate::auth::{SignedIn, cookie};
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::passkeys::{self as store, NewPasskey, PasskeyRow};
use crate::store::{Statement, StoreError, activity, second_factors, users};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use devflow_domain::passkey::{self, Expected, MAX_KEYS, NAME_CHARS, NewKey, Registration};
use devflow_protocol::PasskeyId;
use serde_json::Value;

fn adding(me: &SignedIn) -> For {
    For::Adding {
        login: me.login.clone(),
    }
}

/// One's own, oldest first.
pub(crate) async fn list(state: &AppState, me: &SignedIn) -> Result<Vec<PasskeyRow>, ApiError> {
    Ok(state.db.all(store::of(&me.user)).await?)
}

/// One of one's own.
pub(crate) async fn own(state: &AppState, me: &SignedIn, id: &PasskeyId) -> Result<PasskeyRow, ApiError> {
    let rows = list(state, me).await?;
    let found = rows.into_iter().find(|row| row.id == *id);
    found.ok_or_else(|| ApiError::no_such("passkey"))
}

fn too_many() -> ApiError {
    ApiError::Conflict(
        "too_many",
        format!("You have {MAX_KEYS} passkeys, which is the most; remove one first."),
    )
}

/// What is asked of a browser that is to make a passkey.
pub(crate) async fn ask_new(state: &AppState, me: &SignedIn) -> Result<Value, ApiError> {
    let rows = list(state, me).await?;
    if rows.len() >= MAX_KEYS {
        return Err(too_many());
    }
    options::create(state, &Challenge::new(adding(me)), (&me.user, &me.email), &rows)
}

/// A passkey that counts from now on.
pub(crate) struct Added {
    /// Recovery codes, shown this once: where it is the first factor.
    pub(crate) codes: Option<Vec<String>>,
    /// The session with its new token.
    pub(crate) signed_in: SignedIn,
    /// The value of the `Set-Cookie` header.
    pub(crate) cookie: String,
}

fn record(me: &SignedIn, action: &str, name: &str) -> Statement {
    let user = me.user.as_str();
    activity::record(platform::now(), user, action, user, name)
}

/// Checks a new key; a refusal goes on record.
async fn check(
    state: &AppState,
    me: &SignedIn,
    challenge: &Challenge,
    made: &Made,
) -> Result<NewKey, ApiError> {
    let expected = Expected {
        challenge: &challenge.bytes,
        origin: &state.config.public_origin,
        host: &options::host(state)?,
        verified: false,
    };
    let registration = Registration {
        client_data: &made.response.client_data.0,
        attestation_object: &made.response.attestation_object.0,
    };
    match passkey::register(&expected, &registration) {
        Ok(key) => Ok(key),
        Err(refusal) => {
            let why = refusal.to_string();
            state.db.run(record(me, "passkey.refused", &why)).await?;
            Err(ApiError::invalid("passkey", format!("it was not taken: {why}")))
        }
    }
}

fn not_added(error: StoreError) -> ApiError {
    if error.is_refusal(store::TOO_MANY) {
        return too_many();
    }
    if error.is_duplicate("passkeys.credential") {
        return ApiError::Conflict("known", "This key is somebody's passkey here already.".to_owned());
    }
    if error.is_duplicate("spent_challenges.hash") {
        return ApiError::Conflict("known", "This key was added a moment ago.".to_owned());
    }
    error.into()
}

/// Adds a passkey, and gives this session a new token. Where it is the first factor, all other sessions end, for they
/// came in without it, and there are recovery codes.
pub(crate) async fn add(
    state: &AppState,
    me: SignedIn,
    name: &str,
    answer: &Answer,
) -> Result<Added, ApiError> {
    let name = check_passkey_name(name)?;
    let challenge = Challenge::open_for(state, &answer.state, &adding(&me))?;
    let made: Made = answer.read()?;
    let key = check(state, &me, &challenge, &made).await?;
    let (now, token) = (platform::now(), crypt::token(platform::entropy()));
    let new = NewPasskey {
        id: &platform::new_id(PasskeyId::new),
        user: &me.user,
        name,
        credential: &URL_SAFE_NO_PAD.encode(&key.credential),
        public_key: &URL_SAFE_NO_PAD.encode(&key.public_key),
        discoverable: made.discoverable(),
        transports: &made.transports(),
        key: &key,
        now,
    };
    let mut batch = vec![
        challenge.spend(),
        store::insert(&new),
        users::rotate_session(&me.token_hash, &crypt::token_hash(&token), now),
        record(&me, "passkey.add", name),
    ];
    let codes = if me.has_factor {
        state.db.batch(batch).await.map_err(not_added)?;
        None
    } else {
        let (codes, renew) = new_codes(&me.user);
        batch.extend(renew);
        end_others(state, &me, batch, "session.revoke_others")
            .await
            .map_err(not_added)?;
        Some(codes)
    };
    Ok(Added {
        codes,
        signed_in: me.renewed(&token),
        cookie: cookie(&token),
    })
}

fn check_passkey_name(name: &str) -> Result<&str, ApiError> {
    crate::service::check_name(name, NAME_CHARS, "1 to 60 characters in one line")
}

/// Gives one's own passkey another name, where it is as `seen` accepts.
pub(crate) async fn rename(
    state: &AppState,
    me: &SignedIn,
    id: &PasskeyId,
    seen: impl Fn(&PasskeyRow) -> Result<(), ApiError>,
    name: &str,
) -> Result<PasskeyRow, ApiError> {
    let name = check_passkey_name(name)?;
    let row = own(state, me, id).await?;
    seen(&row)?;
    let (user, detail) = (me.user.as_str(), format!("{} → {name}", row.name));
    let batch = vec![
        store::rename(&me.user, id, &row.name, name),
        activity::record_if_changed(platform::now(), user, "passkey.rename", user, &detail),
    ];
    let answers = state.db.batch(batch).await?;
    if answers.first().is_none_or(|answer| answer.changes() == 0) {
        return Err(ApiError::PreconditionFailed("passkey"));
    }
    Ok(PasskeyRow {
        name: name.to_owned(),
        ..row
    })
}

/// Takes one's own passkey away, unless it is the only factor and all must have one.
pub(crate) async fn remove(state: &AppState, me: &SignedIn, id: &PasskeyId) -> Result<(), ApiError> {
    let row = own(state, me, id).await?;
    let mut batch: Vec<Statement> = store::delete(&me.user, id).into();
    batch.push(second_factors::forget_codes(&me.user));
    batch.push(record(me, "passkey.remove", &row.name));
    match state.db.batch(batch).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_null("passkeys.name") => Err(last_factor()),
        Err(error) => Err(error.into()),
    }
}
