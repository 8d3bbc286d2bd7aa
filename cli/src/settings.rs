//! Which installation is spoken to, and with which key: from the environment, else from the file that `login` writes.
//!
//! Keys are kept by address, so that a key is never sent to another installation than its own.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// An installation's address: scheme, host and port, as in `https://devflow.example.com`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Origin(String);

impl Origin {
    /// Reads an address. Only `https` goes over a network: a key must not be read on the way.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let address = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let address = if address.contains("://") {
            address
        } else {
            format!("https://{address}")
        };
        let (scheme, authority) = address.split_once("://").unwrap_or_default();
        let plain = !authority.is_empty()
            && authority
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte));
        if !plain || !matches!(scheme, "http" | "https") {
            return Err(Failure::Usage(format!(
                "`{text}` is not an address such as https://devflow.example.com"
            )));
        }
        if scheme == "http" && !is_loopback(authority) {
            return Err(Failure::Usage(format!(
                "{address} would carry the API key unencrypted; use https://{authority}"
            )));
        }
        Ok(Self(address))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// An API key. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ApiKey(pub(crate) String);

impl ApiKey {
    /// Reads a key as a person pasted it.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let key = text.trim();
        let plain = key.starts_with("dfp_") && key.bytes().all(|byte| byte.is_ascii_graphic());
        if plain {
            return Ok(Self(key.to_owned()));
        }
        Err(Failure::Usage(
            "this is no API key: keys begin with dfp_; make one on the page \"API keys\" of the dashboard"
                .to_owned(),
        ))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// What `login` keeps.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The installation of the last login.
    pub(crate) current: Option<Origin>,
    /// The key of each installation.
    pub(crate) keys: BTreeMap<Origin, ApiKey>,
    /// Where the key was made for this login, and ends with it.
    #[serde(default)]
    pub(crate) own: BTreeSet<Origin>,
}

impl Settings {
    /// What the file holds; nothing where there is none.
    pub(crate) fn load(file: &Path) -> Result<Self, Failure> {
        match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Usage(format!(
                    "{} cannot be read: {error}; correct it, or remove it and log in again",
                    file.display()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::Usage(format!("cannot read {}: {error}", file.display()))),
        }
    }

    /// Writes the file anew, readable by its owner alone.
    pub(crate) fn save(&self, file: &Path) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::Usage(format!("cannot write {}: {error}", file.display()));
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).expect("settings are texts");
        let fresh = file.with_extension(format!("{}.new", std::process::id()));
        let written = private(&fresh)
            .and_then(|mut open| {
                open.write_all(text.as_bytes())?;
                open.sync_all()
            })
            .and_then(|()| fs::rename(&fresh, file));
        written.map_err(|error| {
            let _ = fs::remove_file(&fresh);
            failed(error)
        })
    }
}

/// A new file that nobody else can read from its first moment on.
fn private(file: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// The variables that are looked at.
pub(crate) type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// A variable of the process; an empty one is none.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the platform keeps a user's settings.
pub(crate) fn file(variable: Variable<'_>) -> Result<PathBuf, Failure> {
    let at = |name: &str, below: &str| variable(name).map(|base| PathBuf::from(base).join(below));
    let folder = if cfg!(windows) {
        at("APPDATA", "devflow")
    } else if cfg!(target_os = "macos") {
        at("XDG_CONFIG_HOME", "devflow").or_else(|| at("HOME", "Library/Application Support/devflow"))
    } else {
        at("XDG_CONFIG_HOME", "devflow").or_else(|| at("HOME", ".config/devflow"))
    };
    folder.map(|folder| folder.join("login.json")).ok_or_else(|| {
        Failure::Usage(
            "there is no home folder to keep the login in; set HOME, or DEVFLOW_URL and DEVFLOW_API_KEY"
                .to_owned(),
        )
    })
}

/// The address to speak to: of the command line, of `DEVFLOW_URL`, or of the last login.
pub(crate) fn origin(
    asked: Option<&str>,
    variable: Variable<'_>,
    kept: &Settings,
) -> Result<Origin, Failure> {
    let named = asked.map(str::to_owned).or_else(|| variable("DEVFLOW_URL"));
    match (named, &kept.current) {
        (Some(named), _) => Origin::parse(&named),
        (None, Some(current)) => Ok(current.clone()),
        (None, None) => Err(Failure::Usage(
            "which installation? Log in with `devflow login https://…`, or set DEVFLOW_URL and DEVFLOW_API_KEY"
                .to_owned(),
        )),
    }
}

/// The key for `origin`: of `DEVFLOW_API_KEY`, or of the login there.
pub(crate) fn key(origin: &Origin, variable: Variable<'_>, kept: &Settings) -> Result<ApiKey, Failure> {
    if let Some(key) = variable("DEVFLOW_API_KEY") {
        return ApiKey::parse(&key).map_err(|_| {
            Failure::Usage("DEVFLOW_API_KEY holds no API key: keys begin with dfp_".to_owned())
        });
    }
    kept.keys.get(origin).cloned().ok_or_else(|| {
        Failure::Usage(format!(
            "no login is kept for {origin}; run `devflow login {origin}`"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_https_but_on_this_machine() {
        let cases = [
            (
                "https://Devflow.example.com/",
                Some("https://devflow.example.com"),
            ),
            ("devflow.example.com", Some("https://devflow.example.com")),
            ("http://127.0.0.1:8787", Some("http://127.0.0.1:8787")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("http://localhost", Some("http://localhost")),
            ("http://devflow.example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://localhost@example.com", None),
            ("ftp://devflow.example.com", None),
            ("https://a/b", None),
            ("https://user@a", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let parsed = Origin::parse(text).ok();
            assert_eq!(parsed.map(|origin| origin.0).as_deref(), expected, "{text:?}");
        }
    }

    fn two_logins() -> Settings {
        let [one, two] = ["https://one.test", "https://two.test"].map(|text| Origin::parse(text).unwrap());
        let key = |text: &str| ApiKey(text.to_owned());
        Settings {
            current: Some(one.clone()),
            keys: [(one.clone(), key("dfp_one")), (two, key("dfp_two"))].into(),
            own: [one].into(),
        }
    }

    #[test]
    fn key_goes_only_to_its_own_installation() {
        let kept = two_logins();
        let chosen = |asked: Option<&str>, variables: &[(&str, &str)]| {
            let look = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let origin = origin(asked, &look, &kept).ok()?;
            let key = key(&origin, &look, &kept).ok()?;
            Some((origin.0, key.0))
        };
        let pair = |origin: &str, key: &str| Some((format!("https://{origin}.test"), key.to_owned()));
        assert_eq!(chosen(None, &[]), pair("one", "dfp_one"));
        assert_eq!(chosen(Some("two.test"), &[]), pair("two", "dfp_two"));
        assert_eq!(
            chosen(None, &[("DEVFLOW_URL", "two.test")]),
            pair("two", "dfp_two")
        );
        assert_eq!(chosen(None, &[("DEVFLOW_URL", "three.test")]), None);
        let both = [("DEVFLOW_URL", "three.test"), ("DEVFLOW_API_KEY", "dfp_x")];
        assert_eq!(chosen(None, &both), pair("three", "dfp_x"));
        assert_eq!(chosen(None, &[("DEVFLOW_API_KEY", "not a key")]), None);
    }

    #[test]
    fn settings_come_back_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/login.json");
        assert_eq!(Settings::load(&file), Ok(Settings::default()));
        two_logins().save(&file).unwrap();
        two_logins().save(&file).unwrap();
        assert_eq!(Settings::load(&file), Ok(two_logins()));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}
