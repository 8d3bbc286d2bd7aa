//! The mark of a device on which somebody signed in before: a cookie that says so, made out by the data key. It lets
//! nobody in; its failures are only counted apart, so that those of strangers lock nobody out of their own device.

use crate::app::AppState;
use crate::crypt;
use crate::platform;
use axum::http::HeaderMap;
use devflow_protocol::UserId;

const COOKIE: &str = "__Host-device";
/// A year, in seconds.
const MAX_AGE_S: i64 = 31_536_000;

fn context(user: &UserId) -> String {
    format!("device/{user}")
}

/// The mark that the request carries, where it is one of that person.
pub(super) fn known(state: &AppState, headers: &HeaderMap, user: &UserId) -> Option<String> {
    let mark = super::caller::request_cookie(headers, COOKIE)?;
    let plain = state.config.data_key.decrypt(&context(user), &mark).ok()?;
    String::from_utf8(plain).ok()
}

/// The value of a `Set-Cookie` header that marks the device, or keeps its mark.
pub(super) fn mark(state: &AppState, headers: &HeaderMap, user: &UserId) -> String {
    let name = known(state, headers, user).unwrap_or_else(|| crypt::token(platform::entropy()));
    let sealed = state
        .config
        .data_key
        .encrypt(&context(user), name.as_bytes(), platform::entropy());
    format!("{COOKIE}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE_S}")
}
