//! Extractors that answer with problem details: bodies with a size cap, ids, cursors, forms with their CSRF token.

use crate::app::AppState;
use crate::auth::SignedIn;
use crate::error::ApiError;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use devflow_domain::etag;
use devflow_protocol::limits::REQUEST_BODY_BYTES;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use worker::send::SendFuture;

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(ApiError::TooLarge(limit));
    }
    SendFuture::new(to_bytes(body, limit)).await.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|cause| cause.to_string().contains("limit"))
            || error.to_string().contains("limit");
        if too_large {
            ApiError::TooLarge(limit)
        } else {
            ApiError::Unreadable(
                "unreadable_body",
                "The body ended before it was whole; send it again.".to_owned(),
            )
        }
    })
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// A JSON body. Unknown fields are refused where the type says so, which all of the API do.
pub(crate) struct Json<T>(pub(crate) T);

/// Reads JSON; tells broken JSON from JSON that is not what is expected.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ApiError::invalid("body", error.to_string()),
        _ => ApiError::Unreadable("invalid_json", format!("The body is not JSON: {error}.")),
    })
}

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if !media_type(&parts.headers).eq_ignore_ascii_case("application/json") {
            return Err(ApiError::UnsupportedMedia("application/json"));
        }
        let bytes = read_body(&parts.headers, body, REQUEST_BODY_BYTES).await?;
        Ok(Self(parse_json(&bytes)?))
    }
}

/// A JSON body that may be missing altogether.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<AppState> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, REQUEST_BODY_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !media_type(&parts.headers).eq_ignore_ascii_case("application/json") {
            return Err(ApiError::UnsupportedMedia("application/json"));
        }
        Ok(Self(parse_json(&bytes)?))
    }
}

/// A form of a signed-in person, with the session's CSRF token in the field `_csrf` or `csrf` or in the header
/// `x-csrf-token`. `T` gets the other fields.
pub(crate) struct CsrfForm<T> {
    pub(crate) signed_in: SignedIn,
    pub(crate) form: T,
}

impl<T: DeserializeOwned> FromRequest<AppState> for CsrfForm<T> {
    type Rejection = axum::response::Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state)
            .await
            .map_err(axum::response::IntoResponse::into_response)?;
        let form = csrf_form(&parts.headers, body, &signed_in)
            .await
            .map_err(axum::response::IntoResponse::into_response)?;
        Ok(Self { signed_in, form })
    }
}

async fn csrf_form<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    signed_in: &SignedIn,
) -> Result<T, ApiError> {
    let bytes = read_body(headers, body, REQUEST_BODY_BYTES).await?;
    if !bytes.is_empty() && !media_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(ApiError::UnsupportedMedia("application/x-www-form-urlencoded"));
    }
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&bytes).into_owned().collect();
    let (tokens, fields): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|(name, _)| name == "_csrf" || name == "csrf");
    let token = tokens.into_iter().next().map(|(_, token)| token);
    let token = token.or_else(|| crate::auth::header_token(headers));
    crate::auth::check_csrf(signed_in, token.as_deref())?;
    let encoded = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    serde_urlencoded::from_str(&encoded).map_err(|error| ApiError::invalid("form", error.to_string()))
}

/// A form of somebody who is not signed in, with the request's headers. What it does must not need a session.
pub(crate) async fn form<T: DeserializeOwned>(request: Request) -> Result<(HeaderMap, T), ApiError> {
    let (parts, body) = request.into_parts();
    if !media_type(&parts.headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(ApiError::UnsupportedMedia("application/x-www-form-urlencoded"));
    }
    let bytes = read_body(&parts.headers, body, REQUEST_BODY_BYTES).await?;
    let form =
        serde_urlencoded::from_bytes(&bytes).map_err(|error| ApiError::invalid("form", error.to_string()))?;
    Ok((parts.headers, form))
}

/// The one id in a path. What is no id of the kind is simply not there.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr> FromRequestParts<AppState> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let missing = || ApiError::NotFound("There is nothing of that id.".to_owned());
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| missing())?;
        text.parse().map(Self).map_err(|_| missing())
    }
}

/// A query string. Unknown fields are refused where the type says so.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|error| ApiError::invalid("query", error.to_string()))
    }
}

/// The condition of a change: the header `If-Match`.
pub(crate) struct IfMatch(Option<String>);

impl IfMatch {
    /// True where the change is to be made whatever is there.
    pub(crate) fn is_missing(&self) -> bool {
        self.0.is_none()
    }

    /// Refuses where the caller saw another version of `what` than `version`. Without the header nothing is refused.
    pub(crate) fn check(&self, what: &'static str, version: impl std::fmt::Display) -> Result<(), ApiError> {
        let Some(header) = &self.0 else {
            return Ok(());
        };
        match etag::matches(header, &etag::of(version)) {
            Some(true) => Ok(()),
            Some(false) => Err(ApiError::PreconditionFailed(what)),
            None => Err(ApiError::Unreadable(
                "invalid_header",
                "If-Match is a list of ETags in double quotes, or *.".to_owned(),
            )),
        }
    }
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        let values = parts.headers.get_all(header::IF_MATCH).iter();
        let texts: Vec<&str> = values.map(|value| value.to_str().unwrap_or("?")).collect();
        Ok(Self((!texts.is_empty()).then(|| texts.join(","))))
    }
}

/// The query of a list.
#[derive(Default, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Where the page begins: `next` of the page before.
    pub(crate) cursor: Option<String>,
}
