//! A network between two parts that can be cut: what is under way then waits, as TCP's segments do, and arrives when it is mended.

use anyhow::{Context, Result};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

/// A way to a port of this machine, until this process ends.
#[derive(Clone, Debug)]
pub struct Line {
    port: u16,
    /// Shared by who passes bytes on, and held alone while the line is cut.
    open: Arc<RwLock<()>>,
}

impl Line {
    /// Opens it.
    pub fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on loopback")?;
        let line = Self {
            port: listener.local_addr()?.port(),
            open: Arc::default(),
        };
        let open = Arc::clone(&line.open);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let open = Arc::clone(&open);
                thread::spawn(move || connect(&near, port, &open));
            }
        });
        Ok(line)
    }

    /// Its near end.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it for as long as `meanwhile` takes.
    pub fn cut_during<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let held = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let value = meanwhile();
        drop(held);
        value
    }
}

fn connect(near: &TcpStream, port: u16, open: &RwLock<()>) {
    drop(open.read());
    // Nobody there: the near side sees its connection end, as it would at the port itself.
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
        return;
    };
    thread::scope(|scope| {
        scope.spawn(|| pass(near, &far, open));
        pass(&far, near, open);
    });
}

/// Passes bytes on until one side has ended.
fn pass(mut from: &TcpStream, mut to: &TcpStream, open: &RwLock<()>) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).unwrap_or(0);
        let _open = open.read().unwrap_or_else(PoisonError::into_inner);
        let passed: io::Result<()> = to.write_all(&bytes[..read]);
        if read == 0 || passed.is_err() {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}
