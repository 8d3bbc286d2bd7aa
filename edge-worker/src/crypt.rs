//! Secrets at rest and tokens: authenticated encryption under the data key, hashes of tokens, new tokens.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _, Nonce, aead::Aead as _, aead::Payload};
use devflow_protocol::text::RepositoryUrl;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The key that encrypts at rest, and the one before it while that is replaced. Each ciphertext names its key.
pub(crate) struct DataKey {
    current: OneKey,
    previous: Option<OneKey>,
}

struct OneKey {
    id: String,
    cipher: ChaCha20Poly1305,
}

/// A ciphertext cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CryptError {
    /// It was made with another key.
    #[error(
        "the value was encrypted with the key {0}, which is not the DATA_KEY of this Worker, nor the one before"
    )]
    OtherKey(String),
    /// It was changed, or is for another place.
    #[error("the value was changed, or belongs to another place")]
    Broken,
}

impl OneKey {
    fn new(key: [u8; 32]) -> Self {
        Self {
            id: hex::encode(&Sha256::digest(key)[..4]),
            cipher: ChaCha20Poly1305::new(&key.into()),
        }
    }
}

impl DataKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self {
            current: OneKey::new(key),
            previous: None,
        }
    }

    /// The same, which also opens what `previous` encrypted.
    pub(crate) fn after(self, previous: [u8; 32]) -> Self {
        Self {
            previous: Some(OneKey::new(previous)).filter(|previous| previous.id != self.current.id),
            ..self
        }
    }

    /// What names the key that encrypts.
    pub(crate) fn id(&self) -> &str {
        &self.current.id
    }

    /// What names the key before it, while that is replaced.
    pub(crate) fn previous_id(&self) -> Option<&str> {
        self.previous.as_ref().map(|key| key.id.as_str())
    }

    /// Encrypts `plain` for the place `context`. `nonce` must be fresh.
    pub(crate) fn encrypt(&self, context: &str, plain: &[u8], nonce: [u8; 12]) -> String {
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let sealed = self
            .current
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .expect("values are far below the cipher's limit");
        format!(
            "{}.{}",
            self.current.id,
            STANDARD.encode([nonce.as_slice(), &sealed].concat())
        )
    }

    /// Opens what was encrypted for `context`.
    pub(crate) fn decrypt(&self, context: &str, text: &str) -> Result<Vec<u8>, CryptError> {
        let (id, sealed) = text.split_once('.').ok_or(CryptError::Broken)?;
        let mut keys = self.previous.iter().chain([&self.current]);
        let key = keys
            .find(|key| key.id == id)
            .ok_or_else(|| CryptError::OtherKey(id.to_owned()))?;
        let sealed = STANDARD.decode(sealed).map_err(|_| CryptError::Broken)?;
        let (nonce, sealed) = sealed.split_first_chunk::<12>().ok_or(CryptError::Broken)?;
        let payload = Payload {
            msg: sealed,
            aad: context.as_bytes(),
        };
        key.cipher
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| CryptError::Broken)
    }

    /// The same value under the key of now. `nonce` must be fresh.
    pub(crate) fn reencrypt(&self, context: &str, text: &str, nonce: [u8; 12]) -> Result<String, CryptError> {
        let plain = Zeroizing::new(self.decrypt(context, text)?);
        Ok(self.encrypt(context, &plain, nonce))
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

/// The place of the access token that a project, or a look at a repository, has for one repository.
pub(crate) fn repository_context(owner: &str, repository: &RepositoryUrl) -> String {
    format!("repository/{owner}/{repository}")
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
    fn key_before_opens_what_it_encrypted_until_it_goes() {
        let old = DataKey::new([1; 32]).encrypt("hook/1", b"secret", [2; 12]);
        let both = DataKey::new([3; 32]).after([1; 32]);
        assert_eq!(both.decrypt("hook/1", &old), Ok(b"secret".to_vec()));
        let anew = both.reencrypt("hook/1", &old, [4; 12]).unwrap();
        assert!(anew.starts_with(both.id()) && old.starts_with(both.previous_id().unwrap()));
        assert_eq!(both.reencrypt("hook/2", &old, [4; 12]), Err(CryptError::Broken));
        let alone = DataKey::new([3; 32]);
        assert_eq!(alone.decrypt("hook/1", &anew), Ok(b"secret".to_vec()));
        assert!(matches!(
            alone.decrypt("hook/1", &old),
            Err(CryptError::OtherKey(_))
        ));
        assert_eq!(DataKey::new([3; 32]).after([3; 32]).previous_id(), None);
    }

    #[test]
    fn csrf_token_is_the_session_s_own() {
        assert_eq!(csrf_token("a"), csrf_token("a"));
        assert_ne!(csrf_token("a"), csrf_token("b"));
    }
}
