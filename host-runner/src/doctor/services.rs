//! The databases that projects can ask for, where they are configured.

use super::{Check, PATIENCE};
use crate::config::Config;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(mariadb) = &config.mariadb {
        // The server speaks first: a length, a number, a protocol version, then its own version as text.
        checks.push(match said(&mariadb.socket, b"").await {
            Ok(greeting) if greeting.get(4) == Some(&10) => {
                let version: Vec<u8> = greeting[5..]
                    .iter()
                    .copied()
                    .take_while(|byte| *byte != 0)
                    .collect();
                Check::ok(
                    "mariadb",
                    format!("{} answers", String::from_utf8_lossy(&version)),
                )
            }
            Ok(_) => absent(
                "mariadb",
                &mariadb.socket,
                "something else than a database answers",
            ),
            Err(error) => absent("mariadb", &mariadb.socket, &error.to_string()),
        });
        checks.push(match super::machine::call("mariadb", &["--version"]).await {
            Ok(version) => Check::ok("mariadb client", version),
            Err(reason) => Check::fail("mariadb client", reason, "apt install mariadb-client"),
        });
    }
    if let Some(redis) = &config.redis {
        checks.push(match said(&redis.socket, b"PING\r\n").await {
            Ok(answer) if answer.starts_with(b"+PONG") => Check::warn(
                "redis",
                "its default user needs no password, so a project that has Redis can act as it and read all keys",
                "set `requirepass` in redis.conf, and name a file with the password in `redis.password_file`",
            ),
            Ok(answer) if answer.starts_with(b"-NOAUTH") && redis.password_file.is_some() => {
                Check::ok("redis", "answers, and asks for a password")
            }
            Ok(answer) if answer.starts_with(b"-NOAUTH") => Check::fail(
                "redis",
                "asks for a password, and the runner has none to give",
                "name a file with it in `redis.password_file`",
            ),
            Ok(_) => absent("redis", &redis.socket, "something else than Redis answers"),
            Err(error) => absent("redis", &redis.socket, &error.to_string()),
        });
    }
    checks
}

fn absent(name: &'static str, socket: &Path, reason: &str) -> Check {
    Check::fail(
        name,
        format!(
            "{}: {reason}; projects that ask for it cannot be deployed",
            socket.display()
        ),
        format!("start it, correct `{name}.socket`, or take the [{name}] section out of the configuration"),
    )
}

/// What a server says at a socket, after `request`.
async fn said(socket: &Path, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(request).await?;
        let mut answer = vec![0; 256];
        let count = stream.read(&mut answer).await?;
        answer.truncate(count);
        Ok(answer)
    };
    tokio::time::timeout(PATIENCE, exchange).await?
}
