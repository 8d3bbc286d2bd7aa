//! `login` and `logout`: the file that keeps keys.

use super::browser;
use crate::arguments;
use crate::edge::{Edge, decode};
use crate::failure::Failure;
use crate::settings::{self, ApiKey, Origin, Settings};
use devflow_domain::access::Scope;
use devflow_domain::moment::calendar;
use devflow_protocol::UnixMillis;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::io::{IsTerminal as _, Read as _, stdin};

/// Longest key that is read.
const KEY_BYTES: u64 = 4096;

/// How a key is come by.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// It is typed, or comes on standard input.
    Typed,
    /// A person lets this terminal in.
    Browser {
        /// What the key has to be good for.
        scope: Option<Scope>,
        /// Open the browser of this machine.
        opens: bool,
    },
}

impl How {
    /// As the command line says it. A script that gives a key on standard input says nothing.
    pub(super) fn of(key: bool, browser: bool, no_open: bool, scope: Option<arguments::Scope>) -> Self {
        let wanted = browser || scope.is_some() || stdin().is_terminal();
        if key || !wanted {
            return Self::Typed;
        }
        let scope = scope.map(|scope| match scope {
            arguments::Scope::Read => Scope::Read,
            arguments::Scope::Deploy => Scope::Deploy,
            arguments::Scope::Admin => Scope::Admin,
        });
        let opens = !no_open;
        Self::Browser { scope, opens }
    }
}

/// Comes by a key, tries it, and keeps it.
pub(super) fn login(address: Option<&str>, how: How) -> Result<(), Failure> {
    let file = settings::file(&settings::variable)?;
    let mut kept = Settings::load(&file)?;
    let origin = settings::origin(address, &settings::variable, &kept)?;
    let key = match how {
        How::Typed => read_key(&origin)?,
        How::Browser { scope, opens } => browser::key(&origin, scope, opens)?,
    };
    let known: Known = decode(Edge::new(origin.clone(), key.clone()).get("/key")?)?;
    kept.keys.insert(origin.clone(), key);
    kept.own.remove(&origin);
    if matches!(how, How::Browser { .. }) {
        kept.own.insert(origin.clone());
    }
    kept.current = Some(origin.clone());
    kept.save(&file)?;
    eprintln!("Logged in to {origin}; the key is kept in {}.", file.display());
    eprintln!("{known}");
    Ok(())
}

/// What the installation says of a key.
#[derive(Deserialize)]
struct Known {
    name: String,
    scope: String,
    expires_at: Option<UnixMillis>,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "It is “{}”, scope {}", self.name, self.scope)?;
        match self.expires_at {
            Some(end) => write!(f, ", and ends on {}.", calendar(end).0),
            None => write!(f, "."),
        }
    }
}

fn read_key(origin: &Origin) -> Result<ApiKey, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("cannot read the API key: {error}"));
    let text = if stdin().is_terminal() {
        eprintln!("Make an API key on {origin}/keys and paste it here; it is not shown.");
        rpassword::prompt_password("API key: ").map_err(failed)?
    } else {
        let mut text = String::new();
        stdin()
            .take(KEY_BYTES)
            .read_to_string(&mut text)
            .map_err(failed)?;
        text
    };
    ApiKey::parse(&text)
}

/// Forgets a key. One that was made for this login ends; another one stays valid, for it may be used elsewhere.
pub(super) fn logout(address: Option<&str>) -> Result<(), Failure> {
    let file = settings::file(&settings::variable)?;
    let mut kept = Settings::load(&file)?;
    let origin = settings::origin(address, &settings::variable, &kept)?;
    let Some(key) = kept.keys.remove(&origin) else {
        return Err(Failure::Usage(format!("no login is kept for {origin}")));
    };
    let own = kept.own.remove(&origin);
    kept.current = kept.current.filter(|current| *current != origin);
    kept.save(&file)?;
    if !own {
        eprintln!(
            "The key for {origin} is forgotten here; revoke it on {origin}/keys where it is not needed any more."
        );
        return Ok(());
    }
    match Edge::new(origin.clone(), key).post("/key/revoke", &json!({})) {
        Ok(_) => eprintln!("Logged out of {origin}; the key has ended."),
        // It was ended elsewhere.
        Err(Failure::Refused { code, .. }) if ["wrong_key", "key_expired"].contains(&code.as_str()) => {
            eprintln!("Logged out of {origin}; the key had ended before.");
        }
        Err(failure) => {
            eprintln!(
                "The key for {origin} is forgotten here, and has not ended: revoke it on {origin}/keys."
            );
            return Err(failure);
        }
    }
    Ok(())
}
