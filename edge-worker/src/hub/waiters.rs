//! Who waits for what: the held polls of each server, and when each server was last heard of and how busy it was then.

use devflow_protocol::UnixMillis;
use devflow_protocol::runner_api::ServerLoad;
use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What a server's runner says of it with a poll. Shown, and used for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) load: Option<ServerLoad>,
    /// When an answer reached it last.
    pub(crate) answered_at: Option<UnixMillis>,
}

/// What was last heard of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) at: UnixMillis,
    pub(crate) told: Told,
}

/// Why a held poll ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There may be a job.
    Look,
    /// A newer session of the same server polls.
    Superseded,
}

struct Waiter {
    session: String,
    wake: oneshot::Sender<Wake>,
}

#[derive(Default)]
struct Server {
    waiters: Vec<Waiter>,
    /// A wake since the last wait began: so that one that comes between a runner's query and its wait is not lost.
    /// A wake that did reach a waiter is kept too, for that waiter may be a connection that is gone.
    permit: bool,
    last_contact: UnixMillis,
    told: Told,
}

/// The servers that have been heard of since this object started.
#[derive(Default)]
pub(crate) struct Waiters {
    servers: HashMap<String, Server>,
}

impl Waiters {
    /// Waits for a wake; None when there was one already. Older sessions' waits end.
    pub(crate) fn wait(
        &mut self,
        server: &str,
        session: &str,
        now: UnixMillis,
    ) -> Option<oneshot::Receiver<Wake>> {
        let entry = self.servers.entry(server.to_owned()).or_default();
        entry.last_contact = now;
        let (older, same): (Vec<_>, Vec<_>) = std::mem::take(&mut entry.waiters)
            .into_iter()
            .partition(|waiter| waiter.session.as_str() < session);
        for waiter in older {
            let _ = waiter.wake.send(Wake::Superseded);
        }
        entry.waiters = same
            .into_iter()
            .filter(|waiter| !waiter.wake.is_canceled())
            .collect();
        if std::mem::take(&mut entry.permit) {
            return None;
        }
        let (wake, woken) = oneshot::channel();
        entry.waiters.push(Waiter {
            session: session.to_owned(),
            wake,
        });
        Some(woken)
    }

    /// Ends all waits of a server.
    pub(crate) fn wake(&mut self, server: &str) {
        let entry = self.servers.entry(server.to_owned()).or_default();
        entry.permit = true;
        for waiter in entry.waiters.drain(..) {
            let _ = waiter.wake.send(Wake::Look);
        }
    }

    /// Notes that a server was heard of.
    pub(crate) fn contact(&mut self, server: &str, now: UnixMillis) {
        self.servers.entry(server.to_owned()).or_default().last_contact = now;
    }

    /// Notes what a server's runner says of it.
    pub(crate) fn told(&mut self, server: &str, told: Told) {
        self.servers.entry(server.to_owned()).or_default().told = told;
    }

    /// What was last heard of a server since this object started.
    pub(crate) fn of(&self, server: &str) -> Option<Contact> {
        let entry = self.servers.get(server)?;
        // A wake alone is no contact.
        (entry.last_contact > UnixMillis(0)).then_some(Contact {
            at: entry.last_contact,
            told: entry.told.clone(),
        })
    }

    /// When a server was last heard of, or when this object started if that is later. A poll that is being held is
    /// contact.
    pub(crate) fn last_contact(&self, server: &str, started: UnixMillis) -> UnixMillis {
        self.servers
            .get(server)
            .map_or(started, |entry| entry.last_contact.max(started))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn look(woken: Option<oneshot::Receiver<Wake>>) -> Option<Wake> {
        woken
            .expect("there was no wake yet")
            .now_or_never()
            .and_then(Result::ok)
    }

    #[test]
    fn wake_ends_a_wait_and_one_wait_after_it() {
        let mut waiters = Waiters::default();
        let woken = waiters.wait("srv", "ses_1", UnixMillis(1));
        waiters.wake("srv");
        assert_eq!(look(woken), Some(Wake::Look));
        assert!(waiters.wait("srv", "ses_1", UnixMillis(2)).is_none());
        assert_eq!(look(waiters.wait("srv", "ses_1", UnixMillis(3))), None);
    }

    #[test]
    fn wake_before_the_wait_is_not_lost() {
        let mut waiters = Waiters::default();
        waiters.wake("srv");
        waiters.wake("srv");
        assert!(waiters.wait("srv", "ses_1", UnixMillis(1)).is_none());
    }

    #[test]
    fn newer_session_ends_the_older_one_s_wait() {
        let mut waiters = Waiters::default();
        let older = waiters.wait("srv", "ses_1", UnixMillis(1));
        let newer = waiters.wait("srv", "ses_2", UnixMillis(2));
        assert_eq!((look(older), look(newer)), (Some(Wake::Superseded), None));
    }

    #[test]
    fn contact_is_what_was_heard_last_and_no_wake() {
        let mut waiters = Waiters::default();
        let told = Told {
            load: Some(ServerLoad::default()),
            answered_at: Some(UnixMillis(6)),
        };
        waiters.wake("srv");
        assert_eq!(waiters.of("srv"), None);
        waiters.told("srv", told.clone());
        let _held = waiters.wait("srv", "ses_1", UnixMillis(7));
        let heard = Contact {
            at: UnixMillis(7),
            told,
        };
        assert_eq!((waiters.of("srv"), waiters.of("other")), (Some(heard), None));
    }

    #[test]
    fn last_contact_of_an_unknown_server_is_the_start() {
        let mut waiters = Waiters::default();
        waiters.contact("a", UnixMillis(5));
        assert_eq!(waiters.last_contact("a", UnixMillis(1)), UnixMillis(5));
        assert_eq!(waiters.last_contact("b", UnixMillis(9)), UnixMillis(9));
    }
}
