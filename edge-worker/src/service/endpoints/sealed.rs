//! What of an endpoint is secret, and how it is kept.

use crate::app::AppState;
use crate::crypt;
use crate::platform;
use crate::store::StoreError;
use devflow_domain::webhook::Provider;
use devflow_protocol::{EndpointId, UnixMillis};
use serde::{Deserialize, Serialize};

/// How long the secret before is still signed with, in milliseconds: receivers take the new one meanwhile.
pub(crate) const ROTATION_MS: i64 = 24 * 3_600_000;

/// What of an endpoint is secret.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Where it is, whole.
    pub(crate) address: String,
    /// What messages are signed with; None where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// Whose API it is, of commit statuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<Provider>,
    /// What may set commit statuses there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// What they were signed with before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
}

/// A secret that was replaced.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub(super) secret: String,
    pub(super) until: UnixMillis,
}

impl Sealed {
    /// The secrets to sign with, the newest first.
    pub(crate) fn secrets(&self, now: UnixMillis) -> Vec<&str> {
        let previous = self.previous.iter().filter(|previous| now < previous.until);
        let previous = previous.map(|previous| previous.secret.as_str());
        self.secret.as_deref().into_iter().chain(previous).collect()
    }

    /// Opens what is stored of an endpoint.
    pub(crate) fn open(
        key: &crypt::DataKey,
        endpoint: &EndpointId,
        sealed: &str,
    ) -> Result<Self, StoreError> {
        let plain = key
            .decrypt(&crypt::endpoint_context(endpoint.as_str()), sealed)
            .map_err(|error| StoreError::unreadable("endpoints.sealed", &error))?;
        serde_json::from_slice(&plain).map_err(|error| StoreError::unreadable("endpoints.sealed", &error))
    }

    pub(super) fn seal(&self, state: &AppState, endpoint: &EndpointId) -> String {
        let plain = serde_json::to_vec(self).expect("address and secrets are texts");
        let context = crypt::endpoint_context(endpoint.as_str());
        state
            .config
            .data_key
            .encrypt(&context, &plain, platform::entropy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_both_only_while_one_replaces_the_other() {
        let sealed = Sealed {
            address: String::new(),
            secret: Some("new".to_owned()),
            provider: None,
            token: None,
            previous: Some(Previous {
                secret: "old".to_owned(),
                until: UnixMillis(100),
            }),
        };
        assert_eq!(sealed.secrets(UnixMillis(99)), ["new", "old"]);
        assert_eq!(sealed.secrets(UnixMillis(100)), ["new"]);
    }
}
