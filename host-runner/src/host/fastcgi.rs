//! A `FastCGI` client for one request at a time over a Unix socket: the pings and health requests of the runner.
//!
//! In scope: the responder role with an empty body (`FastCGI` specification, 3.3 and 6.2). Not in scope: keeping a
//! connection, request bodies, multiplexing.

use super::error::{Doing, HostError, Result};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The path that each pool answers `pong` to. It ends in no `.php`, so that no visitor reaches it.
pub(crate) const PING_PATH: &str = "/devflow-ping";
/// Largest answer that is read.
const ANSWER_BYTES: usize = 1024 * 1024;

const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// What a script answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status: 200 where the script names none.
    pub(crate) status: u16,
    /// What follows the headers.
    pub(crate) body: Vec<u8>,
    /// What the script wrote to its error stream.
    pub(crate) errors: String,
}

/// Asks the pool itself, not the application. FPM answers in the order of its queue.
///
/// # Errors
/// The socket is not there, nothing answers in time, or the answer is not `pong`.
pub(crate) async fn ping(socket: &Path, limit: Duration) -> Result<()> {
    let params = [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", PING_PATH),
        ("SCRIPT_FILENAME", PING_PATH),
    ];
    let answer = request(socket, &params, limit).await?;
    if answer.body == b"pong" {
        Ok(())
    } else {
        Err(HostError::new(format!(
            "PHP-FPM answered a ping with status {}",
            answer.status
        )))
    }
}

/// A GET request for a path, as the web server would send it.
///
/// # Errors
/// The socket is not there, or nothing that is `FastCGI` answers in time.
pub(crate) async fn get(
    socket: &Path,
    document_root: &str,
    host: &str,
    path: &str,
    limit: Duration,
) -> Result<Answer> {
    let (document, query) = path.split_once('?').unwrap_or((path, ""));
    let script = if Path::new(document)
        .extension()
        .is_some_and(|ending| ending == "php")
    {
        document
    } else {
        "/index.php"
    };
    let file = format!("{document_root}{script}");
    let params = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "devflow"),
        ("SERVER_NAME", host),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_SCHEME", "http"),
        ("HTTP_HOST", host),
        ("HTTP_USER_AGENT", "DevFlow-Health"),
        ("REDIRECT_STATUS", "200"),
        ("DOCUMENT_ROOT", document_root),
        ("DOCUMENT_URI", script),
        ("REQUEST_URI", path),
        ("QUERY_STRING", query),
        ("SCRIPT_NAME", script),
        ("SCRIPT_FILENAME", &file),
    ];
    request(socket, &params, limit).await
}

async fn request(socket: &Path, params: &[(&str, &str)], limit: Duration) -> Result<Answer> {
    tokio::time::timeout(limit, exchange(socket, params))
        .await
        .map_err(|_| HostError::new(format!("PHP-FPM gave no answer within {} s", limit.as_secs())))?
}

async fn exchange(socket: &Path, params: &[(&str, &str)]) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket).await.doing(|| "connect to PHP-FPM")?;
    stream
        .write_all(&encode(params))
        .await
        .doing(|| "send a request to PHP-FPM")?;
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    loop {
        let mut header = [0_u8; 8];
        stream
            .read_exact(&mut header)
            .await
            .doing(|| "read PHP-FPM's answer")?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut content = vec![0_u8; length + usize::from(header[6])];
        stream
            .read_exact(&mut content)
            .await
            .doing(|| "read PHP-FPM's answer")?;
        content.truncate(length);
        match header[1] {
            STDOUT if out.len() < ANSWER_BYTES => out.extend_from_slice(&content),
            STDERR if errors.len() < ANSWER_BYTES => errors.extend_from_slice(&content),
            END_REQUEST => break,
            _ => {}
        }
    }
    Ok(parse(&out, &errors))
}

fn encode(params: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in params {
        for length in [name.len(), value.len()] {
            match u8::try_from(length) {
                Ok(short) if short < 128 => block.push(short),
                _ => block.extend_from_slice(
                    &(u32::try_from(length).unwrap_or(u32::MAX >> 1) | 1 << 31).to_be_bytes(),
                ),
            }
        }
        block.extend_from_slice(name.as_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let mut message = Vec::with_capacity(block.len() + 64);
    // Role 1 is the responder; flags 0 let the application close the connection.
    record(&mut message, BEGIN_REQUEST, &[0, 1, 0, 0, 0, 0, 0, 0]);
    for chunk in block.chunks(0xffff) {
        record(&mut message, PARAMS, chunk);
    }
    record(&mut message, PARAMS, &[]);
    record(&mut message, STDIN, &[]);
    message
}

fn record(message: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let length = u16::try_from(content.len()).expect("the caller cuts content into chunks of 65535 bytes");
    message.extend_from_slice(&[1, kind, 0, 1]);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(content);
}

fn parse(out: &[u8], errors: &[u8]) -> Answer {
    let separator = |mark: &[u8]| {
        out.windows(mark.len())
            .position(|part| part == mark)
            .map(|at| (at, mark.len()))
    };
    // Whichever comes first ends the headers: a body may hold the other.
    let end = [separator(b"\r\n\r\n"), separator(b"\n\n")]
        .into_iter()
        .flatten()
        .min();
    let (head, body) = end.map_or((out, &[][..]), |(at, length)| (&out[..at], &out[at + length..]));
    let status = String::from_utf8_lossy(head)
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("status")
                .then(|| value.trim().get(..3)?.parse().ok())
                .flatten()
        })
        .unwrap_or(200);
    Answer {
        status,
        body: body.to_vec(),
        errors: String::from_utf8_lossy(errors).trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encode_of_a_long_value_uses_four_bytes_for_its_length() {
        let value = "v".repeat(200);
        let message = encode(&[("N", &value)]);
        assert_eq!(message[..16], [1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            message[16..30],
            [1, 4, 0, 1, 0, 206, 0, 0, 1, 0x80, 0, 0, 200, b'N']
        );
        assert_eq!(
            message[message.len() - 16..],
            [1, 4, 0, 1, 0, 0, 0, 0, 1, 5, 0, 1, 0, 0, 0, 0]
        );
    }

    #[test]
    fn parse_reads_status_body_and_errors() {
        let answer = parse(b"Status: 503 Service Unavailable\r\nX: y\r\n\r\ndown", b"boom\n");
        assert_eq!(
            answer,
            Answer {
                status: 503,
                body: b"down".to_vec(),
                errors: "boom".into()
            }
        );
        assert_eq!(parse(b"Content-type: text/html\r\n\r\npong", b"").status, 200);
        assert_eq!(parse(b"", b"").body, b"");
    }
}
