//! `login` and `logout`: the file that keeps keys.

use crate::edge::{Edge, decode};
use crate::failure::Failure;
use crate::settings::{self, ApiKey, Origin, Settings};
use devflow_domain::moment::calendar;
use devflow_protocol::UnixMillis;
use serde::Deserialize;
use std::fmt;
use std::io::{IsTerminal as _, Read as _, stdin};

/// Longest key that is read.
const KEY_BYTES: u64 = 4096;

/// Reads a key, tries it, and keeps it.
pub(super) fn login(address: Option<&str>) -> Result<(), Failure> {
    let file = settings::file(&settings::variable)?;
    let mut kept = Settings::load(&file)?;
    let origin = settings::origin(address, &settings::variable, &kept)?;
    let key = read_key(&origin)?;
    let known: Known = decode(Edge::new(origin.clone(), key.clone()).get("/key")?)?;
    kept.keys.insert(origin.clone(), key);
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

/// Forgets a key. The key itself stays valid until it is revoked.
pub(super) fn logout(address: Option<&str>) -> Result<(), Failure> {
    let file = settings::file(&settings::variable)?;
    let mut kept = Settings::load(&file)?;
    let origin = settings::origin(address, &settings::variable, &kept)?;
    if kept.keys.remove(&origin).is_none() {
        return Err(Failure::Usage(format!("no login is kept for {origin}")));
    }
    kept.current = kept.current.filter(|current| *current != origin);
    kept.save(&file)?;
    eprintln!(
        "The key for {origin} is forgotten here; revoke it on {origin}/keys where it is not needed any more."
    );
    Ok(())
}
