//! Rules for everybody.

use crate::access::{Needs, Routes};
use crate::answer::Versioned;
use crate::app::AppState;
use crate::auth::{Caller, second};
use crate::error::ApiError;
use crate::extract::{IfMatch, Json as Body};
use crate::service::reencryption;
use axum::extract::State;
use axum::http::Method;
use devflow_domain::access::Action;
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::fingerprint;
use serde::{Deserialize, Serialize};

pub(super) fn router() -> Routes {
    Routes::new()
        .api(
            Method::GET,
            "/api/v1/security",
            Needs::may(Action::SeePeople),
            "Show the rules for everybody",
            show,
        )
        .api(
            Method::PATCH,
            "/api/v1/security",
            Needs::may(Action::ManageSecurity),
            "Change the rules for everybody",
            edit,
        )
}

/// Rules for everybody, and keys that people compare.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Security {
    /// Whoever has no second factor (a passkey, or an app) sets one up before anything else; API keys go on.
    second_factor_required: bool,
    /// Fingerprint of the key that signs jobs and the audit trail. Servers pin it.
    job_key: String,
    /// Fingerprint of the key that is kept offline and may replace the job key; null where there is none yet.
    recovery_key: Option<String>,
    data_key: DataKeyState,
}

/// The key of everything that is encrypted at rest, and how far its replacement is.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "DataKey"))]
struct DataKeyState {
    /// Names the key.
    id: String,
    /// Names the one before, as long as the Worker has it.
    previous: Option<String>,
    /// Values that were encrypted anew.
    reencrypted: u64,
    /// Values that no key of the Worker opens.
    unreadable: u64,
    /// When a look at everything found nothing under the key before: that one is not needed from then on.
    done_at: Option<UnixMillis>,
}

async fn data_key(state: &AppState) -> Result<DataKeyState, ApiError> {
    let key = &state.config.data_key;
    let progress = reencryption::progress(&state.db, key).await?.unwrap_or_default();
    Ok(DataKeyState {
        id: key.id().to_owned(),
        previous: key.previous_id().map(str::to_owned),
        reencrypted: progress.changed_before + progress.changed,
        unreadable: progress.unreadable,
        done_at: progress.done_at,
    })
}

async fn rules(state: &AppState) -> Result<Versioned<Security>, ApiError> {
    let second_factor_required = second::is_required(state).await?;
    let rules = Security {
        data_key: data_key(state).await?,
        second_factor_required,
        job_key: state.config.keychain.fingerprint(),
        recovery_key: state.config.keychain.recovery_key.as_ref().map(fingerprint),
    };
    Ok(Versioned::new(version(second_factor_required), rules))
}

/// Changes with what a person decides.
fn version(second_factor_required: bool) -> &'static str {
    if second_factor_required {
        "second-factor-required"
    } else {
        "second-factor-optional"
    }
}

#[worker::send]
async fn show(State(state): State<AppState>, _caller: Caller) -> Result<Versioned<Security>, ApiError> {
    rules(&state).await
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct SecurityEdit {
    /// Who requires it has one.
    second_factor_required: bool,
}

#[worker::send]
async fn edit(
    State(state): State<AppState>,
    caller: Caller,
    condition: IfMatch,
    Body(edit): Body<SecurityEdit>,
) -> Result<Versioned<Security>, ApiError> {
    if !condition.is_missing() {
        condition.check("set of rules", version(second::is_required(&state).await?))?;
    }
    second::require(&state, &caller, edit.second_factor_required).await?;
    rules(&state).await
}
