//! Who asks: found out once, by the guard of [`crate::access`]; handlers take it from there.

use super::{COOKIE, KEY_PREFIX};
use crate::access::Access;
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::StoreError;
use crate::store::users::{self, KeyCallerRow, SessionCallerRow};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use devflow_domain::moment::calendar;
use devflow_protocol::{UnixMillis, UserId};

/// Whose name an action is recorded under.
#[derive(Clone, Debug)]
pub(crate) struct Actor(pub(crate) String);

/// A person in a browser, for pages. What a form changes has to come as [`crate::extract::CsrfForm`].
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: UserId,
    pub(crate) email: String,
    /// The session's id, which is not its token.
    pub(crate) login: String,
    pub(crate) token_hash: String,
    /// When the session is over unless it is used again.
    pub(crate) ends_at: UnixMillis,
    /// What forms carry in the field `_csrf`, and scripts in the header `x-csrf-token`.
    pub(crate) csrf: String,
    /// They have a second factor.
    pub(crate) has_factor: bool,
    /// What they may do.
    pub(crate) access: Access,
}

impl SignedIn {
    /// The same session with a new token.
    pub(super) fn renewed(self, token: &str) -> Self {
        Self {
            token_hash: crypt::token_hash(token),
            csrf: crypt::csrf_token(token),
            ..self
        }
    }

    /// Whose name an action is recorded under.
    pub(crate) fn actor(&self) -> Actor {
        Actor(self.user.to_string())
    }

    /// The same for what the API and the pages both do.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            actor: self.actor(),
            user: self.user.clone(),
            login: self.login.clone(),
            access: self.access.clone(),
        }
    }
}

/// The value of a cookie.
pub(crate) fn request_cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value.to_owned())
}

/// The value of the session's cookie.
fn session_token(headers: &HeaderMap) -> Option<String> {
    request_cookie(headers, COOKIE).filter(|token| token.len() <= 128)
}

impl SignedIn {
    /// The session of a request, if it has one that holds.
    pub(crate) async fn of(state: &AppState, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(token) = session_token(headers) else {
            return Ok(None);
        };
        let (hash, now) = (crypt::token_hash(&token), platform::now());
        let Some(row) = state
            .db
            .first::<SessionCallerRow>(users::session(&hash, now))
            .await?
        else {
            return Ok(None);
        };
        let access = Access(row.grants(now)?);
        let (has_factor, row) = (row.has_factor != 0, row.caller);
        if now.since(row.seen_at) > users::SEEN_STEP_MS {
            let touch = users::touch_session(&hash, &super::place::of(headers), now);
            state.db.run(touch).await?;
        }
        let csrf = crypt::csrf_token(&token);
        Ok(Some(Self {
            ends_at: row.ends_at(),
            user: row.user,
            email: row.email,
            login: row.id,
            token_hash: hash,
            csrf,
            has_factor,
            access,
        }))
    }
}

/// Sends a browser to the sign-in page, and from there back.
pub(crate) fn not_signed_in(request: &Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let back = if request.method() == Method::GET {
        path
    } else {
        "/"
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, sign_in_path(back))]).into_response()
}

fn sign_in_path(back: &str) -> String {
    if back == "/" {
        return "/sign-in".to_owned();
    }
    let encoded: String = back
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("/sign-in?next={encoded}")
}

/// What the guard found out about who asks. A route that needs nobody has none of it.
fn from_guard<T: Clone + Send + Sync + 'static>(parts: &Parts) -> Result<T, ApiError> {
    let found = parts.extensions.get::<T>().cloned();
    found.ok_or_else(|| ApiError::Internal(format!("{} asks who it is, and is open", parts.uri.path())))
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        from_guard(parts)
    }
}

/// Whoever asks, with what they may do: an API key, or a session.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
    /// The person behind it.
    pub(crate) user: UserId,
    /// The id of the session, or of the key.
    pub(crate) login: String,
    pub(crate) access: Access,
}

impl Caller {
    /// The caller of an API key. An error says whose key it was, where that is known.
    pub(crate) async fn of_key(
        state: &AppState,
        headers: &HeaderMap,
    ) -> Result<Self, (Option<Actor>, ApiError)> {
        let value = headers.get(header::AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .filter(|token| token.starts_with(KEY_PREFIX) && token.len() <= 128);
        let unknown = || {
            let error = ApiError::Unauthenticated(
                "wrong_key",
                "The API key is not known, or was revoked; make a new one on the page “API keys”.".to_owned(),
            );
            (None, error)
        };
        let failed = |error: StoreError| (None, error.into());
        let (hash, now) = (crypt::token_hash(token.ok_or_else(unknown)?), platform::now());
        let row: Option<KeyCallerRow> = state.db.first(users::key(&hash)).await.map_err(failed)?;
        let row = row.ok_or_else(unknown)?;
        if let Some((name, end)) = row.over(now) {
            let error = ApiError::Unauthenticated(
                "key_expired",
                format!(
                    "The API key “{name}” ended on {}; make a new one on the page “API keys”.",
                    calendar(end).0
                ),
            );
            return Err((Some(Actor(row.caller.id.clone())), error));
        }
        if row.is_unseen(now) {
            let touched = state.db.run(users::touch_key(&hash, now)).await;
            touched.map_err(failed)?;
        }
        Ok(Self {
            access: Access(row.grants().map_err(failed)?),
            actor: Actor(row.caller.id.clone()),
            login: row.caller.id,
            user: row.caller.user,
        })
    }
}

/// The CSRF token in the request's header.
pub(crate) fn header_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get("x-csrf-token")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Refuses a request whose token is not the session's.
pub(crate) fn check_csrf(signed_in: &SignedIn, token: Option<&str>) -> Result<(), ApiError> {
    if token.is_some_and(|token| crypt::same(token, &signed_in.csrf)) {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "csrf",
        "The form is out of date; load the page again and send it once more.".to_owned(),
    ))
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        from_guard(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn session_token_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("theme=dark; __Host-devflow=abc; x=y"),
        );
        assert_eq!(session_token(&headers), Some("abc".to_owned()));
        assert_eq!(session_token(&HeaderMap::new()), None);
    }

    #[test]
    fn sign_in_path_cannot_lead_elsewhere() {
        assert_eq!(sign_in_path("/"), "/sign-in");
        assert_eq!(
            sign_in_path("/projects/a?x=1&y"),
            "/sign-in?next=/projects/a%3Fx%3D1%26y"
        );
    }
}
