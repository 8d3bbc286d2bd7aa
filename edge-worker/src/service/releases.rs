//! The runner's programs that this edge hands to servers, from the bucket. `cargo xtask publish-runner` puts them there, signed;
//! what the recovery key does not vouch for is as if it were not there, so that who can write to the bucket alone gains nothing.

use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use devflow_protocol::release::{
    OBJECT, Release, ReleaseError, RunnerVersion, SignedRelease, Target, object,
};
use ed25519_dalek::VerifyingKey;
use worker::web_sys::ReadableStream;

/// A release that servers would take.
pub(crate) struct Found {
    /// As servers get it.
    pub(crate) signed: SignedRelease,
    /// What is in it.
    pub(crate) release: Release,
}

/// The release of now; None where none was published, or not one that servers would take.
pub(crate) async fn signed(state: &AppState) -> Result<Option<Found>, ApiError> {
    let Some(recovery_key) = &state.config.keychain.recovery_key else {
        return Ok(None);
    };
    let Some(found) = state.blobs()?.get(OBJECT).execute().await? else {
        return Ok(None);
    };
    let Some(body) = found.body() else {
        return Ok(None);
    };
    match read(&body.text().await?, recovery_key) {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            platform::log_error(&format!("{OBJECT} is not handed out: {error}"));
            Ok(None)
        }
    }
}

/// The same without its signatures.
pub(crate) async fn current(state: &AppState) -> Result<Option<Release>, ApiError> {
    Ok(signed(state).await?.map(|found| found.release))
}

fn read(text: &str, recovery_key: &VerifyingKey) -> Result<Found, ReleaseError> {
    let signed: SignedRelease = serde_json::from_str(text)?;
    let release = signed.open(recovery_key)?.release;
    Ok(Found { signed, release })
}

/// The bytes of a program, as they come from the bucket.
pub(crate) async fn program(
    state: &AppState,
    version: RunnerVersion,
    target: Target,
) -> Result<ReadableStream, ApiError> {
    let missing = || ApiError::NotFound(format!("There is no runner {version} for {target} here."));
    let found = state.blobs()?.get(object(version, target)).execute().await?;
    let found = found.ok_or_else(missing)?;
    match found.body().ok_or_else(missing)?.response_body()? {
        worker::ResponseBody::Stream(stream) => Ok(stream),
        _ => Err(missing()),
    }
}
