//! The Hub's Durable Object: held polls, wake-ups, notices over hibernating sockets, what was last heard of servers, and
//! an alarm that finds silent ones and closes the sockets of sessions that are over. What it knows is in memory; nothing
//! is lost with it, for the truth is in the database.

use super::waiters::{Waiters, Wake};
use super::{CLOSE, CONTACTS, LIVE, SIGNAL, WAIT, WATCH};
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
    /// Silence after which a server is missing, in milliseconds.
    missing_after: i64,
}

impl DurableObject for Hub {
    fn new(state: State, env: Env) -> Self {
        Self {
            missing_after: Config::missing_after_ms(&env),
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
                if let Ok(told) = serde_json::from_str(&one("told")) {
                    self.waiters.borrow_mut().told(&one("server"), told);
                }
                self.wait(
                    &one("server"),
                    &one("session"),
                    one("hold_ms").parse().unwrap_or(0),
                )
                .await
            }
            SIGNAL => self.signal(&all("server"), &all("topic")),
            WATCH => self.watch(&one("topic")),
            CONTACTS => self.contacts(&all("server")),
            LIVE => {
                let ends_at = UnixMillis(one("ends_at").parse().unwrap_or(0));
                self.live(&one("login"), ends_at, &all("topic")).await
            }
            CLOSE => self.close(&one("login")),
            _ => Response::error("there is nothing at this address", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let now = platform::now();
        let next_end = self.close_ended(now);
        let missing_after = self.missing_after;
        let db = Db::new(self.env.d1("DB")?);
        let online: Vec<crate::store::IdRow> = db.all(servers::online()).await.map_err(in_words)?;
        let silent: Vec<&crate::store::IdRow> = online
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
        let next_look = (online.len() > silent.len()).then(|| now.plus(self.look_ms()));
        if let Some(next) = next_look.into_iter().chain(next_end).min() {
            self.ring_at(next).await?;
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

    /// Between two looks for silent servers.
    fn look_ms(&self) -> i64 {
        LOOK_MS.min(self.missing_after / 2).max(1)
    }

    async fn look_later(&self) -> Result<()> {
        self.ring_at(platform::now().plus(self.look_ms())).await
    }

    /// Sets the alarm, unless it rings before that anyway.
    async fn ring_at(&self, at: UnixMillis) -> Result<()> {
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none_or(|set| set > at.0) {
            storage.set_alarm(at.since(platform::now()).max(1)).await?;
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
        let now = platform::now();
        for topic in topics {
            let notice = serde_json::json!({ "topic": topic }).to_string();
            for socket in self.state.get_websockets_with_tag(topic) {
                if ends_at(&socket).is_some_and(|at| at <= now) {
                    close(&socket, "session over");
                    continue;
                }
                // A socket that has just gone is the runtime's to clean up.
                let _ = socket.send_with_str(&notice);
            }
        }
    }

    fn contacts(&self, servers: &[String]) -> Result<Response> {
        let waiters = self.waiters.borrow();
        let heard = servers
            .iter()
            .filter_map(|server| Some((server, waiters.of(server)?)))
            .collect::<HashMap<_, _>>();
        Response::from_json(&heard)
    }

    async fn live(&self, login: &str, ends_at: UnixMillis, topics: &[String]) -> Result<Response> {
        let pair = WebSocketPair::new()?;
        let mut tags: Vec<&str> = topics.iter().map(String::as_str).collect();
        tags.push(login);
        self.state.accept_websocket_with_tags(&pair.server, &tags);
        pair.server.serialize_attachment(ends_at)?;
        self.ring_at(ends_at).await?;
        Response::from_websocket(pair.client)
    }

    fn close(&self, login: &str) -> Result<Response> {
        for socket in self.state.get_websockets_with_tag(login) {
            close(&socket, "signed out");
        }
        Response::empty()
    }

    /// Closes the sockets whose sessions are over; gives when the next one is.
    fn close_ended(&self, now: UnixMillis) -> Option<UnixMillis> {
        let mut next = None;
        for socket in self.state.get_websockets() {
            match ends_at(&socket) {
                Some(at) if at <= now => close(&socket, "session over"),
                at => next = next.into_iter().chain(at).min(),
            }
        }
        next
    }
}

/// When a socket's session is over. What has been used since then is open again: its page comes back by itself.
fn ends_at(socket: &WebSocket) -> Option<UnixMillis> {
    socket.deserialize_attachment().ok().flatten()
}

/// Closes a socket for good, with the code for a policy (RFC 6455), by which the page knows why.
fn close(socket: &WebSocket, why: &str) {
    // One that has just gone is the runtime's to clean up.
    let _ = socket.close(Some(1008), Some(why));
}
