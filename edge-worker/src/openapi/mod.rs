//! The API's document (`OpenAPI` 3.1): `docs/openapi.json`, which a test makes of the routes and of the very types that
//! their handlers take and give. The Worker carries the finished text only, none of what makes it.

#[cfg(test)]
mod components;
mod describe;
#[cfg(test)]
mod document;
#[cfg(test)]
mod forms;

pub(crate) use describe::Described;
#[cfg(test)]
pub(crate) use describe::Operation;

use crate::access::{Door, Needs, Routes};
use crate::error::ApiError;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

/// `docs/openapi.json` without its indentation.
pub(crate) const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

pub(crate) fn router() -> Routes {
    Routes::new().api(
        Method::GET,
        "/api/v1/openapi.json",
        Needs::Open(Door::Anybody),
        "This document",
        show,
    )
}

/// The document as an answer.
struct Document;

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=300"),
            ),
        ];
        (headers, TEXT).into_response()
    }
}

async fn show() -> Result<Document, ApiError> {
    Ok(Document)
}
