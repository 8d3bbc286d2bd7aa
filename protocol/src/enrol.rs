//! Enrolment: a runner's new keys, signed with a one-time token that itself is never sent.
//!
//! The token is the seed of an Ed25519 key. The edge makes it, shows it once and keeps only the fingerprint of its
//! public half; the server gets it from a person. So whoever reads the request on its way has nothing to enrol with:
//! another key in it, or another edge, breaks the signature.

use crate::dsse::{Envelope, EnvelopeError, fingerprint};
use crate::runner_api::ServerFacts;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use zeroize::Zeroizing;

/// DSSE payload type of an enrolment.
pub const PAYLOAD_TYPE: &str = "application/vnd.devflow.enrolment.v1+json";
/// What a token's text begins with, for secret scanners.
pub const TOKEN_PREFIX: &str = "dfe_";

/// A one-time token, as whoever may sign with it holds it.
#[derive(Clone)]
pub struct EnrolToken(SigningKey);

impl EnrolToken {
    /// The token of 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// What a person hands over: [`TOKEN_PREFIX`] and the seed in URL-safe base64.
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_bytes()));
        Zeroizing::new(format!("{TOKEN_PREFIX}{}", *seed))
    }

    /// The fingerprint of its public half: all that the edge keeps.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0.verifying_key())
    }
}

impl std::fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolToken")
    }
}

/// A text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an enrolment token begins with {TOKEN_PREFIX} and has 43 more characters; copy the whole of it")]
pub struct NoToken;

impl FromStr for EnrolToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let seed = text.strip_prefix(TOKEN_PREFIX).ok_or(NoToken)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(seed).map_err(|_| NoToken)?);
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| NoToken)?);
        Ok(Self::from_seed(*seed))
    }
}

/// What is signed with the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolClaims {
    /// Fingerprint of the job key of the edge that the server was told to enrol at.
    pub audience: String,
    /// The runner's Ed25519 public key, base64.
    pub signing_key: String,
    /// Its X25519 public key, base64.
    pub sealing_key: String,
    /// What the machine is.
    pub facts: ServerFacts,
}

/// Body of [`crate::runner_api::ENROL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The token's public half, base64.
    pub token_key: String,
    /// [`EnrolClaims`], signed with the token.
    pub claims: Envelope,
}

/// An enrolment whose signature fits. Whether its token is one of this edge is left to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedEnrolment {
    /// As [`EnrolToken::fingerprint`].
    pub token: String,
    /// What was signed.
    pub claims: EnrolClaims,
}

/// Why an enrolment is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// `token_key` is no Ed25519 public key.
    #[error("`token_key` is no Ed25519 key")]
    TokenKey,
    /// The envelope is not trusted.
    #[error("the enrolment's envelope is refused: {0}")]
    Envelope(#[from] EnvelopeError),
    /// What was signed is something else.
    #[error("the enrolment cannot be read: {0}")]
    Shape(serde_json::Error),
    /// It is for another edge.
    #[error(
        "the enrolment was signed for another edge: the fingerprint that the server was given is not this one's"
    )]
    OtherEdge,
}

impl EnrolRequest {
    /// Signs `claims` with the token.
    pub fn sign(claims: &EnrolClaims, token: &EnrolToken) -> Result<Self, serde_json::Error> {
        let payload = serde_json::to_vec(claims)?;
        Ok(Self {
            token_key: STANDARD.encode(token.0.verifying_key().as_bytes()),
            claims: Envelope::sign(PAYLOAD_TYPE, &payload, &token.0),
        })
    }

    /// Checks the signature, then that it is meant for the edge whose job key has the fingerprint `audience`.
    pub fn open(&self, audience: &str) -> Result<OpenedEnrolment, EnrolError> {
        let key = STANDARD.decode(&self.token_key).ok();
        let key: [u8; 32] = key
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(EnrolError::TokenKey)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| EnrolError::TokenKey)?;
        let payload = self.claims.verify(PAYLOAD_TYPE, [&key])?;
        let claims: EnrolClaims = serde_json::from_slice(&payload).map_err(EnrolError::Shape)?;
        if claims.audience != audience {
            return Err(EnrolError::OtherEdge);
        }
        Ok(OpenedEnrolment {
            token: fingerprint(&key),
            claims,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> EnrolClaims {
        EnrolClaims {
            audience: "sha256:edge".into(),
            signing_key: "c2lnbg==".into(),
            sealing_key: "c2VhbA==".into(),
            facts: ServerFacts::default(),
        }
    }

    fn refused(request: &EnrolRequest) -> String {
        let error = request.open("sha256:edge").expect_err("must be refused");
        error.to_string()
    }

    #[test]
    fn token_is_read_back_from_its_text_and_shows_nothing() {
        let token = EnrolToken::from_seed([7; 32]);
        let text = token.to_text();
        assert_eq!(text.len(), 47);
        let read: EnrolToken = text.parse().expect("a token");
        assert_eq!(read.fingerprint(), token.fingerprint());
        assert_eq!(format!("{token:?}"), "EnrolToken");
        for broken in ["", "dfe_", &text[4..], &text[..46], &format!("{}A", *text)] {
            assert!(broken.parse::<EnrolToken>().is_err(), "{broken}");
        }
    }

    #[test]
    fn open_gives_what_was_signed_and_never_the_token() {
        let token = EnrolToken::from_seed([7; 32]);
        let request = EnrolRequest::sign(&claims(), &token).expect("signs");
        let opened = request.open("sha256:edge").expect("opens");
        assert_eq!((opened.claims, opened.token), (claims(), token.fingerprint()));
        let sent = serde_json::to_string(&request).expect("JSON");
        for secret in [&token.to_text()[4..], &STANDARD.encode([7; 32]), &"07".repeat(32)] {
            assert!(!sent.contains(secret), "{sent}");
        }
    }

    #[test]
    fn open_refuses_other_edges_keys_and_payloads() {
        let token = EnrolToken::from_seed([7; 32]);
        let request = EnrolRequest::sign(&claims(), &token).expect("signs");
        assert!(matches!(request.open("sha256:other"), Err(EnrolError::OtherEdge)));
        // Somebody on the way puts in a key of their own.
        let mut changed = claims();
        changed.signing_key = "bWluZQ==".into();
        let own = EnrolRequest::sign(&changed, &EnrolToken::from_seed([8; 32])).expect("signs");
        let spliced = EnrolRequest {
            token_key: request.token_key.clone(),
            claims: own.claims.clone(),
        };
        assert_eq!(
            refused(&spliced),
            "the enrolment's envelope is refused: no signature is by a trusted key"
        );
        let mut renamed = spliced;
        renamed.claims.signatures[0].keyid = request.claims.signatures[0].keyid.clone();
        assert_eq!(
            refused(&renamed),
            "the enrolment's envelope is refused: the signature does not match the payload"
        );
        let keyless = EnrolRequest {
            token_key: "AA==".into(),
            ..request
        };
        assert_eq!(refused(&keyless), "`token_key` is no Ed25519 key");
    }
}
