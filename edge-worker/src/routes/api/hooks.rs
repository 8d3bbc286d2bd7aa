//! The hook of a project, where its provider sends pushes.

use super::view::Hook;
use crate::access::{Needs, Routes};
use crate::answer::Created;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::Id;
use crate::service::{deliveries, projects};
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::{DeliveryId, ProjectId};
use serde::Serialize;

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::POST,
            "/api/v1/projects/{id}/hook/secret",
            Needs::project(Action::ChangeSettings),
            "Make a new secret for the webhook; pushes are refused until the provider has it",
            renew,
        )
        .api(
            Method::POST,
            "/api/v1/projects/{id}/hook/test",
            Needs::project(Action::Operate),
            "Send a signed test delivery to the webhook's own address, and store what came of it",
            test,
        )
}

#[worker::send]
async fn renew(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Created<Hook>, ApiError> {
    // The new secret has to be given to the provider, so who makes it has to see it.
    caller.access.require(Action::SeeSecrets, Some(&id))?;
    let find = async || {
        let hook = projects::hook::of_project(&state, &id).await?;
        hook.ok_or_else(|| ApiError::no_such("hook"))
    };
    projects::hook::renew_secret(&state, &caller.actor, &find().await?).await?;
    let hook = find().await?;
    Ok(Created(Hook {
        url: projects::hook::url(&state, &hook),
        provider: hook.provider,
        secret: Some(projects::hook::secret(&state, &hook)?),
    }))
}

/// A test delivery that was stored.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct HookTried {
    delivery: DeliveryId,
}

#[worker::send]
async fn test(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ProjectId>,
) -> Result<Created<HookTried>, ApiError> {
    let receipt = deliveries::try_out(&state, &caller.actor, &id).await?;
    Ok(Created(HookTried {
        delivery: receipt.delivery,
    }))
}
