//! Passwords that are known from data breaches, asked for without telling them: of their SHA-1 the first five hexadecimal
//! digits are sent, and whether the rest is among the answers is found out here. The answers are those of the range API of
//! Pwned Passwords. Not in scope: how it is asked, and what becomes of a password where there is no answer.

use sha1::{Digest as _, Sha1};
use std::fmt;

/// Digits of the hash that are sent.
const PREFIX_DIGITS: usize = 5;
/// Digits of the hash that stay here.
const SUFFIX_DIGITS: usize = 35;

/// A password's hash in two parts. The second one is not shown by `Debug`, for it never leaves.
pub struct Digits {
    prefix: String,
    suffix: String,
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digits")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The answer is not what the range API gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no list of hashes")]
pub struct Unreadable;

impl Digits {
    /// The digits of a password, in upper case.
    pub fn of(password: &str) -> Self {
        let mut prefix = hex::encode_upper(Sha1::digest(password.as_bytes()));
        let suffix = prefix.split_off(PREFIX_DIGITS);
        Self { prefix, suffix }
    }

    /// What is asked for below `root`, such as `https://api.pwnedpasswords.com/range`.
    pub fn address(&self, root: &str) -> String {
        format!("{}/{}", root.trim_end_matches('/'), self.prefix)
    }

    /// Whether the password is among the answers: lines of the rest of a hash, a colon, and how often it was seen. Lines that
    /// were added so that the answer's length tells nothing count 0 and are no hit. No hash begins as no other does, so an
    /// answer without a line is none.
    pub fn are_in(&self, answer: &str) -> Result<bool, Unreadable> {
        let (mut lines, mut found) = (0, false);
        for line in answer.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (rest, count) = line.split_once(':').ok_or(Unreadable)?;
            let count: u64 = count.trim().parse().map_err(|_| Unreadable)?;
            if rest.len() != SUFFIX_DIGITS || !rest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(Unreadable);
            }
            lines += 1;
            found |= count > 0 && rest.eq_ignore_ascii_case(&self.suffix);
        }
        if lines == 0 {
            return Err(Unreadable);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of `password`, by `printf password | sha1sum`: the hash that the API's documentation asks for, too.
    const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
    const OTHER: &str = "0018A45C4D1DEF81644B54AB7F969B88D65";

    #[test]
    fn address_tells_five_digits_of_the_hash_and_no_more() {
        let digits = Digits::of("password");
        for root in ["https://api.example.com/range", "https://api.example.com/range/"] {
            assert_eq!(digits.address(root), "https://api.example.com/range/5BAA6");
        }
        assert_eq!(digits.suffix, SUFFIX);
        assert_eq!(format!("{digits:?}"), "Digits { prefix: \"5BAA6\", .. }");
    }

    #[test]
    fn are_in_finds_the_rest_of_the_hash_in_any_case_and_at_any_place() {
        let digits = Digits::of("password");
        let lower = SUFFIX.to_lowercase();
        let cases = [
            (format!("{SUFFIX}:9545824"), true),
            (format!("{OTHER}:1\r\n{SUFFIX}:3\r\n"), true),
            (format!("{OTHER}:1\n{lower}:3\n\n"), true),
            (format!("{OTHER}:1"), false),
            // What was added to hide the length.
            (format!("{OTHER}:7\r\n{SUFFIX}:0\r\n"), false),
        ];
        for (answer, expected) in cases {
            assert_eq!(digits.are_in(&answer), Ok(expected), "{answer:?}");
        }
    }

    #[test]
    fn are_in_believes_nothing_that_is_no_list_of_hashes() {
        let digits = Digits::of("password");
        let cases = [
            String::new(),
            "\r\n\r\n".to_owned(),
            "<!doctype html>\n<title>Sign in to the network</title>".to_owned(),
            SUFFIX.to_owned(),
            format!("{SUFFIX}:many"),
            format!("{SUFFIX}:-1"),
            format!("5BAA6{SUFFIX}:3"),
            format!("{}:3", "G".repeat(35)),
            format!("{SUFFIX}:3\n{OTHER}"),
        ];
        for answer in cases {
            assert_eq!(digits.are_in(&answer), Err(Unreadable), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn any_password_and_any_answer_are_read_or_refused(password in ".*", answer in "[0-9A-F:\r\n]*|.*") {
            let digits = Digits::of(&password);
            prop_assert_eq!(digits.prefix.len() + digits.suffix.len(), 40);
            let _ = digits.are_in(&answer);
            let listed = format!("{OTHER}:2\r\n{}:1\r\n", digits.suffix);
            prop_assert_eq!(digits.are_in(&listed), Ok(true));
        }
    }
}
