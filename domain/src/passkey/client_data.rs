//! `clientDataJSON`: what the browser says was asked, and by whom (section 5.8.1).

use super::{Expected, Refusal};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Get,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// The members that are checked; browsers may add others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

/// Refuses what answers another request, or comes from a page that is not ours.
pub(super) fn check(bytes: &[u8], kind: Kind, expected: &Expected<'_>) -> Result<(), Refusal> {
    let unreadable = |_| Refusal::Unreadable("client data");
    let data: ClientData = serde_json::from_slice(bytes).map_err(unreadable)?;
    if data.kind != kind.as_str() {
        return Err(Refusal::Kind);
    }
    let challenge = URL_SAFE_NO_PAD.encode(expected.challenge);
    if !bool::from(data.challenge.as_bytes().ct_eq(challenge.as_bytes())) {
        return Err(Refusal::Challenge);
    }
    if data.origin != expected.origin {
        return Err(Refusal::Origin);
    }
    if data.cross_origin || data.top_origin.is_some() {
        return Err(Refusal::Embedded);
    }
    Ok(())
}
