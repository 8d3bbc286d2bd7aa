//! Passes connections on from Unix sockets to containers: what serves a project that speaks HTTP on a port of its own.
//! Runs in a container of the project, in its network.
//!
//! In scope: whole connections, one replica after the other, another one where a connection is refused; an end that loses
//! none. Not in scope: HTTP itself. Nginx opens a connection for each request, so that each request is passed on by itself.

mod pool;

pub(crate) use pool::Target;

use crate::files;
use pool::Pool;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The socket that Nginx connects to.
pub(crate) const SOCKET: &str = "http.sock";
/// How long a visitor waits where no replica takes a connection: a restart of the only one goes unnoticed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two rounds through all replicas.
const ROUND: Duration = Duration::from_millis(50);
/// At the end: no connection for so long means that none waits.
const LAST_CALL: Duration = Duration::from_millis(50);

/// The socket of one replica alone, by which the runner asks it. Replicas are counted from 1.
pub(crate) fn socket_of(replica: u8) -> String {
    format!("{replica}.sock")
}

/// The file that tells the relay to give a replica no more visitors. It looks for it when it gets [`LOOK`].
pub(crate) fn away_of(replica: u8) -> String {
    format!("{replica}.away")
}

/// The file by which the relay tells that such a replica has answered all that it was given.
pub(crate) fn idle_of(replica: u8) -> String {
    format!("{replica}.idle")
}

/// The signal to look which replicas are to be left alone.
pub(crate) const LOOK: &str = "SIGUSR1";

/// Listens in `folder` until the process is told to end, then serves what has come by then.
///
/// # Errors
/// A socket cannot be made, or the system gives no signals.
pub(crate) async fn serve(folder: &Path, targets: Vec<Target>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let end = CancellationToken::new();
    let stop = end.clone();
    let waiting = async move {
        terminate.recv().await;
        stop.cancel();
    };
    let (served, ()) = tokio::join!(serve_until(folder, targets, PATIENCE, end), waiting);
    served
}

/// The same, until `end`.
async fn serve_until(
    folder: &Path,
    mut targets: Vec<Target>,
    patience: Duration,
    end: CancellationToken,
) -> io::Result<()> {
    let mut look = signal(SignalKind::user_defined1())?;
    let quiet = Arc::new(Notify::new());
    for target in &mut targets {
        target.quiet = Arc::clone(&quiet);
    }
    let mut sockets = Vec::new();
    for (target, number) in targets.iter().zip(1..) {
        let alone = Pool::new(vec![target.clone()], Duration::ZERO);
        sockets.push((bind(folder, &socket_of(number))?, alone));
    }
    // The last one: where it is, the others are.
    let shared = Pool::new(targets, patience);
    let replicas = shared.targets.clone();
    tell(folder, &replicas)?;
    sockets.push((bind(folder, SOCKET)?, shared));
    let (open, mut ended) = mpsc::channel::<Infallible>(1);
    for (listener, pool) in sockets {
        tokio::spawn(accept(listener, Arc::new(pool), end.clone(), open.clone()));
    }
    drop(open);
    loop {
        tokio::select! {
            // It ends with the last connection, each of which holds the other side.
            _ = ended.recv() => return Ok(()),
            _ = look.recv() => {}
            () = quiet.notified() => {}
        }
        if let Err(error) = tell(folder, &replicas) {
            tracing::warn!(%error, "what is to be left alone cannot be told");
        }
    }
}

/// Looks which replicas are to be left alone, and tells which of them have nothing to answer any more.
fn tell(folder: &Path, replicas: &[Arc<Target>]) -> io::Result<()> {
    for (replica, number) in replicas.iter().zip(1..) {
        let idle = folder.join(idle_of(number));
        if replica.leave(folder.join(away_of(number)).exists()) {
            fs::write(idle, "")?;
        } else {
            files::remove(&idle)?;
        }
    }
    Ok(())
}

/// Makes a socket that the folder's group may use. It takes the place of one that is there, at once.
fn bind(folder: &Path, name: &str) -> io::Result<UnixListener> {
    let staged = folder.join(format!(".{name}"));
    files::remove(&staged)?;
    let listener = UnixListener::bind(&staged)?;
    fs::set_permissions(&staged, fs::Permissions::from_mode(0o660))?;
    fs::rename(&staged, folder.join(name))?;
    Ok(listener)
}

async fn accept(
    listener: UnixListener,
    pool: Arc<Pool>,
    end: CancellationToken,
    open: mpsc::Sender<Infallible>,
) {
    let take = |visitor: UnixStream| {
        let (pool, open) = (Arc::clone(&pool), open.clone());
        tokio::spawn(async move {
            pass(visitor, &pool).await;
            drop(open);
        });
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((visitor, _)) => take(visitor),
                // Too many open files, most likely: those that are open will end.
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken");
                    sleep(ROUND).await;
                }
            },
            () = end.cancelled() => break,
        }
    }
    // Those that wait in the queue were promised an answer by the connection itself.
    while let Ok(Ok((visitor, _))) = timeout(LAST_CALL, listener.accept()).await {
        take(visitor);
    }
}

async fn pass(mut visitor: UnixStream, pool: &Pool) {
    let (mut replica, _count) = match pool.connect().await {
        Ok(taken) => taken,
        Err(error) => {
            tracing::warn!(%error, "no replica takes a connection");
            return;
        }
    };
    if let Err(error) = copy_bidirectional(&mut visitor, &mut replica).await {
        tracing::debug!(%error, "a connection was broken off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    /// A replica that answers each connection with its name, after it has read a line.
    async fn replica(name: &'static str) -> (Target, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("an address").to_string();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut line = [0; 4];
                    if stream.read_exact(&mut line).await.is_ok() {
                        // A replica that goes away is what some tests are about.
                        let _ = stream.write_all(name.as_bytes()).await;
                    }
                });
            }
        });
        (target.parse().expect("a target"), task)
    }

    async fn open(folder: &Path, socket: &str) -> UnixStream {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(folder.join(socket)).await {
                Ok(stream) => return stream,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn answer(mut stream: UnixStream) -> String {
        stream.write_all(b"ask\n").await.expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        text
    }

    #[tokio::test]
    async fn connections_go_round_and_past_a_replica_that_is_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, one) = replica("one").await;
        let (second, _two) = replica("two").await;
        let end = CancellationToken::new();
        let path = folder.path().to_owned();
        let serving = tokio::spawn({
            let end = end.clone();
            async move { serve_until(&path, vec![first, second], PATIENCE, end).await }
        });
        let ask = async |socket: &str| answer(open(folder.path(), socket).await).await;
        assert_eq!([ask(SOCKET).await, ask(SOCKET).await], ["one", "two"]);
        assert_eq!([ask("2.sock").await, ask("2.sock").await], ["two", "two"]);
        one.abort();
        assert!(one.await.expect_err("aborted").is_cancelled());
        assert_eq!([ask(SOCKET).await, ask(SOCKET).await], ["two", "two"]);
        // The one that is away is not answered for by another.
        let mut alone = open(folder.path(), "1.sock").await;
        let mut text = String::new();
        assert!(alone.read_to_string(&mut text).await.is_err() || text.is_empty());
        end.cancel();
        serving.await.expect("no panic").expect("it ends well");
        assert!(UnixStream::connect(folder.path().join(SOCKET)).await.is_err());
    }

    #[tokio::test]
    async fn the_end_serves_what_was_begun_and_what_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, _task) = replica("one").await;
        let end = CancellationToken::new();
        let path = folder.path().to_owned();
        let serving = tokio::spawn({
            let end = end.clone();
            async move { serve_until(&path, vec![target], PATIENCE, end).await }
        });
        let begun = open(folder.path(), SOCKET).await;
        let waiting: Vec<UnixStream> = {
            end.cancel();
            let mut all = Vec::new();
            // Connected before the relay gets to run again.
            for _ in 0..20 {
                let stream = std::os::unix::net::UnixStream::connect(folder.path().join(SOCKET));
                let stream = stream.expect("connected");
                stream.set_nonblocking(true).expect("set");
                all.push(UnixStream::from_std(stream).expect("a stream"));
            }
            all
        };
        sleep(Duration::from_millis(200)).await;
        assert!(!serving.is_finished(), "connections are open");
        for stream in waiting.into_iter().chain([begun]) {
            assert_eq!(answer(stream).await, "one");
        }
        serving.await.expect("no panic").expect("it ends well");
    }

    #[tokio::test]
    async fn a_visitor_waits_for_the_only_replica() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let target: Target = address.to_string().parse().expect("a target");
        let path = folder.path().to_owned();
        let serving = serve_until(&path, vec![target], PATIENCE, CancellationToken::new());
        let visit = async {
            let asked = answer(open(folder.path(), SOCKET).await);
            let back = async {
                sleep(Duration::from_millis(300)).await;
                let listener = TcpListener::bind(address).await.expect("the port again");
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.write_all(b"back").await.expect("written");
                stream.shutdown().await.expect("ended");
            };
            tokio::join!(asked, back).0
        };
        tokio::select! {
            ended = serving => panic!("{ended:?}"),
            text = visit => assert_eq!(text, "back"),
        }
    }

    #[tokio::test]
    async fn a_replica_that_is_left_alone_ends_what_it_has_and_gets_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, _one) = replica("one").await;
        let (second, _two) = replica("two").await;
        let pool = Pool::new(vec![first, second], Duration::ZERO);
        let count = |number: usize| pool.targets[number].open();
        let (_stream, begun) = pool.connect().await.expect("the first");
        fs::write(folder.path().join(away_of(1)), "").expect("written");
        let idle = folder.path().join(idle_of(1));
        tell(folder.path(), &pool.targets).expect("told");
        assert!(!idle.exists() && count(0) == 1);
        for _ in 0..4 {
            let (_, taken) = pool.connect().await.expect("the second");
            assert_eq!((count(0), count(1)), (1, 1));
            drop(taken);
        }
        drop(begun);
        // That it ended wakes who tells.
        pool.targets[0].quiet.notified().await;
        tell(folder.path(), &pool.targets).expect("told");
        assert!(idle.exists());
        fs::remove_file(folder.path().join(away_of(1))).expect("removed");
        tell(folder.path(), &pool.targets).expect("told");
        assert!(!idle.exists());
        let both = [pool.connect().await, pool.connect().await];
        assert!(both.iter().all(Result::is_ok) && count(0) == 1 && count(1) == 1);
    }
}
