//! Values that only one runner can read: HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and
//! `ChaCha20Poly1305`. What a value is for (its context) is authenticated with it, so that a sealed environment
//! of one project cannot be passed off as another's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use zeroize::Zeroizing;

type X25519 = hpke::kem::X25519HkdfSha256;

const INFO: &[u8] = b"devflow/sealed/v1";

/// A value sealed to one X25519 key. Both fields are standard base64.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// HPKE's encapsulated key.
    pub enc: String,
    /// The ciphertext with its tag.
    pub ct: String,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not a valid X25519 key.
    #[error("the key is not a valid X25519 key")]
    Key,
    /// The value was sealed to another key, for another context, or was changed.
    #[error("the sealed value cannot be opened with this key and context")]
    Open,
}

/// The public half (32 bytes) of an X25519 private key (32 bytes).
pub fn public_key(private: &[u8; 32]) -> Result<[u8; 32], SealError> {
    let private = <X25519 as Kem>::PrivateKey::from_bytes(private).map_err(|_| SealError::Key)?;
    Ok(X25519::sk_to_pk(&private).to_bytes().into())
}

/// Seals `plain` to `recipient`. `entropy` must be fresh for every call.
pub fn seal(
    recipient: &[u8; 32],
    context: &str,
    plain: &[u8],
    entropy: [u8; 32],
) -> Result<Sealed, SealError> {
    let recipient = <X25519 as Kem>::PublicKey::from_bytes(recipient).map_err(|_| SealError::Key)?;
    let (enc, ct) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeS::Base,
        &recipient,
        INFO,
        plain,
        context.as_bytes(),
        &mut OneShotRng(Some(entropy)),
    )
    .map_err(|_| SealError::Key)?;
    Ok(Sealed {
        enc: STANDARD.encode(enc.to_bytes()),
        ct: STANDARD.encode(ct),
    })
}

/// Opens what was sealed for `context` to the owner of `private`.
pub fn open(private: &[u8; 32], context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let private = <X25519 as Kem>::PrivateKey::from_bytes(private).map_err(|_| SealError::Key)?;
    let enc = STANDARD.decode(&sealed.enc).map_err(|_| SealError::Open)?;
    let enc = <X25519 as Kem>::EncappedKey::from_bytes(&enc).map_err(|_| SealError::Open)?;
    let ct = STANDARD.decode(&sealed.ct).map_err(|_| SealError::Open)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeR::Base,
        &private,
        &enc,
        INFO,
        &ct,
        context.as_bytes(),
    )
    .map(Zeroizing::new)
    .map_err(|_| SealError::Open)
}

/// Hands out the caller's entropy once: HPKE with X25519 draws one 32-byte seed, and a second draw would have
/// nothing secret left to give.
struct OneShotRng(Option<[u8; 32]>);

impl rand_core::TryRng for OneShotRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        let seed = self.0.take().expect("HPKE draws once");
        dst.copy_from_slice(&seed[..dst.len()]);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for OneShotRng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_gives_back_what_was_sealed_only_to_its_key_and_context() {
        let private = [7; 32];
        let public = public_key(&private).expect("a valid key");
        let sealed = seal(&public, "prj/1", b"APP_KEY=secret", [9; 32]).expect("sealed");
        assert_eq!(
            open(&private, "prj/1", &sealed).expect("opened").as_slice(),
            b"APP_KEY=secret"
        );
        assert_eq!(open(&private, "prj/2", &sealed), Err(SealError::Open));
        assert_eq!(open(&[8; 32], "prj/1", &sealed), Err(SealError::Open));
        assert_eq!(format!("{sealed:?}"), "Sealed(..)");
    }
}
