//! Who this runner is and whom it trusts: its keys and what it pinned at enrolment.
//!
//! Everything is in `state_dir/identity.json` (0600), so that a crash never leaves keys and pins that do not
//! belong together. The key for repositories outlives an enrolment and has files of its own, see [`deploy_key`].

pub(crate) mod deploy_key;

use crate::entropy;
use crate::files;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::keys::{Pins, read_key, write_key};
use devflow_protocol::runner_api::EnrolAnswer;
use devflow_protocol::seal;
use devflow_protocol::{ServerId, UnixMillis};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const VERSION: u16 = 1;

/// Why there is no usable identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// No enrolment yet.
    #[error(
        "this server is not enrolled: {0} is missing; run the enrolment command that the dashboard shows"
    )]
    NotEnrolled(PathBuf),
    /// The file or its folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{0} is damaged ({1}); enrol again with `--force`")]
    Damaged(PathBuf, String),
}

/// The private keys of a runner, made at enrolment.
#[derive(Clone)]
pub(crate) struct Keys {
    /// Signs requests.
    pub(crate) signing: SigningKey,
    /// Opens sealed values (X25519).
    pub(crate) sealing: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// New keys.
    pub(crate) fn generate() -> Self {
        Self {
            signing: SigningKey::from_bytes(&entropy::bytes()),
            sealing: Zeroizing::new(entropy::bytes()),
        }
    }

    /// The public halves in base64: Ed25519, X25519.
    pub(crate) fn public(&self) -> (String, String) {
        let sealing = seal::public_key(&self.sealing).expect("32 bytes are a private X25519 key");
        (
            STANDARD.encode(self.signing.verifying_key().as_bytes()),
            STANDARD.encode(sealing),
        )
    }
}

/// Keys and pins of an enrolled runner.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Where the edge was at enrolment.
    pub(crate) edge_url: String,
    /// This server.
    pub(crate) server: ServerId,
    /// Which edge it is, and which keys of it are trusted.
    pub(crate) pins: Pins,
    /// When it enrolled, by the edge's clock.
    pub(crate) enrolled_at: UnixMillis,
    /// Its own keys.
    pub(crate) keys: Keys,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("edge_url", &self.edge_url)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    version: u16,
    edge_url: String,
    edge: String,
    server: ServerId,
    job_key: String,
    /// Left out until a statement told it, so that an earlier version reads what it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recovery: Option<Recovery>,
    enrolled_at: UnixMillis,
    signing_key: Zeroizing<String>,
    sealing_key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recovery {
    key: String,
    /// When it signed last, as far as this server knows.
    last: UnixMillis,
}

/// Where the identity is kept.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("identity.json")
}

impl Identity {
    /// What an enrolment ended with. `job_key` is the answer's, compared with the fingerprint already.
    pub(crate) fn new(edge_url: &str, answer: EnrolAnswer, job_key: VerifyingKey, keys: Keys) -> Self {
        Self {
            edge_url: edge_url.to_owned(),
            server: answer.server,
            pins: Pins {
                edge: answer.edge,
                job_key,
                recovery_key: None,
                recovered_at: UnixMillis(0),
            },
            enrolled_at: answer.now,
            keys,
        }
    }

    /// Reads the identity of this server.
    pub(crate) fn load(state_dir: &Path) -> Result<Self, IdentityError> {
        let path = path(state_dir);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IdentityError::NotEnrolled(path));
            }
            Err(source) => return Err(IdentityError::Io { path, source }),
        };
        read(&text).map_err(|reason| IdentityError::Damaged(path, reason))
    }

    /// Writes the identity, over an earlier one.
    pub(crate) fn save(&self, state_dir: &Path) -> Result<(), IdentityError> {
        let path = path(state_dir);
        let file = IdentityFile {
            version: VERSION,
            edge_url: self.edge_url.clone(),
            edge: self.pins.edge.clone(),
            server: self.server.clone(),
            job_key: write_key(&self.pins.job_key),
            recovery: self.pins.recovery_key.as_ref().map(|key| Recovery {
                key: write_key(key),
                last: self.pins.recovered_at,
            }),
            enrolled_at: self.enrolled_at,
            signing_key: Zeroizing::new(STANDARD.encode(self.keys.signing.to_bytes())),
            sealing_key: Zeroizing::new(STANDARD.encode(self.keys.sealing.as_slice())),
        };
        let text = serde_json::to_vec_pretty(&file).expect("texts and numbers are JSON");
        files::private_dir(state_dir)
            .and_then(|()| files::write_private(&path, &Zeroizing::new(text)))
            .map_err(|source| IdentityError::Io { path, source })
    }
}

fn read(text: &str) -> Result<Identity, String> {
    let file: IdentityFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!("version {} is not known", file.version));
    }
    let recovery_key = file.recovery.as_ref().map(|recovery| {
        read_key(&recovery.key).ok_or_else(|| "the recovery key is not an Ed25519 key".to_owned())
    });
    Ok(Identity {
        pins: Pins {
            edge: file.edge,
            job_key: read_key(&file.job_key).ok_or("`job_key` is not an Ed25519 key")?,
            recovery_key: recovery_key.transpose()?,
            recovered_at: file.recovery.map_or(UnixMillis(0), |recovery| recovery.last),
        },
        keys: Keys {
            signing: SigningKey::from_bytes(
                &*key_bytes(&file.signing_key).ok_or("`signing_key` is not 32 bytes in base64")?,
            ),
            sealing: key_bytes(&file.sealing_key).ok_or("`sealing_key` is not 32 bytes in base64")?,
        },
        edge_url: file.edge_url,
        server: file.server,
        enrolled_at: file.enrolled_at,
    })
}

fn key_bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_gives_back_what_was_saved_and_names_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(
            Identity::load(folder.path()),
            Err(IdentityError::NotEnrolled(_))
        ));
        let keys = Keys::generate();
        let answer = EnrolAnswer {
            server: ServerId::new(UnixMillis(1), [1; 10]),
            edge: "edge-1".into(),
            job_key: String::new(),
            now: UnixMillis(5),
        };
        let job_key = Keys::generate().signing.verifying_key();
        let mut saved = Identity::new("https://e.test", answer, job_key, keys.clone());
        for recovered_at in [0, 9] {
            saved.save(folder.path()).expect("saved");
            let loaded = Identity::load(folder.path()).expect("loaded");
            assert_eq!(loaded.keys.public(), keys.public());
            assert_eq!(
                (&loaded.edge_url, &loaded.server, &loaded.pins, loaded.enrolled_at),
                (&saved.edge_url, &saved.server, &saved.pins, saved.enrolled_at)
            );
            assert_eq!(loaded.pins.recovered_at, UnixMillis(recovered_at));
            saved.pins.recovery_key = Some(Keys::generate().signing.verifying_key());
            saved.pins.recovered_at = UnixMillis(9);
        }

        std::fs::write(path(folder.path()), "{}").expect("written");
        let error = Identity::load(folder.path()).expect_err("damaged").to_string();
        assert!(error.ends_with("enrol again with `--force`"), "{error}");
    }
}
