//! A question to an HTTP server, of whose answer only the status matters.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Asks a path of a host over a connection and gives the status.
///
/// # Errors
/// The connection breaks off, or what answers is no HTTP.
pub(crate) async fn status(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> io::Result<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: DevFlow-Health\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200" is all that is needed; the rest is left unread.
    let mut status = [0_u8; 12];
    stream.read_exact(&mut status).await?;
    let number = status.strip_prefix(b"HTTP/1.").map(|rest| &rest[2..]);
    number
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &'static [u8]) -> io::Result<u16> {
        let (near, mut far) = tokio::io::duplex(1024);
        let server = async move {
            let mut request = vec![0; 1024];
            let length = far.read(&mut request).await.expect("a request");
            assert!(request[..length].starts_with(b"GET /up HTTP/1.1\r\nHost: shop.test\r\n"));
            far.write_all(answer).await.expect("written");
        };
        tokio::join!(status(near, "shop.test", "/up"), server).0
    }

    #[tokio::test]
    async fn status_is_the_number_of_the_first_line() {
        assert_eq!(
            answered(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("HTTP"),
            204
        );
        assert_eq!(answered(b"HTTP/1.0 503 x").await.expect("HTTP"), 503);
        assert!(answered(b"SSH-2.0-OpenSSH_9.2").await.is_err());
        assert!(answered(b"HTTP").await.is_err());
    }
}
