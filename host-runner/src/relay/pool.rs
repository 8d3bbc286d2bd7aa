//! The replicas behind a socket: whose turn it is, where each is, and what it has to answer.

use super::ROUND;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Until a replica has taken a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long a name's address holds: a replica that is restarted may get another one.
const ADDRESS_AGE: Duration = Duration::from_secs(1);

/// Where a replica listens.
#[derive(Debug)]
pub(crate) struct Target {
    host: String,
    port: u16,
    address: Mutex<Option<(SocketAddr, Instant)>>,
    /// Connections that it has, or is about to have.
    open: AtomicUsize,
    away: AtomicBool,
    /// Told where one ends that is to be left alone.
    pub(super) quiet: Arc<Notify>,
}

impl Clone for Target {
    fn clone(&self) -> Self {
        Self::new(self.host.clone(), self.port)
    }
}

/// A connection to a replica counts as long as this is there.
#[derive(Debug)]
pub(super) struct Count(Arc<Target>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
        if self.0.away.load(Ordering::SeqCst) {
            self.0.quiet.notify_one();
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty()).then(|| (host.to_owned(), port))
        };
        let (host, port) = read().ok_or("expected a host and a port, such as web-1:8080")?;
        Ok(Self::new(host, port))
    }
}

impl Target {
    fn new(host: String, port: u16) -> Self {
        Self {
            host,
            port,
            address: Mutex::default(),
            open: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            quiet: Arc::default(),
        }
    }

    /// Counts first and looks then, as [`Self::leave`] does the other way round: one of both sees the other.
    async fn take(self: &Arc<Self>) -> io::Result<(TcpStream, Count)> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let count = Count(Arc::clone(self));
        if self.away.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok((self.connect().await?, count))
    }

    /// Leaves it alone, or no more; true where it is and has nothing to answer.
    pub(super) fn leave(&self, away: bool) -> bool {
        self.away.store(away, Ordering::SeqCst);
        away && self.open() == 0
    }

    /// How many connections it has, or is about to have.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = async {
            let address = self.address().await?;
            TcpStream::connect(address).await
        };
        let stream = match timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(stream)) => stream,
            other => {
                *self.address.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return other.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn address(&self) -> io::Result<SocketAddr> {
        let known = *self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((address, at)) = known
            && at.elapsed() < ADDRESS_AGE
        {
            return Ok(address);
        }
        let found = lookup_host((self.host.as_str(), self.port)).await?.next();
        let address = found.ok_or(io::ErrorKind::NotFound)?;
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some((address, Instant::now()));
        Ok(address)
    }
}

/// Replicas that share connections.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) targets: Vec<Arc<Target>>,
    next: AtomicUsize,
    patience: Duration,
}

impl Pool {
    pub(super) fn new(targets: Vec<Target>, patience: Duration) -> Self {
        Self {
            targets: targets.into_iter().map(Arc::new).collect(),
            next: AtomicUsize::new(0),
            patience,
        }
    }

    pub(super) async fn connect(&self) -> io::Result<(TcpStream, Count)> {
        let begun = Instant::now();
        loop {
            let first = self.next.fetch_add(1, Ordering::Relaxed);
            let mut refused = io::ErrorKind::NotFound.into();
            for offset in 0..self.targets.len() {
                let target = &self.targets[first.wrapping_add(offset) % self.targets.len()];
                match target.take().await {
                    Ok(taken) => return Ok(taken),
                    Err(error) => refused = error,
                }
            }
            if begun.elapsed() >= self.patience {
                return Err(refused);
            }
            sleep(ROUND).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_needs_a_host_and_a_port() {
        for text in ["", "a", "a:", ":1", "a:0", "a:70000"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        let target: Target = "shop-web-1:8080".parse().expect("a target");
        assert_eq!((target.host.as_str(), target.port), ("shop-web-1", 8080));
    }
}
