//! The Durable Object that computes password hashes: an object has 30 s of CPU, where a request of the free plan has
//! 10 ms. It also counts failed attempts: those at passwords in memory, for a lock that ends early with the object does
//! little harm there; those at codes in its storage, for a million codes are few and an idle object forgets. And it keeps
//! what strangers must not be able to fill a database with: refusals until they go on record, logins until they are let in.

use super::kept::Kept;
use super::password;
use crate::config::Config;
use crate::platform;
use crate::store::{Db, activity};
use devflow_domain::attempts::{self, Attempts, CodeAttempts, Counter};
use devflow_domain::login::{Login, Logins, NotTaken, Standing, UserCode};
use devflow_domain::refusals::{Record, Refusal, Refusals};
use devflow_protocol::UnixMillis;
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
    TryCode {
        user: String,
        /// The mark of a device that the account knows.
        device: Option<String>,
    },
    /// The attempt succeeded.
    CodeFitted { user: String, device: Option<String> },
    /// Counts a refusal.
    Refused { refusal: Refusal },
    /// Lets a login wait.
    AddLogin { login: Login },
    /// The login of a code that waits.
    OpenLogin { code: UserCode },
    /// Answers it: with the encrypted key, or no.
    AnswerLogin { code: UserCode, key: Option<String> },
    /// The device of a login asks, by the hash of what it asks with.
    CollectLogin { device: String },
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
    /// There is none, or another one in its place.
    None,
    Login {
        login: Login,
    },
    Standing {
        standing: Standing,
    },
}

#[durable_object]
pub struct Auth {
    state: State,
    env: Env,
    attempts: RefCell<Attempts>,
    refusals: Kept<Refusals>,
    logins: Kept<Logins>,
}

impl DurableObject for Auth {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            attempts: RefCell::default(),
            refusals: Kept::new("refusals"),
            logins: Kept::new("logins"),
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
            Ask::TryCode { user, device } => {
                self.try_code(&CodeAttempts::key(&user, device.as_deref()))
                    .await?
            }
            Ask::CodeFitted { user, device } => {
                let key = CodeAttempts::key(&user, device.as_deref());
                self.state.storage().delete(&key).await?;
                Reply::Done
            }
            Ask::Refused { refusal } => self.count_refusal(&refusal).await?,
            Ask::AddLogin { login } => self.add_login(login).await?,
            Ask::OpenLogin { code } => {
                self.logins.load(&self.state.storage()).await?;
                let open = self
                    .logins
                    .with(|logins| logins.open(&code, platform::now()).cloned());
                open.map_or(Reply::None, |login| Reply::Login { login })
            }
            Ask::AnswerLogin { code, key } => self.answer_login(&code, key).await?,
            Ask::CollectLogin { device } => self.ask_login(&device).await?,
        };
        Response::from_json(&reply)
    }

    /// Refusals of a minute go on record.
    async fn alarm(&self) -> Result<Response> {
        let (storage, now) = (self.state.storage(), platform::now());
        self.refusals.load(&storage).await?;
        let minute = self.minute_ms();
        let records = self.refusals.with(|refusals| refusals.close(minute, now));
        if let Err(error) = self.record(&records, now).await {
            platform::log_error(&format!(
                "refusals did not go on record, and will with the next: {error}"
            ));
            self.refusals
                .with(|refusals| refusals.reopen(&records, is_stranger, now));
        }
        self.refusals.store(&storage).await?;
        self.ring().await?;
        Response::ok("recorded")
    }
}

fn is_stranger(actor: &str) -> bool {
    actor == activity::STRANGER
}

/// A refusal as a row of what was done.
fn row(record: &Record, now: UnixMillis) -> crate::store::Statement {
    let Refusal { actor, action, code } = &record.refusal;
    activity::record(
        now,
        actor,
        &format!("refusal.{code}"),
        action,
        &record.times.to_string(),
    )
}

impl Auth {
    /// For how long refusals are counted before they go on record, in milliseconds.
    fn minute_ms(&self) -> i64 {
        Config::of(&self.env).map_or(60_000, |config| config.refusals_ms)
    }

    async fn record(&self, records: &[Record], now: UnixMillis) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let batch = records.iter().map(|record| row(record, now)).collect();
        let written = Db::new(self.env.d1("DB")?).batch(batch).await;
        written
            .map(drop)
            .map_err(|error| worker::Error::RustError(error.to_string()))
    }

    async fn count_refusal(&self, refusal: &Refusal) -> Result<Reply> {
        let (storage, now) = (self.state.storage(), platform::now());
        self.refusals.load(&storage).await?;
        let stranger = is_stranger(&refusal.actor);
        let keep = self
            .refusals
            .with(|refusals| refusals.add(refusal, stranger, now));
        if keep {
            self.refusals.store(&storage).await?;
            self.ring().await?;
        }
        Ok(Reply::Done)
    }

    /// Sets the alarm for the next record, unless it rings before that anyway.
    async fn ring(&self) -> Result<()> {
        let minute = self.minute_ms();
        let Some(due) = self.refusals.with(|refusals| refusals.due(minute)) else {
            return Ok(());
        };
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none_or(|set| set > due.0) {
            storage.set_alarm(due.since(platform::now()).max(1)).await?;
        }
        Ok(())
    }

    async fn add_login(&self, login: Login) -> Result<Reply> {
        let storage = self.state.storage();
        self.logins.load(&storage).await?;
        match self.logins.with(|logins| logins.add(login, platform::now())) {
            Ok(()) => self.logins.store(&storage).await.map(|()| Reply::Done),
            Err(NotTaken::CodeTaken) => Ok(Reply::None),
            Err(NotTaken::Full(seconds)) => Ok(Reply::Wait { seconds }),
        }
    }

    async fn answer_login(&self, code: &UserCode, key: Option<String>) -> Result<Reply> {
        let storage = self.state.storage();
        self.logins.load(&storage).await?;
        if !self
            .logins
            .with(|logins| logins.answer(code, key, platform::now()))
        {
            return Ok(Reply::None);
        }
        self.logins.store(&storage).await.map(|()| Reply::Done)
    }

    async fn ask_login(&self, device: &str) -> Result<Reply> {
        let storage = self.state.storage();
        self.logins.load(&storage).await?;
        let standing = self.logins.with(|logins| logins.ask(device, platform::now()));
        if matches!(standing, Standing::Key(_) | Standing::Refused) {
            self.logins.store(&storage).await?;
        }
        Ok(Reply::Standing { standing })
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
    async fn try_code(&self, key: &str) -> Result<Reply> {
        let storage = self.state.storage();
        let before: CodeAttempts = storage.get(key).await?.unwrap_or_default();
        match before.tried(platform::now()) {
            Ok(after) => storage.put(key, after).await.map(|()| Reply::Done),
            Err(seconds) => Ok(Reply::Wait { seconds }),
        }
    }
}
