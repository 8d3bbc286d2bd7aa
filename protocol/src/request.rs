//! Signed requests of a runner: a DSSE envelope in the header `devflow-request`, base64 of its JSON, that covers
//! method, route, time and body.

use crate::dsse::{Envelope, EnvelopeError, hex};
use crate::id::{RunnerSessionId, ServerId};
use crate::time::UnixMillis;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// DSSE payload type of a request.
pub const PAYLOAD_TYPE: &str = "application/vnd.devflow.request.v1+json";
/// The header that carries the envelope.
pub const HEADER: &str = "devflow-request";
/// How far a request's time may be from the edge's, in milliseconds.
pub const SKEW_MS: i64 = 60_000;
/// Longest header value, in bytes.
const HEADER_BYTES: usize = 4096;

/// What a runner signs for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestClaims {
    /// The edge's id, pinned at enrolment.
    pub audience: String,
    /// Who asks.
    pub server: ServerId,
    /// The run of the runner.
    pub session: RunnerSessionId,
    /// `POST`.
    pub method: String,
    /// The path, such as `/runner/v1/poll`.
    pub route: String,
    /// Names the request in logs of both sides.
    pub request_id: String,
    /// The runner's time, corrected by what the edge last said.
    pub created: UnixMillis,
    /// SHA-256 of the body in hex.
    pub body_sha256: String,
}

/// Why a request is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Missing, too long, or not an envelope.
    #[error("the header {HEADER} is missing or cannot be read")]
    Header,
    /// The envelope is not trusted.
    #[error("the request's envelope is refused: {0}")]
    Envelope(#[from] EnvelopeError),
    /// The claims are for something else than what was asked.
    #[error("the request was signed for another {0}")]
    Mismatch(&'static str),
    /// The time is too far from the edge's.
    #[error("the request's time is {0} ms away from the edge's")]
    ClockSkew(i64),
}

/// What the edge saw of a request, to compare with what was signed.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The edge's own id.
    pub audience: &'a str,
    /// The path.
    pub route: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The edge's time.
    pub now: UnixMillis,
}

/// SHA-256 of a body in hex.
pub fn body_sha256(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

impl RequestClaims {
    /// The header's value for these claims.
    pub fn to_header(&self, key: &SigningKey) -> Result<String, serde_json::Error> {
        let envelope = Envelope::sign(PAYLOAD_TYPE, &serde_json::to_vec(self)?, key);
        Ok(STANDARD.encode(serde_json::to_vec(&envelope)?))
    }
}

/// A header that was read but not verified yet: it says whose key to look up.
#[derive(Debug)]
pub struct UnverifiedRequest {
    envelope: Envelope,
    server: ServerId,
}

impl UnverifiedRequest {
    /// Reads a header's value.
    pub fn from_header(value: &str) -> Result<Self, RequestError> {
        if value.len() > HEADER_BYTES {
            return Err(RequestError::Header);
        }
        let json = STANDARD.decode(value).map_err(|_| RequestError::Header)?;
        let envelope: Envelope = serde_json::from_slice(&json).map_err(|_| RequestError::Header)?;
        let payload = STANDARD
            .decode(&envelope.payload)
            .map_err(|_| RequestError::Header)?;
        let claims: RequestClaims = serde_json::from_slice(&payload).map_err(|_| RequestError::Header)?;
        Ok(Self {
            envelope,
            server: claims.server,
        })
    }

    /// Who the request says it is from; trust nothing of it before [`Self::verify`].
    pub fn server(&self) -> &ServerId {
        &self.server
    }

    /// Checks signature, audience, method, route, body and time.
    pub fn verify(&self, key: &VerifyingKey, seen: Seen<'_>) -> Result<RequestClaims, RequestError> {
        let payload = self.envelope.verify(PAYLOAD_TYPE, [key])?;
        let claims: RequestClaims = serde_json::from_slice(&payload).map_err(|_| RequestError::Header)?;
        let mismatch = [
            ("edge", claims.audience == seen.audience),
            ("method", claims.method == "POST"),
            ("route", claims.route == seen.route),
            ("body", claims.body_sha256 == body_sha256(seen.body)),
        ];
        if let Some((what, _)) = mismatch.iter().find(|(_, same)| !same) {
            return Err(RequestError::Mismatch(what));
        }
        let skew = claims.created.since(seen.now);
        if skew.abs() > SKEW_MS {
            return Err(RequestError::ClockSkew(skew));
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> RequestClaims {
        RequestClaims {
            audience: "edge-1".into(),
            server: ServerId::new(UnixMillis(1), [1; 10]),
            session: RunnerSessionId::new(UnixMillis(1), [2; 10]),
            method: "POST".into(),
            route: "/runner/v1/poll".into(),
            request_id: "r1".into(),
            created: UnixMillis(1_000_000),
            body_sha256: body_sha256(b"{}"),
        }
    }

    #[test]
    fn verify_compares_everything_that_was_signed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let read = UnverifiedRequest::from_header(&claims().to_header(&key).expect("signs")).expect("reads");
        let seen = Seen {
            audience: "edge-1",
            route: "/runner/v1/poll",
            body: b"{}",
            now: UnixMillis(1_000_500),
        };
        let public = key.verifying_key();
        assert_eq!(read.verify(&public, seen).expect("verifies"), claims());

        let refused = |seen: Seen<'_>| {
            read.verify(&public, seen)
                .expect_err("must be refused")
                .to_string()
        };
        same(
            &refused(Seen {
                audience: "edge-2",
                ..seen
            }),
            "the request was signed for another edge",
        );
        same(
            &refused(Seen {
                route: "/runner/v1/ack",
                ..seen
            }),
            "the request was signed for another route",
        );
        same(
            &refused(Seen { body: b"{ }", ..seen }),
            "the request was signed for another body",
        );
        same(
            &refused(Seen {
                now: UnixMillis(1_060_001),
                ..seen
            }),
            "the request's time is -60001 ms away from the edge's",
        );
        let other = SigningKey::from_bytes(&[4; 32]).verifying_key();
        assert!(matches!(
            read.verify(&other, seen),
            Err(RequestError::Envelope(EnvelopeError::UnknownKey))
        ));
    }

    fn same(found: &str, expected: &str) {
        assert_eq!(found, expected);
    }

    #[test]
    fn from_header_refuses_what_is_no_envelope() {
        for text in ["", "%%%", "e30=", &"A".repeat(HEADER_BYTES + 4)] {
            assert!(
                matches!(UnverifiedRequest::from_header(text), Err(RequestError::Header)),
                "{text}"
            );
        }
    }
}
