//! The Hub's Durable Object: held polls, wake-ups, notices over hibernating sockets, and an alarm that finds
//! silent servers. What it knows is in memory; nothing is lost with it, for the truth is in the database.

use super::waiters::{Waiters, Wake};
use super::{CLOSE, LIVE, SIGNAL, WAIT, WATCH};
use crate::config::Config;
use crate::platform;
use crate::service::topics;
use crate::store::servers::LostRow;
use crate::store::{Db, InBatch as _, servers};
use devflow_protocol::UnixMillis;
use futures_util::future::{Either, select};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::time::Duration;
use worker::{
    Delay, DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    WebSocketPair, durable_object,
};

/// The longest time between two looks for silent servers, in milliseconds.
const LOOK_MS: i64 = 60_000;

/// Who asks for output without a socket is taken to follow it for this long, in milliseconds.
const WATCH_MS: i64 = 10_000;

#[durable_object]
pub struct Hub {
    state: State,
    env: Env,
    waiters: RefCell<Waiters>,
    /// Topics that are followed without a socket, and until when.
    watched: RefCell<HashMap<String, UnixMillis>>,
    started: UnixMillis,
}

impl DurableObject for Hub {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            waiters: RefCell::default(),
            watched: RefCell::default(),
            started: platform::now(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let url = request.url()?;
        let all = |name: &str| -> Vec<String> {
            url.query_pairs()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .collect()
        };
        let one = |name: &str| all(name).into_iter().next().unwrap_or_default();
        match url.path() {
            WAIT => {
                self.wait(
                    &one("server"),
                    &one("session"),
                    one("hold_ms").parse().unwrap_or(0),
                )
                .await
            }
            SIGNAL => self.signal(&all("server"), &all("topic")),
            WATCH => self.watch(&one("topic")),
            LIVE => self.live(&one("login"), &all("topic")),
            CLOSE => self.close(&one("login")),
            _ => Response::error("there is nothing at this address", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let now = platform::now();
        let config = Config::read(|name| self.env.var(name).ok().map(|value| value.to_string()));
        let missing_after = config.map_or(devflow_domain::queue::MISSING_AFTER_MS, |config| {
            config.missing_after_ms
        });
        let db = Db::new(self.env.d1("DB")?);
        let online: Vec<servers::IdRow> = db.all(servers::online()).await.map_err(in_words)?;
        let silent: Vec<&servers::IdRow> = online
            .iter()
            .filter(|server| {
                now.since(self.waiters.borrow().last_contact(&server.id, self.started)) > missing_after
            })
            .collect();
        let mut changed = BTreeSet::new();
        for server in &silent {
            let answers = db
                .batch(servers::mark_missing(&server.id, now).into())
                .await
                .map_err(in_words)?;
            changed.extend(topics(None, None));
            let lost: Vec<LostRow> = answers.first().rows().map_err(in_words)?;
            for row in lost {
                changed.extend(topics(Some(&row.project), Some(&row.id)));
            }
            platform::log_info(&format!(
                "server {} has been silent for {missing_after} ms",
                server.id
            ));
        }
        self.notify(&Vec::from_iter(changed));
        if online.len() > silent.len() {
            self.state
                .storage()
                .set_alarm(LOOK_MS.min(missing_after / 2).max(1))
                .await?;
        }
        Response::ok("looked")
    }

    /// Notices go one way; what a browser sends is not read.
    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _clean: bool,
    ) -> Result<()> {
        let _ = socket.close(Some(1000), Some("closed"));
        Ok(())
    }

    async fn websocket_error(&self, _socket: WebSocket, _error: worker::Error) -> Result<()> {
        Ok(())
    }
}

fn in_words(error: impl std::fmt::Display) -> worker::Error {
    worker::Error::RustError(error.to_string())
}

impl Hub {
    async fn wait(&self, server: &str, session: &str, hold_ms: u64) -> Result<Response> {
        self.look_later().await?;
        let woken = self.waiters.borrow_mut().wait(server, session, platform::now());
        let Some(woken) = woken else {
            return Response::empty();
        };
        let timer = pin!(Delay::from(Duration::from_millis(hold_ms)));
        let ended = match select(woken, timer).await {
            Either::Left((wake, _)) => wake.ok(),
            Either::Right(_) => None,
        };
        self.waiters.borrow_mut().contact(server, platform::now());
        match ended {
            Some(Wake::Look) => Response::empty(),
            Some(Wake::Superseded) => Ok(Response::empty()?.with_status(409)),
            None => Ok(Response::empty()?.with_status(204)),
        }
    }

    /// Sets the alarm where there is none.
    async fn look_later(&self) -> Result<()> {
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            let config = Config::read(|name| self.env.var(name).ok().map(|value| value.to_string()));
            let missing_after = config.map_or(devflow_domain::queue::MISSING_AFTER_MS, |config| {
                config.missing_after_ms
            });
            storage.set_alarm(LOOK_MS.min(missing_after / 2).max(1)).await?;
        }
        Ok(())
    }

    fn signal(&self, servers: &[String], topics: &[String]) -> Result<Response> {
        for server in servers {
            self.waiters.borrow_mut().wake(server);
        }
        self.notify(topics);
        let deployments = topics.iter().filter(|topic| topic.starts_with("deployment:"));
        if deployments.into_iter().any(|topic| self.is_watched(topic)) {
            Response::empty()
        } else {
            Ok(Response::empty()?.with_status(204))
        }
    }

    fn watch(&self, topic: &str) -> Result<Response> {
        let now = platform::now();
        let mut watched = self.watched.borrow_mut();
        watched.retain(|_, until| *until > now);
        watched.insert(topic.to_owned(), now.plus(WATCH_MS));
        Response::empty()
    }

    fn is_watched(&self, topic: &str) -> bool {
        let asked = self.watched.borrow().get(topic).copied();
        asked.is_some_and(|until| until > platform::now())
            || !self.state.get_websockets_with_tag(topic).is_empty()
    }

    fn notify(&self, topics: &[String]) {
        for topic in topics {
            let notice = serde_json::json!({ "topic": topic }).to_string();
            for socket in self.state.get_websockets_with_tag(topic) {
                // A socket that has just gone is the runtime's to clean up.
                let _ = socket.send_with_str(&notice);
            }
        }
    }

    fn live(&self, login: &str, topics: &[String]) -> Result<Response> {
        let pair = WebSocketPair::new()?;
        let mut tags: Vec<&str> = topics.iter().map(String::as_str).collect();
        tags.push(login);
        self.state.accept_websocket_with_tags(&pair.server, &tags);
        Response::from_websocket(pair.client)
    }

    fn close(&self, login: &str) -> Result<Response> {
        for socket in self.state.get_websockets_with_tag(login) {
            let _ = socket.close(Some(1008), Some("signed out"));
        }
        Response::empty()
    }
}
