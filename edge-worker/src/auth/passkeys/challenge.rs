//! Challenges: random, for one purpose in one session or browser, good for five minutes, and answered once.
//!
//! Nothing is stored of those that nobody answers, so that strangers who ask for many fill no table: what a challenge
//! is for goes along with it, sealed. Which were answered is stored until they are over.

use crate::app::AppState;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::store::{Statement, passkeys as store};
use devflow_domain::passkey::{CHALLENGE_BYTES, CHALLENGE_MS};
use devflow_protocol::{UnixMillis, UserId};
use serde::{Deserialize, Serialize};

/// The place of what is sealed.
const CONTEXT: &str = "passkey/challenge";

/// What a challenge is for, and who may answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(super) enum For {
    /// Adding a passkey, in the session of that id.
    Adding { login: String },
    /// Saying again who one is, in the session of that id.
    Proving { login: String },
    /// Signing in alone, in the browser whose cookie has that hash.
    Alone { browser: String },
    /// The second step of signing in, which says who knew the password.
    AfterPassword { user: UserId, password: String },
}

/// A challenge that was made out here.
#[derive(Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) purpose: For,
    pub(super) bytes: [u8; CHALLENGE_BYTES],
    at: UnixMillis,
}

fn too_late() -> ApiError {
    ApiError::Unauthenticated(
        "too_late",
        "That took too long, or belongs to another page; try again.".to_owned(),
    )
}

impl Challenge {
    pub(super) fn new(purpose: For) -> Self {
        Self {
            purpose,
            bytes: platform::entropy(),
            at: platform::now(),
        }
    }

    /// As it goes to the browser and comes back.
    pub(super) fn seal(&self, state: &AppState) -> Result<String, ApiError> {
        let plain = serde_json::to_vec(self).map_err(|error| ApiError::Internal(error.to_string()))?;
        Ok(state
            .config
            .data_key
            .encrypt(CONTEXT, &plain, platform::entropy()))
    }

    /// One that came back in time.
    pub(super) fn open(state: &AppState, sealed: &str) -> Result<Self, ApiError> {
        let plain = state
            .config
            .data_key
            .decrypt(CONTEXT, sealed)
            .map_err(|_| too_late())?;
        let challenge: Self = serde_json::from_slice(&plain).map_err(|_| too_late())?;
        let age = platform::now().since(challenge.at);
        if (0..=CHALLENGE_MS).contains(&age) {
            Ok(challenge)
        } else {
            Err(too_late())
        }
    }

    /// The same, for that purpose alone.
    pub(super) fn open_for(state: &AppState, sealed: &str, purpose: &For) -> Result<Self, ApiError> {
        let challenge = Self::open(state, sealed)?;
        if challenge.purpose == *purpose {
            Ok(challenge)
        } else {
            Err(too_late())
        }
    }

    /// Spends it; the same one a second time fails the whole batch.
    pub(super) fn spend(&self) -> Statement {
        store::spend(&crypt::hash(&self.bytes), self.at.plus(CHALLENGE_MS))
    }
}
