//! `POST /api/v1/setup`: makes the owner, once.

use crate::access::{Door, Needs, Routes};
use crate::app::AppState;
use crate::auth::{self, SetUp};
use crate::error::ApiError;
use crate::extract::Json as Body;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

pub(super) fn router() -> Routes {
    Routes::new().post("/api/v1/setup", Needs::Open(Door::Token), set_up)
}

#[worker::send]
async fn set_up(
    State(state): State<AppState>,
    Body(body): Body<SetUp>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let owner = auth::set_up(&state, &body).await?;
    let user = json!({ "id": owner.user, "email": owner.email, "role": "owner" });
    Ok((
        StatusCode::CREATED,
        Json(json!({ "user": user, "api_key": owner.api_key })),
    ))
}
