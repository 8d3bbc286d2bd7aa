//! Standard output, and what may be written to a terminal.

use crate::failure::Failure;
use std::io::{ErrorKind, IsTerminal as _, StdoutLock, Write as _, stderr, stdout};

/// Where answers go. Progress and failures go to standard error.
pub(crate) struct Out {
    stdout: StdoutLock<'static>,
    /// True where colours are wanted.
    colours: bool,
    /// True where a passing remark on standard error is seen and wiped away again.
    remarks: bool,
    remark: bool,
}

impl Out {
    /// Standard output; colours only on a terminal, and not against `NO_COLOR` (<https://no-color.org>).
    pub(crate) fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: stdout().is_terminal() && !dumb && !unwanted,
            remarks: stdout().is_terminal() && stderr().is_terminal() && !dumb,
            remark: false,
            stdout: stdout().lock(),
        }
    }

    /// Writes a text as it is.
    pub(crate) fn raw(&mut self, text: &str) -> Result<(), Failure> {
        self.wipe();
        let written = self.stdout.write_all(text.as_bytes());
        match written.and_then(|()| self.stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Closed),
            Err(error) => Err(Failure::Usage(format!("cannot write the output: {error}"))),
        }
    }

    /// Writes a line of text that comes from elsewhere.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.raw(&format!("{}\n", safe(text, self.colours)))
    }

    /// Writes JSON in one line.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::Usage(format!("cannot write the output as JSON: {error}")))?;
        self.raw(&format!("{text}\n"))
    }

    /// Shows what is going on until the next line, where somebody watches.
    pub(crate) fn remark(&mut self, text: &str) {
        if self.remarks {
            eprint!("\r\x1b[K{}", safe(text, false));
            self.remark = true;
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.remark) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A text without what would steer the reader's terminal: of escape sequences only colours are left, and those only
/// where they are wanted. What a build prints is not to be trusted.
pub(crate) fn safe(text: &str, colours: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match sequence(rest) {
            Some((length, true)) if colours => {
                kept.push_str(&rest[..length]);
                length
            }
            Some((length, _)) => length,
            None => rest.chars().next().map_or(1, char::len_utf8),
        };
        rest = &rest[length..];
    }
    kept.push_str(rest);
    if colours && kept.contains('\x1b') {
        kept.push_str("\x1b[0m");
    }
    kept
}

/// The length of the control sequence that `text` begins with (ECMA-48, 5.4), and whether it only sets colours.
fn sequence(text: &str) -> Option<(usize, bool)> {
    let body = text.strip_prefix("\x1b[")?;
    let end = body.find(|c| !(' '..='?').contains(&c))?;
    let last = body[end..]
        .chars()
        .next()
        .filter(|last| ('@'..='~').contains(last))?;
    let plain = body[..end]
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b';');
    Some(("\x1b[".len() + end + 1, last == 'm' && plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn safe_keeps_colours_only_and_only_where_they_are_wanted() {
        let cases = [
            ("plain\ttext ü", "plain\ttext ü", "plain\ttext ü"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m", "red"),
            ("\x1b]0;title\x07x", "]0;titlex", "]0;titlex"),
            ("a\x1b[2Jb\x1b[Hc", "abc", "abc"),
            ("\x1b]52;c;aGk=\x1b\\", "]52;c;aGk=\\", "]52;c;aGk=\\"),
            ("half\rother\u{9b}31m", "halfother31m", "halfother31m"),
            ("\x1b[31", "[31", "[31"),
            ("\x1b[ü", "[ü", "[ü"),
            ("\x1b[?25lx", "x", "x"),
        ];
        for (text, coloured, plain) in cases {
            assert_eq!(
                (safe(text, true).as_str(), safe(text, false).as_str()),
                (coloured, plain),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn safe_without_colours_leaves_no_control_character(text in "(\\PC|\x1b|\\[|[0-9;m]|\u{9b}|\r|\n){0,40}") {
            prop_assert!(!safe(&text, false).chars().any(|c| c.is_control() && c != '\t'));
        }
    }
}
