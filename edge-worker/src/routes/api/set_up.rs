//! `POST /api/v1/setup`: makes the owner, once.

use crate::access::{Door, Needs, Routes};
use crate::answer::Created;
use crate::app::AppState;
use crate::auth::{self, SetUp};
use crate::error::ApiError;
use crate::extract::Json as Body;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Role;
use devflow_protocol::UserId;
use serde::Serialize;

pub(super) fn router() -> Routes {
    Routes::new().api(
        Method::POST,
        "/api/v1/setup",
        Needs::Open(Door::Token),
        "Make the owner, once, with the set-up token",
        set_up,
    )
}

/// A person.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct User {
    id: UserId,
    email: String,
    role: Role,
}

/// The owner that was made.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OwnerMade {
    user: User,
    /// Shown this once.
    api_key: String,
}

#[worker::send]
async fn set_up(
    State(state): State<AppState>,
    Body(body): Body<SetUp>,
) -> Result<Created<OwnerMade>, ApiError> {
    let owner = auth::set_up(&state, &body).await?;
    let user = User {
        id: owner.user,
        email: owner.email,
        role: Role::Owner,
    };
    let api_key = owner.api_key;
    Ok(Created(OwnerMade { user, api_key }))
}
