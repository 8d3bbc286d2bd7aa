//! A service on a Unix socket of this machine, as containers of an engine reach it by TCP: what several servers share.

use crate::docker::Engine;
use crate::process::output;
use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// An address of the engine's own namespace that every network of its containers routes to.
pub const HOST: &str = "10.202.0.1";
/// The port.
pub const PORT: u16 = 3306;

/// Relays connections of an engine's containers to a socket, until this process ends.
pub fn start(engine: &Engine, socket: &Path) -> Result<()> {
    let namespace = engine.namespace();
    let name = namespace.file_name().context("a namespace has a name")?;
    output(
        Command::new("ip")
            .arg("-n")
            .arg(name)
            .args(["addr", "replace", HOST, "dev", "lo"]),
    )?;
    let listener = listen_in(&namespace)?;
    let socket = socket.to_owned();
    thread::spawn(move || {
        for incoming in listener.incoming().flatten() {
            let socket = socket.clone();
            thread::spawn(move || relay(&incoming, &socket));
        }
    });
    Ok(())
}

/// A socket stays in the namespace in which it was made, whichever thread uses it.
fn listen_in(namespace: &Path) -> Result<TcpListener> {
    let namespace: PathBuf = namespace.to_owned();
    let thread = thread::spawn(move || -> Result<TcpListener> {
        let file = File::open(&namespace).with_context(|| format!("no {}", namespace.display()))?;
        setns(file, CloneFlags::CLONE_NEWNET).context("cannot enter the engine's network")?;
        TcpListener::bind((HOST, PORT)).context("cannot listen in the engine's network")
    });
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the listening thread panicked"))?
}

/// Copies both ways until both sides have ended.
fn relay(client: &TcpStream, socket: &Path) {
    let Ok(server) = UnixStream::connect(socket) else {
        return;
    };
    let (Ok(mut from_client), Ok(mut to_client)) = (client.try_clone(), client.try_clone()) else {
        return;
    };
    let (Ok(mut from_server), Ok(mut to_server)) = (server.try_clone(), server.try_clone()) else {
        return;
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            // Either side may go at any time.
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
}
