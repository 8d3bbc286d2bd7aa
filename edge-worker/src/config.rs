//! The Worker's settings, read from its variables and secrets. All problems are told at once.

use crate::crypt::DataKey;
use crate::keychain::Keychain;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_domain::outgoing::address::{Address, is_local};
use devflow_domain::queue::MISSING_AFTER_MS;
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

/// The variable of [`Config::missing_after_ms`].
const MISSING_AFTER: &str = "MISSING_AFTER_MS";
/// The variable of [`Config::breached_passwords`].
const BREACHED_PASSWORDS: &str = "BREACHED_PASSWORDS";
/// After so many days rows of the audit trail move to the bucket.
const AUDIT_KEPT_DAYS: i64 = 400;
/// What rows say about people is erased after 90 days, and must never get to the bucket.
const AUDIT_LEAST_DAYS: i64 = 100;

/// The settings of one installation.
pub(crate) struct Config {
    /// Where browsers reach the Worker: scheme, host and port, without a path.
    pub(crate) public_origin: String,
    /// Seed of the key that signs jobs, see [`Self::job_key`].
    job_seed: Zeroizing<[u8; 32]>,
    /// What runners trust.
    pub(crate) keychain: Keychain,
    /// Encrypts what is secret at rest.
    pub(crate) data_key: DataKey,
    /// Opens the set-up page.
    pub(crate) setup_token: Option<String>,
    /// How long a poll is held, in milliseconds.
    pub(crate) poll_hold_ms: i64,
    /// How long a lease may stay unacknowledged, in milliseconds.
    pub(crate) lease_ms: i64,
    /// How long refusals are counted before they go on record, in milliseconds.
    pub(crate) refusals_ms: i64,
    /// How old rows of the audit trail are when they move to the bucket, in milliseconds.
    pub(crate) audit_kept_ms: i64,
    /// Where passwords are compared with those of data breaches: a range API without the hash's digits.
    pub(crate) breached_passwords: Option<String>,
    /// Tell in each answer what it cost in the databases.
    pub(crate) show_cost: bool,
}

/// What is wrong with the variables.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Worker's settings cannot be used: {}", .0.join("; "))]
pub(crate) struct ConfigError(Vec<String>);

impl Config {
    /// Signs jobs. Made when it is asked for: it costs a multiplication on the curve, and most requests sign nothing.
    pub(crate) fn job_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.job_seed)
    }

    /// Reads the settings of this Worker.
    pub(crate) fn of(env: &worker::Env) -> Result<Self, ConfigError> {
        Self::read(|name| env.var(name).ok().map(|value| value.to_string()))
    }

    /// Silence after which a server is missing, in milliseconds: all that the Hub needs of the settings.
    pub(crate) fn missing_after_ms(env: &worker::Env) -> i64 {
        let text = env.var(MISSING_AFTER).ok().map(|value| value.to_string());
        read_millis(text, MISSING_AFTER_MS).unwrap_or(MISSING_AFTER_MS)
    }

    /// Reads the settings; `var` gives a variable or secret by name.
    fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut key = |name: &str| -> [u8; 32] {
            let bytes = var(name).and_then(|text| STANDARD.decode(text.trim()).ok());
            bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or_else(|| {
                problems.push(format!("the secret {name} has to be 32 bytes in base64"));
                [0; 32]
            })
        };
        let (job_key, data_key) = (key("JOB_KEY"), DataKey::new(key("DATA_KEY")));
        let data_key = match var("DATA_KEY_PREVIOUS") {
            Some(_) => data_key.after(key("DATA_KEY_PREVIOUS")),
            None => data_key,
        };
        let mut millis = |name: &str, default: i64| {
            read_millis(var(name), default).unwrap_or_else(|| {
                problems.push(format!("{name} has to be a number of milliseconds above 0"));
                default
            })
        };
        let poll_hold_ms = millis("POLL_HOLD_MS", devflow_domain::queue::POLL_HOLD_MS.into());
        let lease_ms = millis("LEASE_MS", devflow_domain::queue::LEASE_MS);
        // The Hub reads this one, see [`Self::missing_after_ms`]; a mistake in it is told here, with the others.
        millis(MISSING_AFTER, MISSING_AFTER_MS);
        let refusals_ms = millis("REFUSALS_MS", 60_000);
        let audit_kept_days = match var("AUDIT_KEPT_DAYS").map(|text| text.trim().parse::<i64>()) {
            None => AUDIT_KEPT_DAYS,
            Some(Ok(days)) if (AUDIT_LEAST_DAYS..=36_500).contains(&days) => days,
            Some(_) => {
                problems.push(format!(
                    "AUDIT_KEPT_DAYS has to be a number of days from {AUDIT_LEAST_DAYS} on"
                ));
                AUDIT_KEPT_DAYS
            }
        };
        let public_origin = var("PUBLIC_ORIGIN").unwrap_or_default();
        if !is_origin(&public_origin) {
            problems.push(
                "PUBLIC_ORIGIN has to be scheme and host without a path, such as https://devflow.example.com"
                    .to_owned(),
            );
        }
        let breached_passwords = var(BREACHED_PASSWORDS).filter(|root| !root.trim().is_empty());
        if let Some(root) = &breached_passwords
            && (root.contains('?') || Address::parse(root, is_local(&public_origin)).is_err())
        {
            problems.push(format!(
                "{BREACHED_PASSWORDS} has to be the public https address of a range API, such as \
                 https://api.pwnedpasswords.com/range, or empty"
            ));
        }
        let public = SigningKey::from_bytes(&job_key).verifying_key();
        let keychain = match Keychain::read(public, var("KEY_STATEMENTS").as_deref()) {
            Ok(keychain) if problems.is_empty() => keychain,
            read => {
                problems.extend(read.err());
                return Err(ConfigError(problems));
            }
        };
        Ok(Self {
            public_origin,
            job_seed: Zeroizing::new(job_key),
            keychain,
            data_key,
            setup_token: var("SETUP_TOKEN").filter(|token| token.len() >= 16),
            poll_hold_ms,
            lease_ms,
            refusals_ms,
            audit_kept_ms: audit_kept_days * 86_400_000,
            breached_passwords: breached_passwords.map(|root| root.trim().to_owned()),
            show_cost: var("DEBUG_COST").is_some_and(|value| value == "1"),
        })
    }
}

/// A number of milliseconds; None where it is none.
fn read_millis(text: Option<String>, default: i64) -> Option<i64> {
    match text {
        None => Some(default),
        Some(text) => text.trim().parse().ok().filter(|value| *value > 0),
    }
}

fn is_origin(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let key = STANDARD.encode([7; 32]);
        let base = [
            ("PUBLIC_ORIGIN", "https://devflow.test"),
            ("JOB_KEY", &key),
            ("DATA_KEY", &key),
        ];
        let all: std::collections::HashMap<&str, &str> =
            base.into_iter().chain(changes.iter().copied()).collect();
        Config::read(|name| all.get(name).map(|&text| text.to_owned()))
    }

    #[test]
    fn read_tells_all_problems_at_once() {
        let problems = vars(&[
            ("PUBLIC_ORIGIN", "devflow.test/"),
            ("JOB_KEY", "short"),
            ("LEASE_MS", "0"),
            ("KEY_STATEMENTS", "{"),
            ("DATA_KEY_PREVIOUS", "short"),
            ("BREACHED_PASSWORDS", "https://10.0.0.1/range"),
        ]);
        assert_eq!(
            problems.err().map(|error| error.to_string()).unwrap_or_default(),
            "the Worker's settings cannot be used: the secret JOB_KEY has to be 32 bytes in base64; the secret \
             DATA_KEY_PREVIOUS has to be 32 bytes in base64; LEASE_MS has to be a number of milliseconds above 0; \
             PUBLIC_ORIGIN has to be scheme and host without a path, such as https://devflow.example.com; \
             BREACHED_PASSWORDS has to be the public https address of a range API, such as \
             https://api.pwnedpasswords.com/range, or empty; KEY_STATEMENTS is no list of statements (invalid type: map, expected a \
             sequence at line 1 column 0)"
        );
    }

    #[test]
    fn read_takes_defaults_and_ignores_a_setup_token_that_could_be_guessed() {
        let config = vars(&[("SETUP_TOKEN", "short")]).unwrap();
        assert_eq!(
            (config.poll_hold_ms, config.lease_ms, config.setup_token),
            (50_000, 30_000, None)
        );
    }

    #[test]
    fn read_compares_passwords_where_an_address_says_so() {
        let read = |changes: &[(&str, &str)]| vars(changes).map(|config| config.breached_passwords).ok();
        let local = ("PUBLIC_ORIGIN", "http://127.0.0.1:8787");
        let root = |text| ("BREACHED_PASSWORDS", text);
        assert_eq!([read(&[]), read(&[root(" ")])], [Some(None), Some(None)]);
        let public = Some(Some("https://api.example.com/range".to_owned()));
        assert_eq!(read(&[root(" https://api.example.com/range ")]), public);
        let here = Some(Some("http://127.0.0.1:4000/range".to_owned()));
        assert_eq!(read(&[local, root("http://127.0.0.1:4000/range")]), here);
        for refused in [
            "http://127.0.0.1:4000/range",
            "http://api.example.com/range",
            "https://api.example.com/?q=",
            "on",
        ] {
            assert_eq!(read(&[root(refused)]), None, "{refused}");
        }
    }

    #[test]
    fn millis_are_a_number_above_0_or_the_default_where_there_is_none() {
        let read = |text: Option<&str>| read_millis(text.map(str::to_owned), 90_000);
        assert_eq!([read(None), read(Some(" 500 "))], [Some(90_000), Some(500)]);
        assert_eq!([read(Some("0")), read(Some("1 s"))], [None, None]);
    }
}
