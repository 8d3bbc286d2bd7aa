//! Answers of the API that are more than a body: their type says the status, so the API's document knows it too.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use devflow_domain::etag;
use serde::Serialize;

/// 201: something was made.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

/// 202: it was asked for, and is not done yet.
pub(crate) struct Accepted<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

/// 202 with what was asked for, or 204 where there was nothing left to do.
pub(crate) struct AcceptedOrDone<T>(pub(crate) Option<T>);

impl<T: Serialize> IntoResponse for AcceptedOrDone<T> {
    fn into_response(self) -> Response {
        match self.0 {
            Some(asked) => Accepted(asked).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

/// 204: it is done, and there is nothing more to say.
pub(crate) struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// 200 with the entity tag of what is in it, for a conditional change.
pub(crate) struct Versioned<T> {
    tag: (HeaderName, String),
    body: T,
}

impl<T> Versioned<T> {
    /// `body` with the entity tag of `version`.
    pub(crate) fn new(version: impl std::fmt::Display, body: T) -> Self {
        Self {
            tag: (header::ETAG, etag::of(version)),
            body,
        }
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        ([self.tag], Json(self.body)).into_response()
    }
}
