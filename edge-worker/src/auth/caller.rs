//! Extractors for who asks. A handler without one of them answers everybody.

use super::{COOKIE, KEY_PREFIX};
use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::users::{self, CallerRow};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use devflow_protocol::UserId;
use worker::send::SendFuture;

/// Whose name an action is recorded under.
#[derive(Clone, Debug)]
pub(crate) struct Actor(pub(crate) String);

/// A person in a browser, for pages. Without a session the browser is sent to the sign-in page. What a form changes
/// has to come as [`crate::extract::CsrfForm`].
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: UserId,
    pub(crate) email: String,
    /// The session's id, which is not its token.
    pub(crate) login: String,
    pub(crate) token_hash: String,
    /// What forms carry in the field `_csrf`, and scripts in the header `x-csrf-token`.
    pub(crate) csrf: String,
}

impl SignedIn {
    /// Whose name an action is recorded under.
    pub(crate) fn actor(&self) -> Actor {
        Actor(self.user.to_string())
    }
}

/// The value of the session's cookie.
fn session_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
        .filter(|token| token.len() <= 128)
}

impl SignedIn {
    /// The session of a request, if it has one that holds.
    pub(crate) async fn of(state: &AppState, headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(token) = session_token(headers) else {
            return Ok(None);
        };
        let (hash, now) = (crypt::token_hash(&token), platform::now());
        let Some(row) = state.db.first::<CallerRow>(users::session(&hash, now)).await? else {
            return Ok(None);
        };
        if now.since(row.seen_at) > users::SEEN_STEP_MS {
            state.db.run(users::touch_session(&hash, now)).await?;
        }
        let csrf = crypt::csrf_token(&token);
        Ok(Some(Self {
            user: row.user,
            email: row.email,
            login: row.id,
            token_hash: hash,
            csrf,
        }))
    }
}

/// Sends a browser to the sign-in page, or tells why the question could not be answered.
#[derive(Debug)]
pub(crate) enum NotSignedIn {
    /// To the sign-in page, and from there back to this path.
    SignIn(String),
    /// The question could not be answered.
    Failed(ApiError),
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(back) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, sign_in_path(&back))]).into_response()
            }
            Self::Failed(error) => error.into_response(),
        }
    }
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

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, NotSignedIn> {
        let found = SendFuture::new(Self::of(state, &parts.headers))
            .await
            .map_err(NotSignedIn::Failed)?;
        found.ok_or_else(|| {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let back = if parts.method == Method::GET { path } else { "/" };
            NotSignedIn::SignIn(back.to_owned())
        })
    }
}

/// A caller of the JSON API: an API key, or a session with its CSRF token in `x-csrf-token`.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) actor: Actor,
}

impl Caller {
    async fn of(state: &AppState, method: &Method, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            let token = token.filter(|token| token.starts_with(KEY_PREFIX) && token.len() <= 128);
            let row = match token {
                Some(token) => {
                    state
                        .db
                        .first::<CallerRow>(users::key(&crypt::token_hash(token)))
                        .await?
                }
                None => None,
            };
            let row = row.ok_or_else(|| {
                ApiError::Unauthenticated(
                    "wrong_key",
                    "The API key is not known; make a new one.".to_owned(),
                )
            })?;
            return Ok(Self { actor: Actor(row.id) });
        }
        let Some(signed_in) = SignedIn::of(state, headers).await? else {
            return Err(ApiError::Unauthenticated(
                "unauthenticated",
                "Send an API key as `authorization: Bearer dfp_…`, or sign in.".to_owned(),
            ));
        };
        let safe = matches!(*method, Method::GET | Method::HEAD);
        if !safe {
            check_csrf(&signed_in, header_token(headers).as_deref())?;
        }
        Ok(Self {
            actor: signed_in.actor(),
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

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        SendFuture::new(Self::of(state, &parts.method, &parts.headers)).await
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
