//! A login of a device, as `devflow login` asks for it: a short code that a person compares and lets in, while the device
//! asks with a long one. The shape is the one of RFC 8628; what is let in is an API key.
//!
//! Not in scope: what the key is (`api_key`), and where logins are kept.

use crate::access::{Action, Grants, Scope};
use crate::attempts::network;
use devflow_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

/// How long a login waits to be let in, in milliseconds.
pub const WAITS_MS: i64 = 10 * 60_000;
/// How long the device waits between two questions, in milliseconds.
pub const INTERVAL_MS: i64 = 5_000;
/// A question counts as too early only where it is clearly so: networks hurry and dawdle.
const TOO_EARLY_MS: i64 = INTERVAL_MS - 1_500;
/// Logins that one network may have waiting.
const PER_NETWORK: usize = 5;
/// Logins that may wait altogether, so that strangers cannot fill anything.
const ALL: usize = 50;
/// Consonants without those that look alike (RFC 8628, 6.1): no words come of them.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;
/// Longest name of a device, in characters.
pub const NAME_CHARS: usize = 50;

/// The code that a person compares: eight letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserCode(String);

impl UserCode {
    /// A code of random bytes; None where they are not even over the letters.
    pub fn new(entropy: [u8; 16]) -> Option<Self> {
        let even = entropy.into_iter().filter(|byte| *byte < 240);
        let letters: String = even
            .take(CODE_LETTERS)
            .map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]))
            .collect();
        (letters.len() == CODE_LETTERS).then_some(Self(letters))
    }

    /// A code as a person typed it: small letters, spaces and hyphens do not matter.
    pub fn read(typed: &str) -> Option<Self> {
        let letters: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .take(CODE_LETTERS + 1)
            .collect();
        let known = letters.bytes().all(|byte| LETTERS.contains(&byte));
        (known && letters.len() == CODE_LETTERS).then_some(Self(letters))
    }
}

impl std::fmt::Display for UserCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, second) = self.0.split_at(CODE_LETTERS / 2);
        write!(f, "{first}-{second}")
    }
}

/// What a device asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// SHA-256 of what the device asks with.
    pub device: String,
    /// What the person compares.
    pub code: UserCode,
    /// What the device calls itself.
    pub name: String,
    /// What the key has to be good for; None takes what its person may.
    pub scope: Option<Scope>,
    /// Where the request came from.
    pub address: String,
    /// ISO 3166 code of that place, where it is known.
    pub country: Option<String>,
    /// When it was asked.
    pub at: UnixMillis,
}

/// How a person answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    /// Not yet.
    None,
    /// With the key, encrypted.
    Allowed(String),
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    login: Login,
    answer: Answer,
    asked_at: Option<UnixMillis>,
}

/// What a device gets when it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody answered yet.
    Pending,
    /// It asks too often.
    SlowDown,
    /// The person said no.
    Refused,
    /// It is too late, was given already, or never was.
    Over,
    /// The encrypted key, this once.
    Key(String),
}

/// Why a login cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Too many wait; in so many seconds the oldest is over.
    Full(i64),
    /// Another one has this code: take another.
    CodeTaken,
}

/// The logins that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logins(Vec<Waiting>);

impl Logins {
    fn forget(&mut self, now: UnixMillis) {
        self.0.retain(|waiting| now.since(waiting.login.at) < WAITS_MS);
    }

    /// Lets a login wait.
    pub fn add(&mut self, login: Login, now: UnixMillis) -> Result<(), NotTaken> {
        self.forget(now);
        let from = network(&login.address);
        let same = || {
            self.0
                .iter()
                .filter(|waiting| network(&waiting.login.address) == from)
        };
        let oldest = if same().count() >= PER_NETWORK {
            same().map(|waiting| waiting.login.at).min()
        } else if self.0.len() >= ALL {
            self.0.iter().map(|waiting| waiting.login.at).min()
        } else {
            None
        };
        if let Some(oldest) = oldest {
            return Err(NotTaken::Full(
                (WAITS_MS - now.since(oldest)).div_euclid(1_000) + 1,
            ));
        }
        if self.0.iter().any(|waiting| waiting.login.code == login.code) {
            return Err(NotTaken::CodeTaken);
        }
        self.0.push(Waiting {
            login,
            answer: Answer::None,
            asked_at: None,
        });
        Ok(())
    }

    /// The login of a code that nobody has answered yet.
    pub fn open(&self, code: &UserCode, now: UnixMillis) -> Option<&Login> {
        let waiting = self.0.iter().find(|waiting| waiting.login.code == *code)?;
        let open = waiting.answer == Answer::None && now.since(waiting.login.at) < WAITS_MS;
        open.then_some(&waiting.login)
    }

    /// Answers a login: with an encrypted key, or None for no. False where there is none that is open.
    pub fn answer(&mut self, code: &UserCode, key: Option<String>, now: UnixMillis) -> bool {
        self.forget(now);
        let waiting = self.0.iter_mut().find(|waiting| waiting.login.code == *code);
        let Some(waiting) = waiting.filter(|waiting| waiting.answer == Answer::None) else {
            return false;
        };
        waiting.answer = key.map_or(Answer::Refused, Answer::Allowed);
        true
    }

    /// A device asks. What ends the login is given once.
    pub fn ask(&mut self, device: &str, now: UnixMillis) -> Standing {
        self.forget(now);
        let Some(index) = self.0.iter().position(|waiting| waiting.login.device == device) else {
            return Standing::Over;
        };
        let waiting = &mut self.0[index];
        if waiting.answer == Answer::None {
            let before = waiting.asked_at.replace(now);
            let early = before.is_some_and(|before| now.since(before) < TOO_EARLY_MS);
            return if early {
                Standing::SlowDown
            } else {
                Standing::Pending
            };
        }
        match self.0.remove(index).answer {
            Answer::Allowed(key) => Standing::Key(key),
            Answer::None | Answer::Refused => Standing::Refused,
        }
    }
}

/// Whether a key of that scope would let its person do something that a lesser one would not: a device that asks for
/// more than its person may gets nothing that it could use.
pub fn covers(grants: &Grants, scope: Scope) -> bool {
    let best = grants.projects.values().copied().max().max(grants.fleet);
    let own = |action: &&Action| action.least_scope() == Some(scope) && action.least_role().is_some();
    Action::ALL
        .iter()
        .filter(own)
        .any(|action| best >= action.least_role())
}

/// The scopes that a person can give a device that asks for `asked`, the greatest first. Empty where their rights are not
/// enough.
pub fn offers(grants: &Grants, asked: Option<Scope>) -> Vec<Scope> {
    if asked.is_some_and(|asked| !covers(grants, asked)) {
        return vec![];
    }
    let most = asked.unwrap_or(Scope::Admin);
    let scopes = Scope::ALL.into_iter().rev();
    scopes
        .filter(|scope| *scope <= most && covers(grants, *scope))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, Through};
    use devflow_protocol::ProjectId;

    fn code(n: u8) -> UserCode {
        UserCode::new([n; 16]).unwrap()
    }

    fn login(n: u8, address: &str, at: i64) -> Login {
        Login {
            device: format!("hash {n}"),
            code: code(n),
            name: "laptop".to_owned(),
            scope: None,
            address: address.to_owned(),
            country: None,
            at: UnixMillis(at),
        }
    }

    #[test]
    fn user_code_is_read_however_it_is_typed() {
        let made = UserCode::new([0, 1, 2, 3, 255, 240, 19, 20, 21, 239, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(made.to_string(), "BCDF-ZBCZ");
        for typed in ["BCDF-ZBCZ", "bcdfzbcz", " bcdf zbcz "] {
            assert_eq!(UserCode::read(typed), Some(made.clone()), "{typed:?}");
        }
        for wrong in ["", "BCDF-ZBC", "BCDF-ZBCZB", "BCDF-ZBCA", "ßCDF-ZBCZ"] {
            assert_eq!(UserCode::read(wrong), None, "{wrong:?}");
        }
        assert_eq!(UserCode::new([255; 16]), None);
    }

    #[test]
    fn login_that_is_let_in_gives_its_key_once() {
        let mut logins = Logins::default();
        logins.add(login(1, "192.0.2.1", 0), UnixMillis(0)).unwrap();
        assert_eq!(logins.ask("hash 1", UnixMillis(5_000)), Standing::Pending);
        assert_eq!(logins.ask("hash 1", UnixMillis(6_000)), Standing::SlowDown);
        assert_eq!(logins.ask("hash 2", UnixMillis(6_000)), Standing::Over);
        assert!(logins.open(&code(1), UnixMillis(6_000)).is_some());
        assert!(logins.answer(&code(1), Some("sealed".to_owned()), UnixMillis(7_000)));
        // Answered: nobody answers again, and nobody sees it.
        assert!(!logins.answer(&code(1), None, UnixMillis(7_000)));
        assert!(logins.open(&code(1), UnixMillis(7_000)).is_none());
        assert_eq!(
            logins.ask("hash 1", UnixMillis(7_001)),
            Standing::Key("sealed".to_owned())
        );
        assert_eq!(logins.ask("hash 1", UnixMillis(12_001)), Standing::Over);
    }

    #[test]
    fn login_ends_when_it_is_refused_and_after_ten_minutes() {
        let mut logins = Logins::default();
        logins.add(login(1, "192.0.2.1", 0), UnixMillis(0)).unwrap();
        logins.add(login(2, "192.0.2.1", 0), UnixMillis(0)).unwrap();
        logins.answer(&code(1), None, UnixMillis(1));
        assert_eq!(logins.ask("hash 1", UnixMillis(2)), Standing::Refused);
        assert_eq!(logins.ask("hash 1", UnixMillis(3)), Standing::Over);
        let late = UnixMillis(WAITS_MS);
        assert!(logins.open(&code(2), UnixMillis(WAITS_MS - 1)).is_some());
        assert!(logins.open(&code(2), late).is_none());
        assert!(!logins.answer(&code(2), Some(String::new()), late));
        assert_eq!(logins.ask("hash 2", late), Standing::Over);
    }

    #[test]
    fn logins_of_one_network_and_of_all_are_few() {
        let mut logins = Logins::default();
        for n in 0..5 {
            let from = format!("2001:db8:0:7::{n}");
            logins
                .add(login(n, &from, i64::from(n) * 1_000), UnixMillis(4_000))
                .unwrap();
        }
        let full = logins.add(login(9, "2001:db8:0:7::9", 4_000), UnixMillis(4_000));
        assert_eq!(full, Err(NotTaken::Full(597)));
        assert_eq!(
            logins.add(login(1, "192.0.2.1", 0), UnixMillis(4_000)),
            Err(NotTaken::CodeTaken)
        );
        for n in 0..100 {
            let mut other = login(9, &format!("198.51.100.{n}"), 4_000);
            other.code = UserCode(format!("{n:08}"));
            let _taken = logins.add(other, UnixMillis(4_000));
        }
        assert_eq!(logins.0.len(), ALL);
        logins
            .add(login(9, "2001:db8:0:7::9", 0), UnixMillis(WAITS_MS + 4_000))
            .unwrap();
        assert_eq!(logins.0.len(), 1, "those that are over make room");
    }

    fn person(fleet: Option<Role>, project: Option<Role>) -> Grants {
        let id = ProjectId::new(UnixMillis(1), [0; 10]);
        Grants {
            fleet,
            projects: project.map(|role| (id, role)).into_iter().collect(),
            through: Through::Session {
                proven: true,
                lacks_factor: false,
            },
        }
    }

    #[test]
    fn offers_what_the_person_may_and_nothing_where_that_is_not_enough() {
        use Scope::{Admin, Deploy, Read};
        let cases = [
            (None, None, None, vec![]),
            (Some(Role::Viewer), None, None, vec![Read]),
            (Some(Role::Viewer), None, Some(Deploy), vec![]),
            (None, Some(Role::Viewer), Some(Read), vec![Read]),
            (None, Some(Role::Maintainer), None, vec![Admin, Deploy, Read]),
            (Some(Role::Maintainer), None, Some(Deploy), vec![Deploy, Read]),
            (
                Some(Role::Viewer),
                Some(Role::Maintainer),
                Some(Admin),
                vec![Admin, Deploy, Read],
            ),
            (Some(Role::Owner), None, Some(Read), vec![Read]),
        ];
        for (fleet, project, asked, expected) in cases {
            assert_eq!(
                offers(&person(fleet, project), asked),
                expected,
                "{fleet:?} {project:?} {asked:?}"
            );
        }
    }
}
