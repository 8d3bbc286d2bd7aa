//! `POST /hooks/{provider}/{hook}`: what Git providers send.

use crate::access::{Door, Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::read_body;
use crate::service::deliveries;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use devflow_domain::webhook::Delivery;
use devflow_protocol::HookId;
use devflow_protocol::limits::WEBHOOK_BODY_BYTES;

pub(super) fn router() -> Routes {
    Routes::new().post("/hooks/{provider}/{hook}", Needs::Open(Door::Provider), receive)
}

#[worker::send]
async fn receive(
    State(state): State<AppState>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let Path((provider, hook)) = path.map_err(|_| ApiError::no_such("hook"))?;
    let provider = deliveries::provider(&provider)?;
    let hook: HookId = hook.parse().map_err(|_| ApiError::no_such("hook"))?;
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, WEBHOOK_BODY_BYTES).await?;
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let delivery = Delivery {
        provider,
        header: &header,
        body: &body,
    };
    let receipt = deliveries::receive(&state, &hook, delivery, &body).await?;
    let status = if receipt.decision == "deploy" {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let answer = serde_json::json!({
        "delivery": receipt.delivery,
        "decision": receipt.decision,
        "reason": receipt.reason,
        "deployments": receipt.deployments,
    });
    Ok((status, Json(answer)).into_response())
}
