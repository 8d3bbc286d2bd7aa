//! API keys. They are managed in a session: a key that leaked must not make itself another one.

use crate::access::{Needs, Routes};
use crate::answer::{Created, Done};
use crate::app::AppState;
use crate::auth::{Caller, SignedIn};
use crate::error::ApiError;
use crate::extract::{Id, Json as Body, OptionalJson};
use crate::service::keys::{self, Made, Wanted};
use crate::store::Page;
use crate::store::keys::{self as store, KeyRow};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::{Action, Scope};
use devflow_protocol::{ApiKeyId, ProjectId, UnixMillis};
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/key",
            Needs::may(Action::Enter),
            "Show the key with which this is asked",
            show,
        )
        .api(
            Method::POST,
            "/api/v1/key/revoke",
            Needs::may(Action::Enter),
            "End the key with which this is asked, at once",
            revoke_itself,
        )
        .api(
            Method::GET,
            "/api/v1/keys",
            Needs::may(Action::SeeAccount),
            "List one's own keys, newest first (in a session)",
            list,
        )
        .api(
            Method::POST,
            "/api/v1/keys",
            Needs::may(Action::MakeKeys),
            "Make a key (in a session)",
            create,
        )
        .api(
            Method::POST,
            "/api/v1/keys/{id}/rotate",
            Needs::may(Action::MakeKeys),
            "Make a key with the limits of another, which then ends (in a session)",
            rotate,
        )
        .api(
            Method::POST,
            "/api/v1/keys/{id}/revoke",
            Needs::may(Action::SeeAccount),
            "End a key at once (in a session)",
            revoke,
        )
}

/// An API key, without its text.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ApiKey {
    id: ApiKeyId,
    name: String,
    scope: Scope,
    /// The only projects that it reaches; null is all.
    projects: Option<Vec<ProjectId>>,
    /// Null for a key of an earlier version, which never ends.
    expires_at: Option<UnixMillis>,
    /// When it was used last, give or take 5 minutes.
    used_at: Option<UnixMillis>,
    created_at: UnixMillis,
}

impl From<KeyRow> for ApiKey {
    fn from(row: KeyRow) -> Self {
        Self {
            projects: row.projects(),
            id: row.id,
            name: row.name,
            scope: row.scope,
            expires_at: row.expires_at,
            used_at: row.used_at,
            created_at: row.created_at,
        }
    }
}

/// A key that was made, and its text, which is shown this once.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KeyMade {
    key: ApiKey,
    token: String,
}

impl From<Made> for KeyMade {
    fn from(made: Made) -> Self {
        Self {
            key: made.row.into(),
            token: made.token,
        }
    }
}

#[worker::send]
async fn show(State(state): State<AppState>, caller: Caller) -> Result<Json<ApiKey>, ApiError> {
    let row: Option<store::KeyRow> = state.db.first(store::by_id(&caller.actor.0)).await?;
    let row = row.ok_or_else(|| ApiError::NotFound("A session is no key.".to_owned()))?;
    Ok(Json(row.into()))
}

#[worker::send]
async fn revoke_itself(State(state): State<AppState>, caller: Caller) -> Result<Done, ApiError> {
    keys::revoke_itself(&state, &caller).await?;
    Ok(Done)
}

#[worker::send]
async fn list(State(state): State<AppState>, signed_in: SignedIn) -> Result<Json<Page<ApiKey>>, ApiError> {
    let rows = keys::list(&state, &signed_in).await?;
    Ok(Json(Page {
        items: rows.into_iter().map(ApiKey::from).collect(),
        next: None,
    }))
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct NewKey {
    /// 1 to 60 characters.
    name: String,
    scope: Scope,
    /// How long it lasts: 1 to 366, else 90.
    days: Option<u16>,
    /// The only projects that it reaches; all without it.
    projects: Option<Vec<ProjectId>>,
}

#[worker::send]
async fn create(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Body(new): Body<NewKey>,
) -> Result<Created<KeyMade>, ApiError> {
    let wanted = Wanted {
        name: new.name,
        scope: new.scope,
        days: new.days,
        projects: new.projects,
    };
    Ok(Created(keys::create(&state, &signed_in, &wanted).await?.into()))
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    /// How long the new key lasts: 1 to 366, else 90.
    days: Option<u16>,
    /// How long the old key still works: 0 (at once, as when it leaked) to 168, else 24.
    overlap_hours: Option<u16>,
}

#[worker::send]
async fn rotate(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<ApiKeyId>,
    OptionalJson(how): OptionalJson<Rotation>,
) -> Result<Created<KeyMade>, ApiError> {
    let made = keys::rotate(&state, &signed_in, &id, how.days, how.overlap_hours).await?;
    Ok(Created(made.into()))
}

#[worker::send]
async fn revoke(
    State(state): State<AppState>,
    signed_in: SignedIn,
    Id(id): Id<ApiKeyId>,
) -> Result<Done, ApiError> {
    keys::revoke(&state, &signed_in, &id).await?;
    Ok(Done)
}
