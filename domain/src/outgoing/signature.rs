//! Signatures of Standard Webhooks 1.0 (<https://www.standardwebhooks.com>), which receivers check with the libraries
//! that it has for most languages. The reading side is in [`crate::webhook::authenticate`].

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of the header `webhook-signature`: one `v1,<base64>` for each secret (`whsec_<base64>`), over
/// `id.seconds.body`. While a secret is being replaced there are two, and a receiver takes either. A secret that is
/// none is left out.
pub fn header(secrets: &[&str], id: &str, seconds: i64, body: &str) -> String {
    let one = |secret: &&str| {
        let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference implementations.
    #[test]
    fn signature_is_that_of_the_reference_example() {
        let header = header(
            &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures_and_what_is_no_secret_none() {
        let both = header(&["whsec_b25l", "whsec_dHdv", "plain"], "a", 1, "{}");
        let parts: Vec<&str> = both.split(' ').collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], header(&["whsec_b25l"], "a", 1, "{}"));
        assert_eq!(parts[1], header(&["whsec_dHdv"], "a", 1, "{}"));
    }
}
