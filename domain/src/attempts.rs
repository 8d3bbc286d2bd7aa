//! How often one may try to sign in: failures are counted by who tries and at what, over a sliding window.
//!
//! A lock must not be a weapon: what a stranger fails at never keeps out the person themselves, who comes with the mark
//! of a device on which they signed in before, or from an address where nobody failed. Not in scope: where the counts
//! are kept.

use devflow_protocol::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Failures are counted over this time, in milliseconds.
pub const WINDOW_MS: i64 = 15 * 60_000;
/// Failures on one account from one address, or from one known device.
const PER_ACCOUNT: usize = 10;
/// Codes are counted over this time as well, in milliseconds.
const CODES_MS: i64 = 24 * 3_600_000;
/// Codes within that time: who knows the password and goes on guessing gets nowhere in years.
const CODES: usize = 30;
/// Failures from one address.
const PER_ADDRESS: usize = 50;
/// Failures on one account from all unknown devices: who guesses from a thousand addresses ends here.
const PER_ACCOUNT_UNKNOWN: usize = 100;
/// Entries that are kept before those that are over are thrown out.
const ENTRIES: usize = 10_000;

/// What failures are counted by, with how many are let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    key: String,
    limit: usize,
}

/// The network of an address: whoever has an IPv6 address has all of its /64.
pub fn network(address: &str) -> String {
    let Ok(std::net::IpAddr::V6(address)) = address.parse() else {
        return address.to_owned();
    };
    let [a, b, c, d, ..] = address.segments();
    format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
}

/// The counters of a password for `account`. `device` is the mark of a device on which that account signed in before:
/// its failures are its own, and those of others do not touch it.
pub fn of_password(account: &str, address: &str, device: Option<&str>) -> Vec<Counter> {
    let counter = |key: String, limit| Counter { key, limit };
    let account = account.to_lowercase();
    if let Some(device) = device {
        return vec![counter(format!("device {device} {account}"), PER_ACCOUNT)];
    }
    let network = network(address);
    vec![
        counter(format!("from {network} {account}"), PER_ACCOUNT),
        counter(format!("from {network}"), PER_ADDRESS),
        counter(format!("unknown {account}"), PER_ACCOUNT_UNKNOWN),
    ]
}

/// Recent attempts at the second factor of one person from one known device, or from all unknown ones, as they are stored: only
/// who knows the password gets as far, so the count outlives whatever holds it in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeAttempts(Vec<UnixMillis>);

impl CodeAttempts {
    /// Under which name those of `user` are stored. `device` is the mark of a device on which they signed in before: who has
    /// learnt the password and fails at codes does not keep them out there.
    pub fn key(user: &str, device: Option<&str>) -> String {
        match device {
            Some(device) => format!("code {user} {device}"),
            None => format!("code {user}"),
        }
    }

    /// With one more at `now`, to be stored before the code is compared, so that a thousand at once are not all let
    /// through. The error is how many seconds to wait: then there is nothing to store.
    pub fn tried(mut self, now: UnixMillis) -> Result<Self, i64> {
        self.0.retain(|at| now.since(*at) < CODES_MS);
        let waits = [(PER_ACCOUNT, WINDOW_MS), (CODES, CODES_MS)];
        let waits = waits.into_iter().filter_map(|(most, over_ms)| {
            let first = self.0.get(self.0.len().checked_sub(most)?)?;
            let left_ms = over_ms - now.since(*first);
            (left_ms > 0).then(|| left_ms.div_euclid(1_000) + 1)
        });
        if let Some(seconds) = waits.max() {
            return Err(seconds);
        }
        self.0.push(now);
        Ok(self)
    }
}

/// Recent failures.
#[derive(Default)]
pub struct Attempts(HashMap<String, Vec<UnixMillis>>);

impl Attempts {
    /// Seconds until another attempt is allowed; None when it is now.
    pub fn wait_s(&mut self, counters: &[Counter], now: UnixMillis) -> Option<i64> {
        let waits = counters.iter().filter_map(|counter| {
            let times = self.0.get_mut(&counter.key)?;
            times.retain(|at| now.since(*at) < WINDOW_MS);
            let oldest = times
                .len()
                .checked_sub(counter.limit)
                .and_then(|index| times.get(index))?;
            Some((WINDOW_MS - now.since(*oldest)).div_euclid(1_000) + 1)
        });
        waits.max()
    }

    /// Counts a failure; gives the highest count that it came to.
    pub fn failed(&mut self, counters: &[Counter], now: UnixMillis) -> usize {
        if self.0.len() > ENTRIES {
            self.0
                .retain(|_, times| times.iter().any(|at| now.since(*at) < WINDOW_MS));
        }
        let counts = counters.iter().map(|counter| {
            let times = self.0.entry(counter.key.clone()).or_default();
            times.retain(|at| now.since(*at) < WINDOW_MS);
            times.push(now);
            if times.len() > counter.limit {
                times.remove(0);
            }
            times.len()
        });
        counts.max().unwrap_or(0)
    }

    /// A success ends the count of the one who tried, which is the first counter; what others did still counts.
    pub fn succeeded(&mut self, counters: &[Counter]) {
        if let Some(own) = counters.first() {
            self.0.remove(&own.key);
        }
    }
}

/// Whether the failure that brought a count to `count` is recorded: on the way up, and not each one, so that a guesser
/// fills no table.
pub fn is_recorded(count: usize) -> bool {
    matches!(count, 1 | 10 | 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VICTIM: &str = "jane@example.com";

    fn fail(attempts: &mut Attempts, counters: &[Counter], times: usize, at: UnixMillis) {
        for _ in 0..times {
            attempts.failed(counters, at);
        }
    }

    #[test]
    fn wait_s_locks_only_the_address_that_failed() {
        let mut attempts = Attempts::default();
        let (bad, other) = (
            of_password(VICTIM, "192.0.2.1", None),
            of_password(VICTIM, "192.0.2.2", None),
        );
        for second in 0..10 {
            assert_eq!(attempts.wait_s(&bad, UnixMillis(second * 1_000)), None);
            attempts.failed(&bad, UnixMillis(second * 1_000));
        }
        assert_eq!(attempts.wait_s(&bad, UnixMillis(10_000)), Some(891));
        assert_eq!(
            attempts.wait_s(
                &of_password("Jane@example.com", "192.0.2.1", None),
                UnixMillis(10_000)
            ),
            Some(891)
        );
        assert_eq!(attempts.wait_s(&other, UnixMillis(10_000)), None);
        assert_eq!(attempts.wait_s(&bad, UnixMillis(WINDOW_MS + 1)), None);
    }

    #[test]
    fn wait_s_locks_an_address_that_tries_many_accounts_with_its_whole_network() {
        let mut attempts = Attempts::default();
        for number in 0..50 {
            let from = format!("2001:db8:0:7::{number:x}");
            attempts.failed(
                &of_password(&format!("{number}@example.com"), &from, None),
                UnixMillis(0),
            );
        }
        let wait = |attempts: &mut Attempts, from: &str| {
            attempts.wait_s(&of_password(VICTIM, from, None), UnixMillis(0))
        };
        assert!(wait(&mut attempts, "2001:db8:0:7:ffff::1").is_some());
        assert!(wait(&mut attempts, "2001:db8:0:8::1").is_none());
    }

    #[test]
    fn wait_s_stops_a_thousand_addresses_and_not_the_victims_own_device() {
        let mut attempts = Attempts::default();
        for number in 0..100 {
            let from = format!("198.51.{number}.1");
            assert_eq!(
                attempts.wait_s(&of_password(VICTIM, &from, None), UnixMillis(0)),
                None
            );
            attempts.failed(&of_password(VICTIM, &from, None), UnixMillis(0));
        }
        let stranger = of_password(VICTIM, "203.0.113.9", None);
        let known = of_password(VICTIM, "203.0.113.9", Some("d1"));
        assert!(attempts.wait_s(&stranger, UnixMillis(0)).is_some());
        assert_eq!(attempts.wait_s(&known, UnixMillis(0)), None);
        // A known device that is in other hands is locked like an address, alone.
        fail(&mut attempts, &known, 10, UnixMillis(0));
        assert!(attempts.wait_s(&known, UnixMillis(0)).is_some());
        assert_eq!(
            attempts.wait_s(&of_password(VICTIM, "203.0.113.9", Some("d2")), UnixMillis(0)),
            None
        );
    }

    #[test]
    fn succeeded_ends_the_own_count_alone() {
        let mut attempts = Attempts::default();
        let here = of_password(VICTIM, "192.0.2.1", None);
        fail(&mut attempts, &here, 9, UnixMillis(0));
        attempts.succeeded(&here);
        assert_eq!(
            attempts.failed(&here, UnixMillis(0)),
            10,
            "the address and the account still count"
        );
        assert_eq!(
            [1, 2, 10, 50, 100].map(is_recorded),
            [true, false, true, true, false]
        );
    }

    #[test]
    fn code_attempts_that_are_stored_end_after_ten_until_the_first_is_over() {
        let mut stored = "[]".to_owned();
        // Nothing stays in memory between two attempts.
        let mut attempt = |at: i64| {
            let before: CodeAttempts = serde_json::from_str(&stored).unwrap();
            before.tried(UnixMillis(at)).map(|after| {
                stored = serde_json::to_string(&after).unwrap();
            })
        };
        for second in 0..10 {
            assert_eq!(attempt(second * 1_000), Ok(()), "{second}");
        }
        assert_eq!(attempt(10_000), Err(891));
        assert_eq!(attempt(WINDOW_MS - 1), Err(1), "a refused one does not count");
        assert_eq!(attempt(WINDOW_MS), Ok(()));
        assert_eq!(attempt(WINDOW_MS), Err(2));
        assert_eq!(attempt(WINDOW_MS + 1_000), Ok(()));
    }

    #[test]
    fn code_attempts_of_a_day_are_few_and_those_of_a_known_device_are_its_own() {
        let mut attempts = CodeAttempts::default();
        let (mut taken, step) = (0, 60_000);
        for at in (0..CODES_MS).step_by(60_000) {
            if let Ok(after) = attempts.clone().tried(UnixMillis(at)) {
                (attempts, taken) = (after, taken + 1);
            }
        }
        assert_eq!(taken, CODES, "one a minute");
        assert_eq!(attempts.clone().tried(UnixMillis(CODES_MS - step)), Err(61));
        assert!(attempts.tried(UnixMillis(CODES_MS)).is_ok());
        let keys = [None, Some("d1"), Some("d2")].map(|device| CodeAttempts::key("usr_1", device));
        assert_eq!(keys, ["code usr_1", "code usr_1 d1", "code usr_1 d2"]);
    }
}
