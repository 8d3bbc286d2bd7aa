//! Logins of devices, in the shape of RFC 8628: what `devflow login` asks. A person lets them in on the page `/device`.

use crate::access::{Door, Needs, Routes};
use crate::answer::Created;
use crate::app::AppState;
use crate::auth::login;
use crate::error::ApiError;
use crate::extract::Json as Body;
use crate::service::check_name;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use devflow_domain::access::Scope;
use devflow_domain::login::{INTERVAL_MS, NAME_CHARS, WAITS_MS};
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::POST,
            "/api/v1/logins",
            Needs::Open(Door::Anybody),
            "Begin a login of a device, which a person lets in with a browser (RFC 8628)",
            begin,
        )
        .api(
            Method::POST,
            "/api/v1/logins/token",
            Needs::Open(Door::Token),
            "Collect the key of a login, once it is let in: until then 400 with `authorization_pending` or `slow_down`, at \
             the end `access_denied` or `expired_token`",
            collect,
        )
}

/// A device that wants to log in.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewLogin {
    /// What the device is called, 1 to 50 characters: the person sees it, and the key gets it.
    name: String,
    /// What the key has to be good for; without it what the person may.
    scope: Option<Scope>,
}

/// A login that waits.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LoginBegun {
    /// What the device asks with; a secret.
    device_code: String,
    /// What the person compares.
    user_code: String,
    /// Where the person goes.
    verification_uri: String,
    /// The same with the code in it.
    verification_uri_complete: String,
    /// How long it waits, in seconds.
    expires_in: i64,
    /// Seconds between two questions.
    interval: i64,
}

#[worker::send]
async fn begin(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(new): Body<NewLogin>,
) -> Result<Created<LoginBegun>, ApiError> {
    let name = check_name(&new.name, NAME_CHARS, "name the device with 1 to 50 characters")?;
    let begun = login::begin(&state, &headers, name, new.scope).await?;
    let page = format!("{}/device", state.config.public_origin);
    Ok(Created(LoginBegun {
        device_code: begun.device_code,
        verification_uri_complete: format!("{page}?code={}", begun.code),
        verification_uri: page,
        user_code: begun.code.to_string(),
        expires_in: WAITS_MS / 1_000,
        interval: INTERVAL_MS / 1_000,
    }))
}

/// What a device asks with.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct DeviceCode {
    device_code: String,
}

/// The key of a login, shown this once.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct LoginKey {
    token: String,
}

#[worker::send]
async fn collect(
    State(state): State<AppState>,
    Body(code): Body<DeviceCode>,
) -> Result<Json<LoginKey>, ApiError> {
    let token = login::collect(&state, &code.device_code).await?;
    Ok(Json(LoginKey { token }))
}
