//! What a browser answers, as it comes in a form: the JSON of the specification (sections 5.1 and 5.2).

use crate::error::ApiError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer};

/// The fields of a form that a passkey answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Answer {
    /// What came with the options, sealed.
    pub(crate) state: String,
    /// JSON.
    pub(crate) credential: String,
}

/// Bytes in URL-safe base64.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// A new key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Made {
    pub(super) response: MadeResponse,
    #[serde(default)]
    client_extension_results: Extensions,
}

#[derive(Debug, Deserialize)]
pub(super) struct MadeResponse {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data: Bytes,
    #[serde(rename = "attestationObject")]
    pub(super) attestation_object: Bytes,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    #[serde(default)]
    cred_props: CredentialProperties,
}

#[derive(Debug, Default, Deserialize)]
struct CredentialProperties {
    rk: Option<bool>,
}

/// Ways to reach a key that are kept, at most, and letters of one.
const TRANSPORTS: usize = 8;
const TRANSPORT_CHARS: usize = 20;

impl Made {
    /// True unless the browser says that the key does not know whose it is.
    pub(super) fn discoverable(&self) -> bool {
        self.client_extension_results.cred_props.rk != Some(false)
    }

    /// How the key is reached, as a JSON list. What is no plain word is left out: it is only a hint for browsers.
    pub(super) fn transports(&self) -> String {
        let plain = |word: &&String| {
            word.len() <= TRANSPORT_CHARS
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        let words: Vec<&String> = self
            .response
            .transports
            .iter()
            .filter(plain)
            .take(TRANSPORTS)
            .collect();
        serde_json::to_string(&words).expect("words are plain texts")
    }
}

/// A key that was used.
#[derive(Debug, Deserialize)]
pub(super) struct Given {
    pub(super) id: Bytes,
    pub(super) response: GivenResponse,
}

#[derive(Debug, Deserialize)]
pub(super) struct GivenResponse {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data: Bytes,
    #[serde(rename = "authenticatorData")]
    pub(super) authenticator_data: Bytes,
    pub(super) signature: Bytes,
    #[serde(rename = "userHandle")]
    pub(super) user_handle: Option<Bytes>,
}

impl Answer {
    /// Reads the JSON.
    pub(super) fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ApiError> {
        serde_json::from_str(&self.credential).map_err(|error| {
            ApiError::invalid("credential", format!("it is not what a browser answers: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(credential: &str) -> Answer {
        Answer {
            state: String::new(),
            credential: credential.to_owned(),
        }
    }

    #[test]
    fn made_keeps_plain_transports_and_takes_a_key_as_discoverable_unless_told_otherwise() {
        let made = |more: &str, rest: &str| {
            let text = format!(
                r#"{{"id":"AQ","type":"public-key","response":{{"clientDataJSON":"e30","attestationObject":"oA"{more}}}{rest}}}"#
            );
            let answer = answer(&text);
            let made: Made = answer.read().unwrap();
            (made.transports(), made.discoverable())
        };
        assert_eq!(made("", ""), ("[]".to_owned(), true));
        assert_eq!(
            made(
                r#","transports":["usb","smart-card","<b>",""],"publicKeyAlgorithm":-7"#,
                r#","clientExtensionResults":{"credProps":{"rk":false},"other":1}"#
            ),
            (r#"["usb","smart-card",""]"#.to_owned(), false)
        );
    }

    #[test]
    fn answers_that_no_browser_gives_are_refused_in_words() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"id":"AQ","response":{"clientDataJSON":"e30="}}"#,
            r#"{"id":"A Q","response":{"clientDataJSON":"","authenticatorData":"","signature":""}}"#,
        ] {
            let answer = answer(text);
            let error = answer.read::<Given>().unwrap_err();
            assert!(error.detail().contains("not what a browser answers"), "{text}");
        }
    }
}
