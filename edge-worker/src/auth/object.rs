//! The Durable Object that computes password hashes: an object has 30 s of CPU, where a request of the free plan has
//! 10 ms. It also counts failed attempts: those at passwords in memory, for a lock that ends early with the object does
//! little harm there; those at codes in its storage, for a million codes are few and an idle object forgets.

use super::password;
use crate::platform;
use devflow_domain::attempts::{self, Attempts, CodeAttempts, Counter};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

/// What the object is asked.
#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// The hash to store for a password.
    Hash { password: String },
    /// Whether a password fits. Without a hash the same time is spent for nothing, so that an unknown account
    /// cannot be told from a wrong password.
    Verify {
        account: String,
        address: String,
        /// The mark of a device that the account knows.
        device: Option<String>,
        password: String,
        stored: Option<String>,
    },
    /// Counts an attempt at a second factor; it is forgotten when it succeeds.
    TryCode { user: String },
    /// The attempt succeeded.
    CodeFitted { user: String },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Reply {
    Hash {
        hash: String,
    },
    Right,
    /// The password is wrong; `recorded` where this goes on record, with how many failures it was.
    Wrong {
        recorded: Option<usize>,
    },
    Wait {
        seconds: i64,
    },
    Done,
}

#[durable_object]
pub struct Auth {
    state: State,
    attempts: RefCell<Attempts>,
}

impl DurableObject for Auth {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            attempts: RefCell::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let reply = match request.json().await? {
            Ask::Hash { password } => Reply::Hash {
                hash: password::hash(&password, platform::entropy()),
            },
            Ask::Verify {
                account,
                address,
                device,
                password,
                stored,
            } => {
                let counters = attempts::of_password(&account, &address, device.as_deref());
                self.verify(&counters, &password, stored.as_deref())
            }
            Ask::TryCode { user } => self.try_code(&user).await?,
            Ask::CodeFitted { user } => {
                self.state.storage().delete(&CodeAttempts::key(&user)).await?;
                Reply::Done
            }
        };
        Response::from_json(&reply)
    }
}

impl Auth {
    fn verify(&self, counters: &[Counter], password: &str, stored: Option<&str>) -> Reply {
        let now = platform::now();
        let mut attempts = self.attempts.borrow_mut();
        if let Some(seconds) = attempts.wait_s(counters, now) {
            return Reply::Wait { seconds };
        }
        let ok = if let Some(stored) = stored {
            password::verify(password, stored)
        } else {
            password::hash(password, platform::entropy());
            false
        };
        if ok {
            attempts.succeeded(counters);
            return Reply::Right;
        }
        let count = attempts.failed(counters, now);
        Reply::Wrong {
            recorded: Some(count).filter(|count| attempts::is_recorded(*count)),
        }
    }

    /// Counts in the storage before the code is compared. Nobody comes between reading and writing: while an object
    /// waits for its storage, the runtime hands it no other request.
    async fn try_code(&self, user: &str) -> Result<Reply> {
        let (storage, key) = (self.state.storage(), CodeAttempts::key(user));
        let before: CodeAttempts = storage.get(&key).await?.unwrap_or_default();
        match before.tried(platform::now()) {
            Ok(after) => storage.put(&key, after).await.map(|()| Reply::Done),
            Err(seconds) => Ok(Reply::Wait { seconds }),
        }
    }
}
