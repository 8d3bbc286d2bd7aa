//! `login` by a browser: this terminal shows a short code, a person lets it in on a page, wherever their browser is. So it
//! works over SSH too. The shape is that of RFC 8628.

use crate::edge::{Edge, decode};
use crate::failure::Failure;
use crate::settings::{ApiKey, Origin};
use devflow_domain::access::Scope;
use devflow_domain::login::NAME_CHARS;
use serde::Deserialize;
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is added to the pause each time that the installation says that it is asked too often (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// A login that waits.
#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

#[derive(Deserialize)]
struct Given {
    token: String,
}

/// Gets a key by a browser; `opens` opens it on this machine.
pub(super) fn key(origin: &Origin, scope: Option<Scope>, opens: bool) -> Result<ApiKey, Failure> {
    let edge = Edge::without_key(origin.clone());
    let begun: Begun = decode(edge.post("/logins", &json!({ "name": name(), "scope": scope }))?)?;
    // What is opened or shown must lead to where the login was asked for.
    let page = format!("{origin}/device");
    if begun.verification_uri != page || !begun.verification_uri_complete.starts_with(&page) {
        return Err(Failure::Unreachable(format!(
            "{origin} says that its login page is {}; log in at its own address",
            begun.verification_uri
        )));
    }
    eprintln!("Let this terminal in with a browser, on any machine:\n");
    eprintln!("    {}\n", begun.verification_uri);
    eprintln!("Code: {}\n", begun.user_code);
    if opens && has_display(&crate::settings::variable) {
        match open(&begun.verification_uri_complete) {
            Ok(()) => eprintln!("A browser was opened; compare the code there."),
            Err(error) => eprintln!("No browser could be opened here ({error}); open the address yourself."),
        }
    }
    eprintln!("Waiting for {} minutes …", begun.expires_in.div_ceil(60));
    wait(&edge, &begun)
}

/// Asks until somebody answered.
fn wait(edge: &Edge, begun: &Begun) -> Result<ApiKey, Failure> {
    let end = Instant::now() + Duration::from_secs(begun.expires_in);
    let mut pause = Duration::from_secs(begun.interval.clamp(1, 60));
    loop {
        std::thread::sleep(pause);
        let asked = edge.post("/logins/token", &json!({ "device_code": begun.device_code }));
        match asked {
            Ok(body) => return ApiKey::parse(&decode::<Given>(body)?.token),
            Err(failure) => match next(&failure) {
                Some(slower) if Instant::now() < end => pause += slower,
                _ => return Err(failure),
            },
        }
    }
}

/// How much longer to wait from now on, where it makes sense to ask again.
fn next(failure: &Failure) -> Option<Duration> {
    match failure {
        Failure::Refused { code, .. } => match code.as_str() {
            "authorization_pending" => Some(Duration::ZERO),
            "slow_down" | "rate_limited" => Some(SLOWER),
            _ => None,
        },
        // The answer that has the key comes once: one that got lost ends as expired.
        Failure::Unreachable(_) => Some(Duration::ZERO),
        _ => None,
    }
}

/// What the page calls this terminal.
fn name() -> String {
    let told = Command::new("hostname")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let host = told
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let host = host.or_else(|| std::fs::read_to_string("/etc/hostname").ok());
    named(host.as_deref().unwrap_or_default())
}

fn named(host: &str) -> String {
    let host: String = host.trim().chars().filter(|c| !c.is_control()).collect();
    let name = if host.is_empty() {
        "devflow".to_owned()
    } else {
        format!("devflow on {host}")
    };
    name.chars().take(NAME_CHARS).collect()
}

/// True where a browser that is opened would be seen: not over SSH, and with a display.
fn has_display(variable: crate::settings::Variable<'_>) -> bool {
    if variable("SSH_CONNECTION").is_some() {
        return false;
    }
    cfg!(any(windows, target_os = "macos"))
        || variable("DISPLAY").is_some()
        || variable("WAYLAND_DISPLAY").is_some()
}

/// Opens an address in the browser of this machine.
pub(super) fn open(address: &str) -> Result<(), String> {
    let opener = if cfg!(windows) {
        "explorer"
    } else if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let started = Command::new(opener)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.map(drop).map_err(|error| format!("{opener}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_asks_again_only_where_the_login_still_waits() {
        let refused = |code: &str| {
            next(&Failure::Refused {
                code: code.to_owned(),
                detail: String::new(),
            })
        };
        assert_eq!(refused("authorization_pending"), Some(Duration::ZERO));
        assert_eq!(refused("slow_down"), Some(SLOWER));
        assert_eq!(refused("rate_limited"), Some(SLOWER));
        assert_eq!(next(&Failure::Unreachable(String::new())), Some(Duration::ZERO));
        for over in ["access_denied", "expired_token", "invalid"] {
            assert_eq!(refused(over), None, "{over}");
        }
    }

    #[test]
    fn name_is_short_and_plain() {
        assert_eq!(named("laptop\n"), "devflow on laptop");
        assert_eq!(named(" \n"), "devflow");
        assert_eq!(named(&"é".repeat(99)).chars().count(), NAME_CHARS);
    }

    #[test]
    fn browser_is_opened_only_where_somebody_sees_it() {
        let with = |set: &'static [&'static str]| {
            has_display(&move |name: &str| set.contains(&name).then(|| "x".to_owned()))
        };
        assert!(!with(&["SSH_CONNECTION", "DISPLAY"]));
        assert!(with(&["WAYLAND_DISPLAY"]));
    }
}
