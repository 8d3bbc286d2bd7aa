//! The audit trail, to be proven elsewhere.

use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Query;
use crate::service::audit;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::audit::Line;
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    Routes::new().api(
        Method::GET,
        "/api/v1/audit",
        Needs::may(Action::SeeActivity),
        "Export the audit trail, oldest first; `devflow audit verify` proves its lines",
        export,
    )
}

#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
struct From {
    /// `next` of the page before.
    after: i64,
}

/// Lines of an export.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AuditPage {
    lines: Vec<Line>,
    /// Ask again with it as `after`; null on the last page.
    next: Option<i64>,
}

#[worker::send]
async fn export(
    State(state): State<AppState>,
    caller: Caller,
    Query(from): Query<From>,
) -> Result<Json<AuditPage>, ApiError> {
    let after = from.after.clamp(0, 1 << 52);
    let (lines, next) = audit::export(&state, &caller.actor, after).await?;
    Ok(Json(AuditPage { lines, next }))
}
