//! The Durable Object that computes password hashes: an object has 30 s of CPU, where a request of the free plan has
//! 10 ms. It also counts failed attempts, in memory: a lock that ends early with the object does little harm.

use super::password::{self, Attempts};
use crate::platform;
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
        password: String,
        stored: Option<String>,
    },
}

/// What it answers.
#[derive(Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Reply {
    Hash { hash: String },
    Verified { ok: bool },
    Wait { seconds: i64 },
}

#[durable_object]
pub struct Auth {
    attempts: RefCell<Attempts>,
}

impl DurableObject for Auth {
    fn new(_state: State, _env: Env) -> Self {
        Self {
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
                password,
                stored,
            } => self.verify(&account.to_lowercase(), &address, &password, stored.as_deref()),
        };
        Response::from_json(&reply)
    }
}

impl Auth {
    fn verify(&self, account: &str, address: &str, password: &str, stored: Option<&str>) -> Reply {
        let now = platform::now();
        let mut attempts = self.attempts.borrow_mut();
        if let Some(seconds) = attempts.wait_s(account, address, now) {
            return Reply::Wait { seconds };
        }
        let ok = if let Some(stored) = stored {
            password::verify(password, stored)
        } else {
            password::hash(password, platform::entropy());
            false
        };
        if ok {
            attempts.succeeded(account, address);
        } else {
            attempts.failed(account, address, now);
        }
        Reply::Verified { ok }
    }
}
