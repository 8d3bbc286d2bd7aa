//! Using a passkey: signing in with it alone or after the password, and as a proof in a session.

use super::answer::{Answer, Given};
use super::challenge::{Challenge, For};
use super::options;
use crate::app::AppState;
use crate::auth::second::{self, password_tag};
use crate::auth::{SignedIn, request_cookie, start_session};
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::activity;
use crate::store::passkeys::{self as store, PasskeyRow};
use crate::store::users::{self, UserRow};
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use devflow_domain::passkey::{self, Assertion, CHALLENGE_MS, Expected, Known, Purpose, Refusal, Used};
use devflow_protocol::UserId;
use serde_json::Value;

/// The cookie that binds a challenge to the browser of somebody who is not known yet.
const COOKIE: &str = "__Host-passkey";

/// Characters of a token.
const TOKEN_CHARS: usize = 43;

fn cookie(token: &str) -> String {
    let max_age = CHALLENGE_MS / 1_000;
    format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={max_age}")
}

/// What is asked of a browser whose person is to sign in with a passkey alone, and the value of a `Set-Cookie` header.
/// A browser keeps the cookie that it has, so that two tabs do not end each other's challenge.
pub(crate) fn ask_alone(state: &AppState, headers: &HeaderMap) -> Result<(Value, String), ApiError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let ours = |token: &String| token.len() == TOKEN_CHARS && token.bytes().all(letter);
    let token = request_cookie(headers, COOKIE)
        .filter(ours)
        .unwrap_or_else(|| crypt::token(platform::entropy()));
    let challenge = Challenge::new(For::Alone {
        browser: crypt::token_hash(&token),
    });
    Ok((options::get(state, &challenge, "required", &[])?, cookie(&token)))
}

/// What is asked after the password.
pub(crate) async fn ask_after_password(state: &AppState, step: &str) -> Result<Value, ApiError> {
    let user = second::open_step(state, step).await?;
    let rows: Vec<PasskeyRow> = state.db.all(store::of(&user.id)).await?;
    let challenge = Challenge::new(For::AfterPassword {
        password: password_tag(&user),
        user: user.id,
    });
    options::get(state, &challenge, "discouraged", &rows)
}

/// What is asked as a proof.
pub(crate) async fn ask_proof(state: &AppState, me: &SignedIn) -> Result<Value, ApiError> {
    let rows: Vec<PasskeyRow> = state.db.all(store::of(&me.user)).await?;
    let challenge = Challenge::new(proving(me));
    options::get(state, &challenge, "preferred", &rows)
}

fn proving(me: &SignedIn) -> For {
    For::Proving {
        login: me.login.clone(),
    }
}

/// Signs in with a passkey, alone or after the password; gives the values of the `Set-Cookie` headers.
pub(crate) async fn sign_in(
    state: &AppState,
    headers: &HeaderMap,
    answer: &Answer,
) -> Result<Vec<String>, ApiError> {
    let challenge = Challenge::open(state, &answer.state)?;
    let (purpose, user) = match &challenge.purpose {
        For::Alone { browser } => {
            let token = request_cookie(headers, COOKIE).unwrap_or_default();
            if !crypt::same(browser, &crypt::token_hash(&token)) {
                return Err(refused("it was asked for in another browser"));
            }
            (Purpose::Alone, None)
        }
        For::AfterPassword { user, password } => {
            let row: Option<UserRow> = state.db.first(users::by_id(user)).await?;
            row.filter(|row| password_tag(row) == *password)
                .ok_or_else(second::too_late)?;
            (Purpose::AfterPassword, Some(user))
        }
        For::Adding { .. } | For::Proving { .. } => return Err(second::too_late()),
    };
    let attempt = Attempt {
        challenge: &challenge,
        purpose,
        user,
        actor: activity::STRANGER,
    };
    let row = attempt.check(state, answer).await?;
    start_session(state, headers, &row.user).await
}

/// Takes a passkey as a proof of who is signed in.
pub(crate) async fn prove(state: &AppState, me: &SignedIn, answer: &Answer) -> Result<(), ApiError> {
    let challenge = Challenge::open_for(state, &answer.state, &proving(me))?;
    let attempt = Attempt {
        challenge: &challenge,
        purpose: Purpose::Proof,
        user: Some(&me.user),
        actor: me.user.as_str(),
    };
    attempt.check(state, answer).await.map(drop)
}

fn refused(why: impl std::fmt::Display) -> ApiError {
    ApiError::Unauthenticated("passkey_refused", format!("The passkey was not taken: {why}."))
}

/// Somebody who answers a challenge.
struct Attempt<'a> {
    challenge: &'a Challenge,
    purpose: Purpose,
    /// Whose passkey it has to be, where that is known.
    user: Option<&'a UserId>,
    /// Who it is on record: before the passkey fits, nobody knows who signs in.
    actor: &'a str,
}

impl Attempt<'_> {
    /// Checks the answer, and spends the challenge. Refusals go on record at the account that it is about.
    async fn check(&self, state: &AppState, answer: &Answer) -> Result<PasskeyRow, ApiError> {
        let given: Given = answer.read()?;
        let credential = URL_SAFE_NO_PAD.encode(&given.id.0);
        let row: Option<PasskeyRow> = state.db.first(store::by_credential(&credential)).await?;
        let account = self.user.or(row.as_ref().map(|row| &row.user)).cloned();
        let used = match &row {
            None => Err("it is not known here, or was taken away".to_owned()),
            Some(row) if !self.fits(row, &given) => Err("it belongs to another account".to_owned()),
            Some(_) if self.user.is_none() && given.response.user_handle.is_none() => {
                Err("it follows the password only".to_owned())
            }
            Some(row) => self
                .verify(state, row, &given)
                .map_err(|refusal| refusal.to_string()),
        };
        let taken = match (used, row) {
            (Ok(used), Some(row)) => self.spend(state, row, used).await?,
            (Err(why), _) => Err(why),
            (Ok(_), None) => return Err(ApiError::Internal("a passkey without a row".to_owned())),
        };
        match (taken, account) {
            (Ok(row), _) => Ok(row),
            (Err(why), None) => Err(refused(why)),
            (Err(why), Some(account)) => {
                let now = platform::now();
                let record = activity::record(now, self.actor, "passkey.refused", account.as_str(), &why);
                state.db.run(record).await?;
                Err(refused(why))
            }
        }
    }

    /// Whether it is of whoever tries, where that is known, and of whom it says itself, where it says so.
    fn fits(&self, row: &PasskeyRow, given: &Given) -> bool {
        let handle = given.response.user_handle.as_ref();
        self.user.is_none_or(|user| *user == row.user)
            && handle.is_none_or(|handle| handle.0 == row.user.as_str().as_bytes())
    }

    fn verify(&self, state: &AppState, row: &PasskeyRow, given: &Given) -> Result<Used, Refusal> {
        let origin = &state.config.public_origin;
        let host = passkey::host_of(origin).ok_or(Refusal::Host)?;
        let public_key = URL_SAFE_NO_PAD
            .decode(&row.public_key)
            .map_err(|_| Refusal::Unreadable("public key"))?;
        let known = Known {
            public_key: &public_key,
            sign_count: row.sign_count,
            backup_eligible: row.backup_eligible != 0,
        };
        let expected = Expected {
            challenge: &self.challenge.bytes,
            origin,
            host: &host,
            verified: passkey::needs_person(self.purpose, row.verified != 0),
        };
        let response = &given.response;
        let assertion = Assertion {
            client_data: &response.client_data.0,
            authenticator_data: &response.authenticator_data.0,
            signature: &response.signature.0,
        };
        passkey::assert(&known, &expected, &assertion)
    }

    /// Spends the challenge and notes the use; says why where either was done meanwhile.
    async fn spend(
        &self,
        state: &AppState,
        row: PasskeyRow,
        used: Used,
    ) -> Result<Result<PasskeyRow, String>, ApiError> {
        let now = platform::now();
        let person = row.user.as_str();
        let batch = vec![
            self.challenge.spend(),
            store::touch(&row.id, used, now),
            activity::record(now, person, "passkey.use", person, &row.name),
        ];
        match state.db.batch(batch).await {
            Ok(answers) if answers.get(1).is_some_and(|answer| answer.changes() > 0) => Ok(Ok(row)),
            Ok(_) => Ok(Err("it was taken away meanwhile".to_owned())),
            Err(error) if error.is_duplicate("spent_challenges.hash") => {
                Ok(Err("it was taken before".to_owned()))
            }
            Err(error) if error.is_null("passkeys.sign_count") => {
                Ok(Err("it was used elsewhere at the same moment".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}
