//! Who sent a delivery: signature or token over the raw bytes, compared in constant time.

use super::{Delivery, Provider};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::UnixMillis;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How old or new a Standard Webhooks timestamp may be, in seconds.
const TOLERANCE_S: i64 = 300;
/// Longest delivery id that is kept.
const ID_BYTES: usize = 128;

/// A delivery whose sender is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentic {
    /// The provider's id of the delivery, the same on a redelivery; the body's hash where it sends none.
    pub delivery_id: String,
}

/// Why a delivery is not authentic. The text goes to the sender and says nothing about the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No signature and no token.
    #[error("the delivery carries no signature; set the hook's secret at the provider")]
    Missing,
    /// It does not fit the secret.
    #[error("the signature does not match; set the hook's secret again at the provider")]
    Mismatch,
    /// Its timestamp is more than five minutes away.
    #[error("the signature's timestamp is more than five minutes away from now")]
    Stale,
}

/// Checks that a delivery comes from who knows `secret`.
pub fn authenticate(delivery: Delivery<'_>, secret: &str, now: UnixMillis) -> Result<Authentic, AuthError> {
    let header = delivery.header;
    let id = match delivery.provider {
        Provider::Github => {
            hex_signature(header("x-hub-signature-256"), "sha256=", delivery.body, secret)?;
            header("x-github-delivery")
        }
        Provider::Bitbucket => {
            hex_signature(header("x-hub-signature"), "sha256=", delivery.body, secret)?;
            header("x-request-uuid")
        }
        Provider::Gitea => {
            let sent = header("x-gitea-signature").or_else(|| header("x-forgejo-signature"));
            hex_signature(sent, "", delivery.body, secret)?;
            header("x-gitea-delivery").or_else(|| header("x-forgejo-delivery"))
        }
        Provider::Gitlab if header("webhook-signature").is_some() => {
            Some(standard_webhook(delivery, secret, now)?)
        }
        Provider::Gitlab => {
            let sent = header("x-gitlab-token").ok_or(AuthError::Missing)?;
            if !bool::from(sent.as_bytes().ct_eq(secret.as_bytes())) || secret.is_empty() {
                return Err(AuthError::Mismatch);
            }
            header("idempotency-key")
        }
        Provider::Generic => Some(standard_webhook(delivery, secret, now)?),
    };
    let usable =
        id.filter(|id| !id.is_empty() && id.len() <= ID_BYTES && id.bytes().all(|b| b.is_ascii_graphic()));
    let delivery_id =
        usable.unwrap_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(delivery.body))));
    Ok(Authentic { delivery_id })
}

/// HMAC-SHA256 of the raw body in hex. A provider whose hook has no secret sends none, or an empty one.
fn hex_signature(sent: Option<String>, prefix: &str, body: &[u8], secret: &str) -> Result<(), AuthError> {
    let sent = sent.filter(|sent| !sent.is_empty()).ok_or(AuthError::Missing)?;
    let hex = sent.strip_prefix(prefix).ok_or(AuthError::Mismatch)?;
    let signature = hex::decode(hex).map_err(|_| AuthError::Mismatch)?;
    verify(secret.as_bytes(), &[body], &signature)
}

fn verify(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> Result<(), AuthError> {
    if key.is_empty() {
        return Err(AuthError::Mismatch);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(signature).map_err(|_| AuthError::Mismatch)
}

/// Standard Webhooks 1.0: `v1,<base64>` signatures, space-separated, over `id.timestamp.body`; the key is the
/// base64 after `whsec_`.
fn standard_webhook(delivery: Delivery<'_>, secret: &str, now: UnixMillis) -> Result<String, AuthError> {
    let header = |name| (delivery.header)(name).ok_or(AuthError::Missing);
    let (id, timestamp, signatures) = (
        header("webhook-id")?,
        header("webhook-timestamp")?,
        header("webhook-signature")?,
    );
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .map_err(|_| AuthError::Mismatch)?;
    let matches = signatures
        .split(' ')
        .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
        .any(|signature| {
            verify(
                &key,
                &[id.as_bytes(), b".", timestamp.as_bytes(), b".", delivery.body],
                &signature,
            )
            .is_ok()
        });
    if !matches {
        return Err(AuthError::Mismatch);
    }
    let sent: i64 = timestamp.parse().map_err(|_| AuthError::Stale)?;
    if (now.0 / 1000).abs_diff(sent) > TOLERANCE_S.unsigned_abs() {
        return Err(AuthError::Stale);
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const NOW: UnixMillis = UnixMillis(1_614_265_330_000);

    fn check(
        provider: Provider,
        headers: &[(&str, &str)],
        body: &[u8],
        secret: &str,
    ) -> Result<String, AuthError> {
        let map: HashMap<_, _> = headers
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let header = |name: &str| map.get(name).cloned();
        authenticate(
            Delivery {
                provider,
                header: &header,
                body,
            },
            secret,
            NOW,
        )
        .map(|a| a.delivery_id)
    }

    /// The example in GitHub's documentation, "Validating webhook deliveries".
    const GITHUB_SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn github_signature_of_the_documentation_is_accepted() {
        let headers = [
            ("x-hub-signature-256", GITHUB_SIGNATURE),
            ("x-github-delivery", "72d3162e"),
        ];
        let secret = "It's a Secret to Everybody";
        assert_eq!(
            check(Provider::Github, &headers, b"Hello, World!", secret),
            Ok("72d3162e".into())
        );
        assert_eq!(
            check(Provider::Github, &headers, b"Hello, World?", secret),
            Err(AuthError::Mismatch)
        );
        assert_eq!(
            check(Provider::Github, &headers, b"Hello, World!", "other"),
            Err(AuthError::Mismatch)
        );
        assert_eq!(
            check(Provider::Github, &[], b"Hello, World!", secret),
            Err(AuthError::Missing)
        );
    }

    #[test]
    fn bitbucket_and_gitea_sign_the_same_bytes_in_their_own_headers() {
        let secret = "It's a Secret to Everybody";
        let bare = GITHUB_SIGNATURE.trim_start_matches("sha256=");
        let bitbucket = [("x-hub-signature", GITHUB_SIGNATURE), ("x-request-uuid", "b1")];
        let gitea = [("x-gitea-signature", bare), ("x-gitea-delivery", "g1")];
        let forgejo = [("x-forgejo-signature", bare), ("x-forgejo-delivery", "f1")];
        for (provider, headers, id) in [
            (Provider::Bitbucket, bitbucket, "b1"),
            (Provider::Gitea, gitea, "g1"),
            (Provider::Gitea, forgejo, "f1"),
        ] {
            let answer = |body: &[u8], secret| check(provider, &headers, body, secret);
            assert_eq!(answer(b"Hello, World!", secret), Ok(id.into()));
            assert_eq!(answer(b"Hello, World?", secret), Err(AuthError::Mismatch));
            assert_eq!(answer(b"Hello, World!", ""), Err(AuthError::Mismatch));
            let (name, _) = headers[0];
            let sent = |value| check(provider, &[(name, value)], b"Hello, World!", secret);
            assert_eq!(sent(""), Err(AuthError::Missing));
            assert_eq!(sent("sha256="), Err(AuthError::Mismatch));
            assert_eq!(sent(&format!("sha1={bare}")), Err(AuthError::Mismatch));
        }
        // GitHub's headers, which Gitea sends too, are not Gitea's.
        let foreign = [("x-hub-signature-256", GITHUB_SIGNATURE)];
        assert_eq!(
            check(Provider::Gitea, &foreign, b"Hello, World!", secret),
            Err(AuthError::Missing)
        );
    }

    /// The example in the Standard Webhooks specification's libraries.
    const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
    const STANDARD_HEADERS: [(&str, &str); 3] = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        (
            "webhook-signature",
            "v1,bm9ldHU= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];

    #[test]
    fn standard_webhook_of_the_specification_is_accepted_within_five_minutes() {
        let id = Ok("msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned());
        assert_eq!(
            check(
                Provider::Generic,
                &STANDARD_HEADERS,
                STANDARD_BODY,
                STANDARD_SECRET
            ),
            id
        );
        assert_eq!(
            check(
                Provider::Gitlab,
                &STANDARD_HEADERS,
                STANDARD_BODY,
                STANDARD_SECRET
            ),
            id
        );
        let map: HashMap<_, _> = STANDARD_HEADERS.into_iter().collect();
        let header = |name: &str| map.get(name).map(|v| (*v).to_owned());
        let delivery = Delivery {
            provider: Provider::Generic,
            header: &header,
            body: STANDARD_BODY,
        };
        assert_eq!(
            authenticate(delivery, STANDARD_SECRET, NOW.plus(301_000)),
            Err(AuthError::Stale)
        );
    }

    #[test]
    fn gitlab_with_a_wrong_signature_never_falls_back_to_the_token() {
        let mut headers = STANDARD_HEADERS.to_vec();
        headers.push(("x-gitlab-token", STANDARD_SECRET));
        assert_eq!(
            check(Provider::Gitlab, &headers, b"changed", STANDARD_SECRET),
            Err(AuthError::Mismatch)
        );
    }

    #[test]
    fn gitlab_token_is_compared_and_the_body_hash_stands_in_for_a_missing_id() {
        let found = check(Provider::Gitlab, &[("x-gitlab-token", "s3cret")], b"{}", "s3cret");
        assert_eq!(
            found,
            Ok("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".into())
        );
        assert_eq!(
            check(Provider::Gitlab, &[("x-gitlab-token", "x")], b"{}", "s3cret"),
            Err(AuthError::Mismatch)
        );
        assert_eq!(
            check(Provider::Gitlab, &[("x-gitlab-token", "")], b"{}", ""),
            Err(AuthError::Mismatch)
        );
        assert_eq!(
            check(Provider::Gitlab, &[], b"{}", "s3cret"),
            Err(AuthError::Missing)
        );
    }
}
