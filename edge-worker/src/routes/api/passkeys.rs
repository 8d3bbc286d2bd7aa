//! Passkeys. They are managed in a session, and added on the page alone: a browser makes them.

use crate::access::{Needs, Routes};
use crate::answer::{Done, Versioned};
use crate::app::AppState;
use crate::auth::{SignedIn, passkeys};
use crate::error::ApiError;
use crate::extract::{Id, IfMatch, Json as Body};
use crate::store::Page;
use crate::store::passkeys::PasskeyRow;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::{PasskeyId, UnixMillis};
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/passkeys",
            Needs::may(Action::SeeAccount),
            "List one's own passkeys, oldest first (in a session)",
            list,
        )
        .api(
            Method::GET,
            "/api/v1/passkeys/{id}",
            Needs::may(Action::SeeAccount),
            "Show one's own passkey (in a session)",
            show,
        )
        .api(
            Method::PATCH,
            "/api/v1/passkeys/{id}",
            Needs::may(Action::ChangeAccount),
            "Give a passkey another name (in a session)",
            rename,
        )
        .api(
            Method::DELETE,
            "/api/v1/passkeys/{id}",
            Needs::may(Action::ChangeAccount),
            "Take a passkey away (in a session)",
            remove,
        )
}

/// A passkey.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Passkey {
    id: PasskeyId,
    name: String,
    /// It signs in without e-mail address and password; others follow the password.
    signs_in_alone: bool,
    /// It is copied to other devices of its person.
    backed_up: bool,
    created_at: UnixMillis,
    used_at: Option<UnixMillis>,
}

impl From<PasskeyRow> for Passkey {
    fn from(row: PasskeyRow) -> Self {
        Self {
            signs_in_alone: row.is_enough(),
            backed_up: row.backed_up != 0,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            used_at: row.used_at,
        }
    }
}

#[worker::send]
async fn list(State(state): State<AppState>, signed_in: SignedIn) -> Result<Json<Page<Passkey>>, ApiError> {
    let rows = passkeys::list(&state, &signed_in).await?;
    Ok(Json(Page {
        items: rows.into_iter().map(Passkey::from).collect(),
        next: None,
    }))
}

#[worker::send]
async fn show(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<PasskeyId>,
) -> Result<Versioned<Passkey>, ApiError> {
    Ok(versioned(passkeys::own(&state, &signed_in, &id).await?))
}

fn versioned(row: PasskeyRow) -> Versioned<Passkey> {
    Versioned::new(row.version(), row.into())
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct PasskeyEdit {
    /// 1 to 60 characters.
    name: String,
}

#[worker::send]
async fn rename(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<PasskeyId>,
    condition: IfMatch,
    Body(edit): Body<PasskeyEdit>,
) -> Result<Versioned<Passkey>, ApiError> {
    let seen = |row: &PasskeyRow| condition.check("passkey", row.version());
    let row = passkeys::rename(&state, &signed_in, &id, seen, &edit.name).await?;
    Ok(versioned(row))
}

#[worker::send]
async fn remove(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<PasskeyId>,
) -> Result<Done, ApiError> {
    passkeys::remove(&state, &signed_in, &id).await?;
    Ok(Done)
}
