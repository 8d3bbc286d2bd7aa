//! Signed envelopes: DSSE 1.0 (<https://github.com/secure-systems-lab/dsse>) with Ed25519 (RFC 8032).
//!
//! A payload is verified before it is parsed; the payload type is part of what is signed, so that a job can never
//! pass as a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Names an Ed25519 key: the first 16 bytes of the SHA-256 of its public half, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct KeyId(pub String);

impl KeyId {
    /// The name of `key`.
    pub fn of(key: &VerifyingKey) -> Self {
        Self(hex(&Sha256::digest(key.as_bytes())[..16]))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What is shown to a person who compares keys: `sha256:` and the whole digest of the public key in hex.
pub fn fingerprint(key: &VerifyingKey) -> String {
    format!("sha256:{}", hex(&Sha256::digest(key.as_bytes())))
}

/// A signed payload as it travels. `payload` and `sig` are standard base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signed bytes.
    pub payload: String,
    /// What kind of payload it is; part of the signed text.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// One or more signatures; one by a known key is enough.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// Which key signed.
    pub keyid: KeyId,
    /// The Ed25519 signature, 64 bytes in base64.
    pub sig: String,
}

/// Why an envelope is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The payload type is another one than the receiver reads.
    #[error("the payload type is `{found}`, expected `{expected}`")]
    PayloadType {
        /// What the envelope says.
        found: String,
        /// What the receiver reads.
        expected: &'static str,
    },
    /// No signature names a key that the receiver trusts.
    #[error("no signature is by a trusted key")]
    UnknownKey,
    /// A trusted key is named, but its signature does not fit.
    #[error("the signature does not match the payload")]
    BadSignature,
    /// Payload or signature are not base64 of the right length.
    #[error("the envelope is not valid base64")]
    Encoding,
}

/// DSSE's pre-authentication encoding: what the signature covers.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "DSSEv1 {} {} {} ",
        payload_type.len(),
        payload_type,
        payload.len()
    )
    .into_bytes();
    text.extend_from_slice(payload);
    text
}

impl Envelope {
    /// Signs `payload` with `key`.
    pub fn sign(payload_type: &'static str, payload: &[u8], key: &SigningKey) -> Self {
        let signature = key.sign(&pae(payload_type, payload));
        Self {
            payload: STANDARD.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: KeyId::of(&key.verifying_key()),
                sig: STANDARD.encode(signature.to_bytes()),
            }],
        }
    }

    /// Checks that one of `trusted` signed this envelope as a `payload_type`, and gives the payload.
    pub fn verify<'k>(
        &self,
        payload_type: &'static str,
        trusted: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<Vec<u8>, EnvelopeError> {
        if self.payload_type != payload_type {
            return Err(EnvelopeError::PayloadType {
                found: self.payload_type.clone(),
                expected: payload_type,
            });
        }
        let payload = STANDARD
            .decode(&self.payload)
            .map_err(|_| EnvelopeError::Encoding)?;
        let signed = pae(payload_type, &payload);
        let mut verdict = EnvelopeError::UnknownKey;
        for key in trusted {
            let id = KeyId::of(key);
            for candidate in self.signatures.iter().filter(|candidate| candidate.keyid == id) {
                let bytes = STANDARD
                    .decode(&candidate.sig)
                    .map_err(|_| EnvelopeError::Encoding)?;
                let signature = Signature::from_slice(&bytes).map_err(|_| EnvelopeError::Encoding)?;
                if key.verify_strict(&signed, &signature).is_ok() {
                    return Ok(payload);
                }
                verdict = EnvelopeError::BadSignature;
            }
        }
        Err(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "http://example.com/HelloWorld";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn pae_matches_the_dsse_specification() {
        assert_eq!(
            pae(TYPE, b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn verify_accepts_what_was_signed() {
        let envelope = Envelope::sign(TYPE, b"hello world", &key(1));
        assert_eq!(
            envelope.verify(TYPE, [&key(1).verifying_key()]),
            Ok(b"hello world".to_vec())
        );
    }

    #[test]
    fn verify_refuses_other_types_keys_and_payloads() {
        let envelope = Envelope::sign(TYPE, b"hello world", &key(1));
        let trusted = key(1).verifying_key();
        assert!(matches!(
            envelope.verify("other", [&trusted]),
            Err(EnvelopeError::PayloadType { .. })
        ));
        assert_eq!(
            envelope.verify(TYPE, [&key(2).verifying_key()]),
            Err(EnvelopeError::UnknownKey)
        );
        let mut changed = envelope.clone();
        changed.payload = STANDARD.encode("hello worle");
        assert_eq!(changed.verify(TYPE, [&trusted]), Err(EnvelopeError::BadSignature));
        let mut garbled = envelope;
        garbled.signatures[0].sig = "AA==".into();
        assert_eq!(garbled.verify(TYPE, [&trusted]), Err(EnvelopeError::Encoding));
    }
}
