//! What a browser is asked: the options of `navigator.credentials`, in the JSON of the specification (sections 5.1.8
//! and 5.1.9), with bytes in URL-safe base64.

use super::challenge::Challenge;
use crate::app::AppState;
use crate::error::ApiError;
use crate::store::passkeys::PasskeyRow;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use devflow_domain::passkey::{ALGORITHMS, CHALLENGE_MS, host_of};
use devflow_protocol::UserId;
use serde_json::{Value, json};

/// How pages are called that ask for a passkey.
const SITE: &str = "DevFlow Pro";

/// The relying party's id.
pub(super) fn host(state: &AppState) -> Result<String, ApiError> {
    host_of(&state.config.public_origin).ok_or_else(|| {
        ApiError::Conflict(
            "no_passkeys",
            "Passkeys need a host name and https: this installation is at a bare address.".to_owned(),
        )
    })
}

fn credentials(rows: &[PasskeyRow]) -> Vec<Value> {
    let one = |row: &PasskeyRow| {
        let transports: Value = serde_json::from_str(&row.transports).unwrap_or_else(|_| json!([]));
        json!({ "type": "public-key", "id": row.credential, "transports": transports })
    };
    rows.iter().map(one).collect()
}

fn asked(state: &AppState, challenge: &Challenge, mut options: Value) -> Result<Value, ApiError> {
    options["challenge"] = json!(URL_SAFE_NO_PAD.encode(challenge.bytes));
    options["timeout"] = json!(CHALLENGE_MS);
    Ok(json!({ "state": challenge.seal(state)?, "publicKey": options }))
}

/// Asks for a new key of a person who has `rows`.
pub(super) fn create(
    state: &AppState,
    challenge: &Challenge,
    (user, email): (&UserId, &str),
    rows: &[PasskeyRow],
) -> Result<Value, ApiError> {
    let algorithms = ALGORITHMS.map(|number| json!({ "type": "public-key", "alg": number }));
    let options = json!({
        "rp": { "id": host(state)?, "name": SITE },
        "user": { "id": URL_SAFE_NO_PAD.encode(user.as_str()), "name": email, "displayName": email },
        "pubKeyCredParams": algorithms,
        "excludeCredentials": credentials(rows),
        "authenticatorSelection": {
            "residentKey": "preferred", "requireResidentKey": false, "userVerification": "preferred",
        },
        "attestation": "none",
        "extensions": { "credProps": true },
    });
    asked(state, challenge, options)
}

/// Asks for the use of one of `rows`, or of any where there are none.
pub(super) fn get(
    state: &AppState,
    challenge: &Challenge,
    verification: &str,
    rows: &[PasskeyRow],
) -> Result<Value, ApiError> {
    let options = json!({
        "rpId": host(state)?,
        "userVerification": verification,
        "allowCredentials": credentials(rows),
    });
    asked(state, challenge, options)
}
