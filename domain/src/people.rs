//! People: who may change whom, and what an e-mail address and a password have to be.
//!
//! Not in scope: that the last owner stays, which the database keeps, for two people may act at once.

use crate::access::{Role, may_change_role};
use devflow_protocol::UserId;
use std::fmt;
use std::str::FromStr;

/// Shortest password in characters: NIST SP 800-63B allows 8 beside a second factor; it may be the only one here.
pub const PASSWORD_MIN: usize = 12;
/// Longest password in characters.
pub const PASSWORD_MAX: usize = 256;

/// Roles that can be given for one project: nothing of a project is an owner's alone.
pub const PROJECT_ROLES: [Role; 3] = [Role::Viewer, Role::Maintainer, Role::Admin];

/// A person with their role for the fleet.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Who.
    pub id: &'a UserId,
    /// The role for the fleet; None where there are roles of single projects only.
    pub role: Option<Role>,
}

/// What is to be done to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another role for the fleet, or none.
    Role(Option<Role>),
    /// Roles of single projects.
    ProjectRoles,
    /// The second factor of somebody else is taken away; one's own goes another way, with a proof.
    DropFactor,
    /// They cannot come in any more.
    Disable,
    /// They can again.
    Enable,
    /// They are gone.
    Delete,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The person, or what they would become, is above who acts.
    #[error("You cannot change somebody whose role is above yours, or give a role above yours.")]
    Above,
    /// It is nothing that one does to oneself.
    #[error("You cannot do that to yourself; ask somebody else who may.")]
    Yourself,
}

/// Whether `actor` may do `change` to `person`.
pub fn decide(actor: Person<'_>, person: Person<'_>, change: Change) -> Result<(), Refusal> {
    let after = match change {
        Change::Role(role) => role,
        Change::ProjectRoles | Change::DropFactor | Change::Disable | Change::Enable | Change::Delete => {
            person.role
        }
    };
    if !may_change_role(actor.role, person.role, after) {
        return Err(Refusal::Above);
    }
    match change {
        Change::DropFactor | Change::Disable | Change::Delete if actor.id == person.id => {
            Err(Refusal::Yourself)
        }
        _ => Ok(()),
    }
}

/// An e-mail address, as far as one can tell without writing to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

/// It is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give an e-mail address, such as ops@example.com")]
pub struct InvalidEmail;

impl Email {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let parts = text.split_once('@');
        let shaped = parts.is_some_and(|(name, host)| !name.is_empty() && host.len() >= 3);
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if !shaped || text.len() > 254 || text.chars().any(odd) {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("{PASSWORD_MIN} to {PASSWORD_MAX} characters")]
    Length,
    /// Who guesses begins with such ones.
    #[error("this one is among the first that are guessed; take another")]
    Guessable,
}

/// What passwords that are guessed first are made of, beside what belongs to the account.
const GUESSED: [&str; 41] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "qwertyuiop",
    "qwertyuio",
    "qwertzuiop",
    "qwerty",
    "qwertz",
    "azertyuiop",
    "azerty",
    "asdfghjkl",
    "asdfgh",
    "zxcvbnm",
    "yxcvbnm",
    "qazwsxedcrfv",
    "qazwsxedc",
    "qazwsx",
    "1qaz2wsx3edc",
    "1qaz2wsx",
    "zaq12wsx",
    "1q2w3e4r5t6y",
    "1q2w3e4r5t",
    "1q2w3e4r",
    "q1w2e3r4t5y6",
    "correcthorsebatterystaple",
    "trustno1",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "iloveyou",
    "letmein",
    "welcome",
    "administrator",
    "admin",
    "changeme",
    "devflow",
];

/// Whether a password may be set for the account of `email`, as far as one can tell alone. By NIST SP 800-63B: a length, nothing
/// that is guessed first, and no rules about kinds of characters; [`crate::breached`] has the passwords of data breaches.
pub fn check_password(password: &str, email: &str) -> Result<(), WeakPassword> {
    if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&password.chars().count()) {
        return Err(WeakPassword::Length);
    }
    let lower = password.to_lowercase();
    let email = email.to_lowercase();
    let mut rest = lower.clone();
    let own = [email.as_str()]
        .into_iter()
        .chain(email.split(['@', '.', '-', '_', '+']));
    for word in own.chain(GUESSED).filter(|word| word.len() >= 4) {
        rest = rest.replace(word, "");
    }
    // What is left beside guessed words has to be something of its own.
    let mut kinds: Vec<char> = rest.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 5 || is_run(&rest) {
        return Err(WeakPassword::Guessable);
    }
    Ok(())
}

/// True where nearly all neighbours are the same or follow each other, as in `123456789012`.
fn is_run(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let near = codes
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    near * 4 >= codes.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;

    fn user(number: i64) -> UserId {
        UserId::new(UnixMillis(number), [0; 10])
    }

    #[test]
    fn decide_refuses_what_is_above_and_what_nobody_does_to_themselves() {
        let (me, other) = (user(1), user(2));
        let case = |actor: Option<Role>, id: &UserId, role: Option<Role>, change: Change| {
            let person = Person { id, role };
            decide(Person { id: &me, role: actor }, person, change)
        };
        let (admin, owner, viewer) = (Some(Role::Admin), Some(Role::Owner), Some(Role::Viewer));
        let all = [
            Change::Role(None),
            Change::ProjectRoles,
            Change::DropFactor,
            Change::Disable,
            Change::Enable,
            Change::Delete,
        ];
        for change in all {
            assert_eq!(case(admin, &other, viewer, change), Ok(()), "{change:?}");
            assert_eq!(case(admin, &other, admin, change), Ok(()), "{change:?}");
            assert_eq!(case(owner, &other, owner, change), Ok(()), "{change:?}");
            assert_eq!(
                case(admin, &other, owner, change),
                Err(Refusal::Above),
                "{change:?}"
            );
            assert_eq!(
                case(viewer, &other, None, change),
                Err(Refusal::Above),
                "{change:?}"
            );
            assert_eq!(
                case(None, &other, None, change),
                Err(Refusal::Above),
                "{change:?}"
            );
        }
        assert_eq!(
            case(admin, &other, viewer, Change::Role(owner)),
            Err(Refusal::Above)
        );
        assert_eq!(case(admin, &me, admin, Change::Role(owner)), Err(Refusal::Above));
        assert_eq!(case(admin, &me, admin, Change::Role(viewer)), Ok(()));
        for change in [Change::DropFactor, Change::Disable, Change::Delete] {
            for role in [admin, owner] {
                assert_eq!(
                    case(role, &me, role, change),
                    Err(Refusal::Yourself),
                    "{change:?}"
                );
            }
        }
    }

    #[test]
    fn email_is_an_address_without_blanks() {
        assert_eq!(
            " ops@example.com ".parse().map(|email: Email| email.0),
            Ok("ops@example.com".to_owned())
        );
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "ops",
            "@example.com",
            "ops@x",
            "o ps@example.com",
            "ops@exam\nple.com",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
    }

    #[test]
    fn check_password_wants_length_and_nothing_that_is_guessed_first() {
        let check = |password: &str| check_password(password, "jane.miller@flowers.example");
        for good in [
            "correct horse battery",
            "a long password for the bench",
            "483920175527",
            "3f9a0c41d27be6581b02",
            "Jane waters the ficus",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for short in ["", "elevenchars", &"x".repeat(257)] {
            assert_eq!(check(short), Err(WeakPassword::Length), "{short}");
        }
        for guessable in [
            "password1234",
            "Password123!",
            "123456789012",
            "111122223333",
            "qwertyuiop12",
            "iloveyou1234",
            "P@ssw0rd2024",
            "1qaz2wsx3edc",
            "correcthorsebatterystaple",
            "qazwsxedcrfv1!",
            "asdfghjkl123",
            "football2024",
            "aaaaaaaaaaaa",
            "abababababab",
            "janemiller2026",
            "Jane.Miller@flowers.example",
            "devflow-admin-1",
        ] {
            assert_eq!(check(guessable), Err(WeakPassword::Guessable), "{guessable}");
        }
    }
}
