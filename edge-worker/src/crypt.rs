//! Secrets at rest and tokens: authenticated encryption under the data key, hashes of tokens, new tokens.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, aead::Aead as _, aead::Payload};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The key that encrypts at rest. Each ciphertext names it, so that a second key can be added later.
pub(crate) struct DataKey {
    id: String,
    cipher: ChaCha20Poly1305,
}

/// A ciphertext cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CryptError {
    /// It was made with another key.
    #[error("the value was encrypted with the key {0}, which is not the DATA_KEY of this Worker")]
    OtherKey(String),
    /// It was changed, or is for another place.
    #[error("the value was changed, or belongs to another place")]
    Broken,
}

impl DataKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self {
            id: hex::encode(&Sha256::digest(key)[..4]),
            cipher: ChaCha20Poly1305::new(&key.into()),
        }
    }

    /// Encrypts `plain` for the place `context`. `nonce` must be fresh.
    pub(crate) fn encrypt(&self, context: &str, plain: &[u8], nonce: [u8; 12]) -> String {
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .expect("values are far below the cipher's limit");
        format!(
            "{}.{}",
            self.id,
            STANDARD.encode([nonce.as_slice(), &sealed].concat())
        )
    }

    /// Opens what was encrypted for `context`.
    pub(crate) fn decrypt(&self, context: &str, text: &str) -> Result<Vec<u8>, CryptError> {
        let (key, sealed) = text.split_once('.').ok_or(CryptError::Broken)?;
        if key != self.id {
            return Err(CryptError::OtherKey(key.to_owned()));
        }
        let sealed = STANDARD.decode(sealed).map_err(|_| CryptError::Broken)?;
        let (nonce, sealed) = sealed.split_first_chunk::<12>().ok_or(CryptError::Broken)?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        self.cipher
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| CryptError::Broken)
    }
}

/// The place of a hook's secret.
pub(crate) fn hook_context(hook: &str) -> String {
    format!("hook/{hook}")
}

/// The place of an endpoint's address and secrets.
pub(crate) fn endpoint_context(endpoint: &str) -> String {
    format!("endpoint/{endpoint}")
}

/// A secret of Standard Webhooks: base64 after `whsec_`.
pub(crate) fn signing_secret(entropy: [u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(entropy))
}

/// The place of a second factor's secret.
pub(crate) fn second_factor_context(user: &str) -> String {
    format!("second-factor/{user}")
}

/// A token of 32 random bytes in URL-safe base64.
pub(crate) fn token(entropy: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(entropy)
}

/// SHA-256 in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What is stored of a token: it has 256 bits of entropy, so a plain hash is enough.
pub(crate) fn token_hash(token: &str) -> String {
    hash(token.as_bytes())
}

/// Compares without telling by its time where two texts differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    bool::from(Sha256::digest(a).ct_eq(&Sha256::digest(b)))
}

/// The token that forms of a session must carry: only who can read the session's pages knows it.
pub(crate) fn csrf_token(session_token: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(session_token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"devflow/csrf/v1");
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decrypt_opens_only_with_its_key_and_place() {
        let key = DataKey::new([1; 32]);
        let text = key.encrypt("environment/prj/1", b"secret", [2; 12]);
        assert_eq!(key.decrypt("environment/prj/1", &text), Ok(b"secret".to_vec()));
        assert_eq!(key.decrypt("environment/prj/2", &text), Err(CryptError::Broken));
        assert_eq!(key.decrypt("environment/prj/1", "x"), Err(CryptError::Broken));
        assert!(matches!(
            DataKey::new([3; 32]).decrypt("environment/prj/1", &text),
            Err(CryptError::OtherKey(_))
        ));
    }

    #[test]
    fn csrf_token_is_the_session_s_own() {
        assert_eq!(csrf_token("a"), csrf_token("a"));
        assert_ne!(csrf_token("a"), csrf_token("b"));
    }
}
