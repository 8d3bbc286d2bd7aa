//! Users of Redis, by its own protocol (RESP 2) over a Unix socket: three commands, one connection each time.

use super::error::{Doing, HostError, Result};
use crate::config::RedisConfig;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

const LIMIT: Duration = Duration::from_secs(10);

/// Gives a user this password, the keys and channels below `<user>:`, and every command but those that see or touch
/// what is not its own.
///
/// # Errors
/// Redis is not reachable or refuses.
pub(crate) async fn set_user(redis: &RedisConfig, user: &str, password: &str) -> Result<()> {
    let (secret, keys, channels) = (format!(">{password}"), format!("~{user}:*"), format!("&{user}:*"));
    let rules = [
        "ACL",
        "SETUSER",
        user,
        "reset",
        "on",
        &secret,
        &keys,
        &channels,
        "+@all",
        "-@admin",
        "-@dangerous",
        "-scan",
        "-randomkey",
        "-dbsize",
        "+info",
    ];
    call(redis, &rules).await.map(drop)
}

/// Removes a user and its keys.
///
/// # Errors
/// Redis is not reachable or refuses.
pub(crate) async fn remove_user(redis: &RedisConfig, user: &str) -> Result<()> {
    const UNLINK: &str = "local cursor = '0'; repeat local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 500); \
                          cursor = found[1]; for _, key in ipairs(found[2]) do redis.call('UNLINK', key) end until cursor == '0'; return 1";
    call(redis, &["ACL", "DELUSER", user]).await?;
    call(redis, &["EVAL", UNLINK, "0", &format!("{user}:*")])
        .await
        .map(drop)
}

async fn call(redis: &RedisConfig, words: &[&str]) -> Result<String> {
    let at = redis.socket.display();
    let answer = tokio::time::timeout(LIMIT, exchange(redis, words))
        .await
        .map_err(|_| HostError::new(format!("Redis at {at} gave no answer")))??;
    match answer.strip_prefix('-') {
        Some(refusal) => Err(HostError::because(format!("set up Redis at {at}"), refusal)),
        None => Ok(answer),
    }
}

async fn exchange(redis: &RedisConfig, words: &[&str]) -> Result<String> {
    let talk = || format!("talk to Redis at {}", redis.socket.display());
    let stream = UnixStream::connect(&redis.socket).await.doing(talk)?;
    let mut stream = BufReader::new(stream);
    if let Some(file) = &redis.password_file {
        let text = tokio::fs::read_to_string(file)
            .await
            .doing(|| format!("read {}", file.display()))?;
        let password = Zeroizing::new(text);
        let answer = ask(&mut stream, &["AUTH", password.trim()]).await.doing(talk)?;
        if answer.starts_with('-') {
            return Ok(answer);
        }
    }
    ask(&mut stream, words).await.doing(talk)
}

// All commands here are answered with one line.
async fn ask(stream: &mut BufReader<UnixStream>, words: &[&str]) -> std::io::Result<String> {
    let mut message = format!("*{}\r\n", words.len());
    for word in words {
        let _ = write!(message, "${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(message.as_bytes()).await?;
    let mut line = String::new();
    stream.take(64 * 1024).read_line(&mut line).await?;
    if line.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
