//! A delivery that deploys nothing, signed as its provider signs: what the test button of a webhook sends through the
//! same checks as any other.

use super::Provider;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::UnixMillis;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Headers, by their lower-case names, and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    headers: Vec<(&'static str, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Trial {
    /// Makes one. `id` is what makes it one delivery: printable ASCII.
    pub fn new(provider: Provider, secret: &str, id: &str, now: UnixMillis) -> Self {
        let body = br#"{"zen":"A test from the webhook's page."}"#.to_vec();
        let signature = hex::encode(mac(secret.as_bytes(), &[&body]));
        let headers = match provider {
            Provider::Github => vec![
                ("x-github-event", "ping".to_owned()),
                ("x-github-delivery", id.to_owned()),
                ("x-hub-signature-256", format!("sha256={signature}")),
            ],
            Provider::Bitbucket => vec![
                ("x-event-key", "ping".to_owned()),
                ("x-request-uuid", id.to_owned()),
                ("x-hub-signature", format!("sha256={signature}")),
            ],
            Provider::Gitea => vec![
                ("x-gitea-event", "ping".to_owned()),
                ("x-gitea-delivery", id.to_owned()),
                ("x-gitea-signature", signature),
            ],
            Provider::Gitlab => standard("x-gitlab-event", secret, id, now, &body),
            Provider::Generic => standard("x-devflow-event", secret, id, now, &body),
        };
        Self { headers, body }
    }

    /// Looks a header up by its lower-case name.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }
}

/// By Standard Webhooks, whose keys are base64 after `whsec_`. A secret that is none makes a signature that fits nothing.
fn standard(
    event: &'static str,
    secret: &str,
    id: &str,
    now: UnixMillis,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .unwrap_or_default();
    let at = (now.0 / 1_000).to_string();
    let signature = mac(&key, &[id.as_bytes(), b".", at.as_bytes(), b".", body]);
    vec![
        (event, "ping".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at),
        ("webhook-signature", format!("v1,{}", STANDARD.encode(signature))),
    ]
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{AuthError, Delivery, Verdict, authenticate, decide, read};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn checked(provider: Provider, known: &str) -> Result<Verdict, AuthError> {
        let trial = Trial::new(provider, SECRET, "dlv-1", NOW);
        let header = |name: &str| trial.header(name);
        let delivery = Delivery {
            provider,
            header: &header,
            body: &trial.body,
        };
        let authentic = authenticate(delivery, known, NOW)?;
        assert_eq!(authentic.delivery_id, "dlv-1");
        Ok(decide(&read(delivery).expect("readable").remove(0), &[]))
    }

    #[test]
    fn trial_is_authentic_for_each_provider_and_deploys_nothing() {
        for provider in Provider::ALL {
            let verdict = checked(provider, SECRET).expect("authentic");
            assert_eq!(verdict.deployments().count(), 0, "{provider:?}");
        }
        assert_eq!(checked(Provider::Github, SECRET), Ok(Verdict::Ping));
    }

    #[test]
    fn trial_is_refused_where_the_secret_is_another() {
        for provider in Provider::ALL {
            let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
            assert_eq!(checked(provider, other), Err(AuthError::Mismatch), "{provider:?}");
        }
    }
}
