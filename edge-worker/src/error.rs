//! Errors by meaning: one variant for each answer a caller can act on. What is internal is logged and never sent.

use crate::config::ConfigError;
use crate::crypt::CryptError;
use crate::platform;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use devflow_protocol::UnixMillis;
use devflow_protocol::runner_api::Problem;

/// Marks an answer that refuses somebody, with its code: those go on record, see [`crate::access::refusals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str);

/// The code of [`ApiError::Forbidden`] that asks somebody to say again who they are.
pub(crate) const PROOF_NEEDED: &str = "proof_needed";

/// What is answered in place of what was asked for.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// 401: who asks is not known.
    Unauthenticated(&'static str, String),
    /// 401 with the edge's time.
    ClockSkew(i64),
    /// 403: known, and not allowed.
    Forbidden(&'static str, String),
    /// 404: there is no such thing.
    NotFound(String),
    /// 404: a thing that the caller may not know of, or a door that the right token alone shows.
    Hidden(String),
    /// 409: it does not fit the state of things.
    Conflict(&'static str, String),
    /// 412: it changed since the caller saw it.
    PreconditionFailed(&'static str),
    /// 428: whoever changes this has to say what they saw.
    PreconditionRequired(&'static str),
    /// 400: it cannot be read.
    Unreadable(&'static str, String),
    /// 413: larger than allowed.
    TooLarge(usize),
    /// 415: of another type.
    UnsupportedMedia(&'static str),
    /// 422: it can be read, and is not allowed; field and message of each problem.
    Invalid(Vec<(String, String)>),
    /// 429: too often; seconds until it makes sense again.
    RateLimited(i64),
    /// 503: a part of the platform does not answer.
    Unavailable(String),
    /// 500: a mistake of ours.
    Internal(String),
}

impl ApiError {
    /// One problem with one field.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![(field.to_owned(), message.into())])
    }

    /// There is no `what` of that id.
    pub(crate) fn no_such(what: &str) -> Self {
        Self::NotFound(format!("There is no such {what}."))
    }

    /// The lease of a job is not, or no longer, the runner's.
    pub(crate) fn lease_lost() -> Self {
        Self::Conflict(
            devflow_protocol::runner_api::code::LEASE_LOST,
            "The job is not, or no longer, this runner's in this attempt. Stop work on it that has not been switched."
                .to_owned(),
        )
    }

    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated(code, _) => (StatusCode::UNAUTHORIZED, code),
            Self::ClockSkew(_) => (
                StatusCode::UNAUTHORIZED,
                devflow_protocol::runner_api::code::CLOCK_SKEW,
            ),
            Self::Forbidden(code, _) => (StatusCode::FORBIDDEN, code),
            Self::NotFound(_) | Self::Hidden(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(code, _) => (StatusCode::CONFLICT, code),
            Self::PreconditionFailed(_) => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
            Self::PreconditionRequired(_) => (StatusCode::PRECONDITION_REQUIRED, "precondition_required"),
            Self::Unreadable(code, _) => (StatusCode::BAD_REQUEST, code),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::UnsupportedMedia(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// What a person reads: what is wrong and what to do.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Unauthenticated(_, detail)
            | Self::Forbidden(_, detail)
            | Self::NotFound(detail)
            | Self::Hidden(detail)
            | Self::Conflict(_, detail)
            | Self::Unreadable(_, detail) => detail.clone(),
            Self::PreconditionFailed(what) => {
                format!("The {what} changed since you loaded it; load it again and repeat the change.")
            }
            Self::PreconditionRequired(what) => format!(
                "Say which version of the {what} you replace: send its ETag as If-Match, or * for whichever it is."
            ),
            Self::ClockSkew(ms) => {
                format!(
                    "The request's time is {ms} ms away from the edge's; correct it by `now` and send again."
                )
            }
            Self::TooLarge(limit) => format!("The body is larger than {limit} bytes; send less."),
            Self::UnsupportedMedia(expected) => format!("Send the body as {expected}."),
            Self::Invalid(problems) => {
                let lines: Vec<String> = problems
                    .iter()
                    .map(|(field, message)| format!("{field}: {message}"))
                    .collect();
                lines.join("; ")
            }
            Self::RateLimited(seconds) => format!("Too many attempts; try again in {seconds} seconds."),
            Self::Unavailable(_) => {
                "A part of the platform does not answer; try again in a moment.".to_owned()
            }
            Self::Internal(_) => {
                "Something failed inside; it was logged. Try again, and look at the Worker's log.".to_owned()
            }
        }
    }

    /// The mark of its answer, where it refuses somebody. Who is asked for a proof may, and goes on after it.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        let refuses = match self {
            Self::Forbidden(code, _) => *code != PROOF_NEEDED,
            Self::Unauthenticated(..) | Self::Hidden(_) | Self::RateLimited(_) => true,
            _ => false,
        };
        refuses.then(|| Refused(self.parts().1))
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.parts().0
    }
}

/// Problem details as a response.
pub(crate) fn problem(status: StatusCode, code: &str, detail: String, now: Option<UnixMillis>) -> Response {
    let body = Problem {
        kind: format!("about:blank#{code}"),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        now,
    };
    let json = serde_json::to_string(&body).expect("problem details are plain texts");
    let kind = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, kind)], json).into_response()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(cause) | Self::Unavailable(cause) = &self {
            platform::log_error(cause);
        }
        let (status, code) = self.parts();
        let now = matches!(self, Self::ClockSkew(_)).then(platform::now);
        let mut response = problem(status, code, self.detail(), now);
        if let Some(refused) = self.refusal() {
            response.extensions_mut().insert(refused);
        }
        if let Self::RateLimited(seconds) = self
            && let Ok(value) = HeaderValue::from_str(&seconds.to_string())
        {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<CryptError> for ApiError {
    fn from(error: CryptError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<worker::Error> for ApiError {
    fn from(error: worker::Error) -> Self {
        Self::Unavailable(format!("the platform failed: {error}"))
    }
}
