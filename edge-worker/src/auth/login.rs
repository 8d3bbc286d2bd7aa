//! A login of a device: asked for by a stranger, let in by a person, given to the device once. The key is made when it is
//! let in, and lies encrypted in the `Auth` object until the device asks.

use super::object::{Ask, Reply};
use super::{SignedIn, ask, place};
use crate::access;
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::service::keys::{self, Wanted};
use crate::store::activity;
use axum::http::HeaderMap;
use devflow_domain::access::Scope;
use devflow_domain::login::{Login, Standing, UserCode, offers};

/// A login that waits.
pub(crate) struct Begun {
    /// What the device asks with.
    pub(crate) device_code: String,
    /// What a person compares.
    pub(crate) code: UserCode,
}

/// The place of the encrypted key.
fn context(device: &str) -> String {
    format!("login/{device}")
}

fn odd() -> ApiError {
    ApiError::Internal("the Auth object answered something else about logins".to_owned())
}

/// Lets a login wait. `name` has been checked.
pub(crate) async fn begin(
    state: &AppState,
    headers: &HeaderMap,
    name: &str,
    scope: Option<Scope>,
) -> Result<Begun, ApiError> {
    let (device_code, place) = (crypt::token(platform::entropy()), place::of(headers));
    // Two that wait have the same code once in 25 milliards: then another one is taken.
    for _ in 0..3 {
        let Some(code) = UserCode::new(platform::entropy()) else {
            continue;
        };
        let login = Login {
            device: crypt::token_hash(&device_code),
            code: code.clone(),
            name: name.to_owned(),
            scope,
            address: place.address.clone(),
            country: place.country.clone(),
            at: platform::now(),
        };
        match ask(state, &Ask::AddLogin { login }).await? {
            Reply::Done => return Ok(Begun { device_code, code }),
            Reply::None => {}
            Reply::Wait { seconds } => return Err(ApiError::RateLimited(seconds)),
            _ => return Err(odd()),
        }
    }
    Err(ApiError::Unavailable("no code was free for a login".to_owned()))
}

/// What the device gets that asks: its key, this once.
pub(crate) async fn collect(state: &AppState, device_code: &str) -> Result<String, ApiError> {
    let device = crypt::token_hash(device_code);
    let asked = Ask::CollectLogin {
        device: device.clone(),
    };
    let Reply::Standing { standing } = ask(state, &asked).await? else {
        return Err(odd());
    };
    let not_yet = |code, text: &str| Err(ApiError::Unreadable(code, text.to_owned()));
    match standing {
        Standing::Key(sealed) => {
            let key = state.config.data_key.decrypt(&context(&device), &sealed)?;
            String::from_utf8(key).map_err(|error| ApiError::Internal(error.to_string()))
        }
        Standing::Pending => not_yet(
            "authorization_pending",
            "Nobody has let this login in yet; ask again.",
        ),
        Standing::SlowDown => not_yet("slow_down", "Too early; wait 5 s longer each time from now on."),
        Standing::Refused => not_yet("access_denied", "The login was refused in the browser."),
        Standing::Over => not_yet(
            "expired_token",
            "The login is over: it waits for 10 minutes, and gives its key once. Begin again.",
        ),
    }
}

fn unknown() -> ApiError {
    ApiError::NotFound(
        "No login waits with this code: it was mistyped, is older than 10 minutes, or was answered already."
            .to_owned(),
    )
}

async fn find(state: &AppState, signed_in: &SignedIn, typed: &str) -> Result<Login, ApiError> {
    let found = match UserCode::read(typed) {
        Some(code) => ask(state, &Ask::OpenLogin { code }).await?,
        None => Reply::None,
    };
    match found {
        Reply::Login { login } => Ok(login),
        Reply::None => {
            // So that nobody finds the logins of others by trying.
            access::count_wrong_code(state, &signed_in.user).await?;
            Err(unknown())
        }
        _ => Err(odd()),
    }
}

/// The login that waits with a code, and what scopes that person can give it: none where their rights are not enough.
pub(crate) async fn waiting(
    state: &AppState,
    signed_in: &SignedIn,
    typed: &str,
) -> Result<(Login, Vec<Scope>), ApiError> {
    let login = find(state, signed_in, typed).await?;
    let offered = offers(&signed_in.access.0, login.scope);
    Ok((login, offered))
}

/// Lets a device in with a key of that person; gives its name.
pub(crate) async fn allow(
    state: &AppState,
    signed_in: &SignedIn,
    typed: &str,
    scope: Scope,
    days: u16,
) -> Result<String, ApiError> {
    let (login, offered) = waiting(state, signed_in, typed).await?;
    if !offered.contains(&scope) {
        return Err(ApiError::Forbidden(
            "not_enough_rights",
            "Your role does not cover what this device asks for; ask somebody who may, or log in again for less.".to_owned(),
        ));
    }
    let wanted = Wanted {
        name: login.name.clone(),
        scope,
        days: Some(days),
        projects: None,
    };
    let made = keys::create_as(state, signed_in, &wanted, "key.login").await?;
    let data_key = &state.config.data_key;
    let sealed = data_key.encrypt(
        &context(&login.device),
        made.token.as_bytes(),
        platform::entropy(),
    );
    let answer = Ask::AnswerLogin {
        code: login.code,
        key: Some(sealed),
    };
    if let Reply::Done = ask(state, &answer).await? {
        return Ok(login.name);
    }
    // Answered elsewhere at the same moment: this key reaches nobody.
    keys::revoke(state, signed_in, &made.row.id).await?;
    Err(unknown())
}

/// Says no to a device; gives its name.
pub(crate) async fn refuse(state: &AppState, signed_in: &SignedIn, typed: &str) -> Result<String, ApiError> {
    let login = find(state, signed_in, typed).await?;
    let answer = Ask::AnswerLogin {
        code: login.code,
        key: None,
    };
    let Reply::Done = ask(state, &answer).await? else {
        return Err(unknown());
    };
    let told = activity::record(
        platform::now(),
        &signed_in.actor().0,
        "key.login_refused",
        "",
        &login.name,
    );
    state.db.run(told).await?;
    Ok(login.name)
}
