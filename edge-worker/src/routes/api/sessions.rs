//! Where somebody is signed in. In a session alone: a key has none.

use crate::access::{Needs, Routes};
use crate::answer::Done;
use crate::app::AppState;
use crate::auth::{SignedIn, account};
use crate::error::ApiError;
use crate::extract::{Id, Paging, Query};
use crate::store::Page;
use crate::store::users::SessionRow;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::{LoginId, UnixMillis};
use serde::Serialize;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/sessions",
            Needs::may(Action::SeeAccount),
            "List one's own sessions, the latest used first (in a session)",
            list,
        )
        .api(
            Method::POST,
            "/api/v1/sessions/{id}/revoke",
            Needs::may(Action::SeeAccount),
            "End a session of one's own (in a session)",
            revoke,
        )
        .api(
            Method::POST,
            "/api/v1/sessions/revoke",
            Needs::may(Action::SeeAccount),
            "End all other sessions of one's own (in a session)",
            revoke_others,
        )
}

/// A session of one's own.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Session {
    id: LoginId,
    /// The one in which this is asked.
    current: bool,
    /// Browser and system.
    device: String,
    address: String,
    /// ISO 3166 code, where the platform knows it.
    country: Option<String>,
    created_at: UnixMillis,
    seen_at: UnixMillis,
}

impl Session {
    fn new(row: SessionRow, this: &str) -> Self {
        Self {
            current: row.id.as_str() == this,
            id: row.id,
            device: row.device,
            address: row.address,
            country: row.country,
            created_at: row.created_at,
            seen_at: row.seen_at,
        }
    }
}

#[worker::send]
async fn list(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Session>>, ApiError> {
    let after = paging.cursor.as_deref().unwrap_or_default();
    let page = account::sessions(&state, &signed_in, after).await?;
    Ok(Json(page.map(|row| Session::new(row, &signed_in.login))))
}

#[worker::send]
async fn revoke(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<LoginId>,
) -> Result<Done, ApiError> {
    account::revoke(&state, &signed_in, &id).await?;
    Ok(Done)
}

#[worker::send]
async fn revoke_others(State(state): State<AppState>, signed_in: SignedIn) -> Result<Done, ApiError> {
    account::revoke_others(&state, &signed_in).await?;
    Ok(Done)
}
