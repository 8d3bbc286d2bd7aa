//! A server that stands for whoever is told what happens: it keeps each request and answers as the story asks.

use crate::process::wait_for;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With a status, further headers, and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Not at all; the connection stays open.
    Never,
}

impl Reply {
    /// A status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Status(status, vec![], String::new())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

#[derive(Default)]
struct Kept {
    requests: Vec<Recorded>,
    replies: VecDeque<Reply>,
}

/// The server. It ends with the process.
#[derive(Clone)]
pub struct Recorder {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Recorder {
    /// Listens on a port of its own.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on this machine")?;
        let here = Self {
            address: listener.local_addr()?,
            kept: Arc::default(),
        };
        let server = here.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        Ok(here)
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers the next requests so; those after them get 204.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.kept().replies.extend(replies);
    }

    /// What came so far, in order.
    pub fn requests(&self) -> Vec<Recorded> {
        self.kept().requests.clone()
    }

    /// Waits until so many requests came; gives all.
    pub fn wait(&self, count: usize, limit: Duration) -> Result<Vec<Recorded>> {
        wait_for(&format!("{count} requests"), limit, || {
            let requests = self.requests();
            if requests.len() < count {
                bail!("{} came", requests.len());
            }
            Ok(Some(requests))
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of one connection until it is closed or breaks.
    fn serve(&self, stream: TcpStream) {
        let Ok(mut writer) = stream.try_clone() else {
            return;
        };
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = read_request(&mut reader) {
            let reply = {
                let mut kept = self.kept();
                kept.requests.push(request);
                kept.replies.pop_front().unwrap_or(Reply::status(204))
            };
            match reply {
                Reply::Never => {
                    // Until the other side has gone.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                Reply::Status(status, headers, body) => {
                    if writer.write_all(&answer(status, &headers, &body)).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn answer(status: u16, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Recorded\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    if status != 204 {
        text.extend(["content-length: ", body.len().to_string().as_str(), "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// The next request of a connection; None at its end.
pub(crate) fn read_request(reader: &mut BufReader<TcpStream>) -> Result<Option<Recorded>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().context("a method")?, words.next().context("a path")?);
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, value)| value.parse())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Recorded {
        method,
        path,
        headers,
        body,
    }))
}
