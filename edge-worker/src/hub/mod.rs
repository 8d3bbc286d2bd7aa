//! The Hub as the rest of the Worker sees it: one Durable Object for the fleet that holds polls and sends notices.
//! It carries no data: who is woken asks the database.

mod object;
mod waiters;

pub(crate) use waiters::{Contact, Told};

use crate::gather::{self, Gathered};
use crate::platform;
use devflow_protocol::{ServerId, UnixMillis};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use worker::{Env, Method, Request, RequestInit, Response};

/// Path of a held poll.
const WAIT: &str = "/wait";
/// Path of a signal.
const SIGNAL: &str = "/signal";
/// Path that notes who follows a topic by asking again and again.
const WATCH: &str = "/watch";
/// Path of what was last heard of servers.
const CONTACTS: &str = "/contacts";
/// Path of a live socket.
const LIVE: &str = "/live";
/// Path that closes the live sockets of a sign-in.
const CLOSE: &str = "/close";

/// Signals that go along in one, for they are in its address.
const AT_ONCE: usize = 64;

/// Whom a signal wakes, and what it is about.
#[derive(Default)]
struct Signal {
    servers: BTreeSet<String>,
    topics: BTreeSet<String>,
}

thread_local! {
    static SIGNALS: gather::Place<Signal> = const { RefCell::new(Gathered::new(AT_ONCE)) };
}

/// Why a held poll came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// There may be a job.
    Woken,
    /// The time is over.
    TimedOut,
    /// A newer session of the same server polls.
    Superseded,
    /// The Hub does not answer.
    Unavailable,
}

impl Signal {
    fn new(server: Option<String>, topics: Vec<String>) -> Self {
        Self {
            servers: server.into_iter().collect(),
            topics: topics.into_iter().collect(),
        }
    }

    fn all_of(signals: &mut [Self]) -> Self {
        let mut all = Self::default();
        for signal in signals {
            all.servers.append(&mut signal.servers);
            all.topics.append(&mut signal.topics);
        }
        all
    }
}

/// [`Hub::signal`] after the answer was sent, together with the signals of requests that come meanwhile.
pub(crate) fn signal_after_answer(env: &Env, server: Option<String>, topics: Vec<String>) {
    let env = env.clone();
    gather::hand_over(&SIGNALS, Signal::new(server, topics), async move |mut signals| {
        for some in signals.chunks_mut(AT_ONCE) {
            Hub::new(&env).send_signal(&Signal::all_of(some)).await;
        }
    });
}

/// A way to the Hub.
pub(crate) struct Hub<'a> {
    env: &'a Env,
}

impl<'a> Hub<'a> {
    pub(crate) fn new(env: &'a Env) -> Self {
        Self { env }
    }

    async fn send(&self, path: &str, query: &[(&str, &str)]) -> worker::Result<Response> {
        let mut url = worker::Url::parse(&format!("https://hub{path}"))?;
        url.query_pairs_mut().extend_pairs(query);
        let mut init = RequestInit::new();
        init.with_method(Method::Post);
        let request = Request::new_with_init(url.as_str(), &init)?;
        self.env
            .durable_object("HUB")?
            .get_by_name("hub")?
            .fetch_with_request(request)
            .await
    }

    /// Waits until `server` is woken, for at most `hold_ms`; `told` is what its runner says of it.
    pub(crate) async fn wait(&self, server: &str, session: &str, hold_ms: i64, told: &Told) -> Held {
        let hold = hold_ms.to_string();
        let told = serde_json::to_string(told).ok();
        let mut query = vec![("server", server), ("session", session), ("hold_ms", &hold)];
        query.extend(told.as_deref().map(|told| ("told", told)));
        match self.send(WAIT, &query).await {
            Ok(answer) => match answer.status_code() {
                200 => Held::Woken,
                204 => Held::TimedOut,
                409 => Held::Superseded,
                status => {
                    platform::log_error(&format!("the Hub answered a wait with {status}"));
                    Held::Unavailable
                }
            },
            Err(error) => {
                platform::log_error(&format!("the Hub cannot be reached: {error}"));
                Held::Unavailable
            }
        }
    }

    /// Wakes a server's polls and tells who watches the topics. Who misses it sees it with the next poll or load.
    /// True where somebody follows a deployment among the topics.
    pub(crate) async fn signal(&self, server: Option<String>, topics: Vec<String>) -> bool {
        self.send_signal(&Signal::new(server, topics)).await
    }

    async fn send_signal(&self, signal: &Signal) -> bool {
        let servers = signal.servers.iter().map(|server| ("server", server.as_str()));
        let query: Vec<(&str, &str)> = servers
            .chain(signal.topics.iter().map(|topic| ("topic", topic.as_str())))
            .collect();
        match self.send(SIGNAL, &query).await {
            Ok(answer) => answer.status_code() == 200,
            Err(error) => {
                platform::log_error(&format!("the Hub could not be signalled: {error}"));
                false
            }
        }
    }

    /// Notes that somebody follows a topic who has no socket.
    pub(crate) async fn watch(&self, topic: &str) {
        if let Err(error) = self.send(WATCH, &[("topic", topic)]).await {
            platform::log_error(&format!("the Hub was not told that {topic} is followed: {error}"));
        }
    }

    /// What was last heard of `servers`, by their ids. The Hub forgets it when it starts anew, until they poll again.
    pub(crate) async fn contacts(&self, servers: &[&ServerId]) -> HashMap<String, Contact> {
        let query: Vec<_> = servers.iter().map(|id| ("server", id.as_str())).collect();
        let asked = async { self.send(CONTACTS, &query).await?.json().await };
        asked.await.unwrap_or_else(|error| {
            platform::log_error(&format!("the Hub did not say what it heard of servers: {error}"));
            HashMap::new()
        })
    }

    /// Hands a live socket over to the Hub, which closes it when the session ends.
    pub(crate) async fn live(
        &self,
        login: &str,
        ends_at: UnixMillis,
        topics: &[String],
    ) -> worker::Result<Response> {
        let mut url = worker::Url::parse(&format!("https://hub{LIVE}"))?;
        url.query_pairs_mut()
            .append_pair("login", login)
            .append_pair("ends_at", &ends_at.0.to_string())
            .extend_pairs(topics.iter().map(|topic| ("topic", topic)));
        let headers = worker::Headers::new();
        headers.set("upgrade", "websocket")?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let request = Request::new_with_init(url.as_str(), &init)?;
        self.env
            .durable_object("HUB")?
            .get_by_name("hub")?
            .fetch_with_request(request)
            .await
    }

    /// Closes the live sockets of a sign-in that has ended.
    pub(crate) async fn close(&self, login: &str) {
        if let Err(error) = self.send(CLOSE, &[("login", login)]).await {
            platform::log_error(&format!("the Hub could not close a session's sockets: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_go_along_name_each_server_and_topic_once() {
        let mut signals = [("one", "fleet"), ("two", "project:a"), ("one", "project:b")]
            .map(|(server, topic)| Signal::new(Some(server.to_owned()), vec![topic.to_owned()]));
        let all = Signal::all_of(&mut signals);
        assert_eq!(Vec::from_iter(all.servers), ["one", "two"]);
        assert_eq!(Vec::from_iter(all.topics), ["fleet", "project:a", "project:b"]);
    }
}
