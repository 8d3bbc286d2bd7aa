//! Finds, in the output of a command that failed, the line that says why. Pure.

use devflow_protocol::event::Stream;
use std::collections::VecDeque;

/// Lines that are kept to look at.
const LINES: usize = 80;
/// Longest reason, in characters.
const CHARS: usize = 400;
/// What lines begin with or hold where PHP, Laravel, Composer and npm name the cause.
const CAUSES: [&str; 9] = [
    "SQLSTATE",
    "PHP Fatal error",
    "Fatal error:",
    "Parse error:",
    "Uncaught ",
    "npm error ",
    "npm ERR! ",
    "Your requirements could not be resolved",
    " returned with error code",
];

/// The last lines of a command.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    lines: VecDeque<(Stream, String)>,
}

impl Complaint {
    /// Takes a line in.
    pub(crate) fn take(&mut self, stream: Stream, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back((stream, line.chars().take(CHARS).collect()));
    }

    /// Why it failed, in the command's own words where it had some.
    pub(crate) fn words(&self, code: i64) -> String {
        let named = CAUSES
            .iter()
            .find_map(|cause| self.lines.iter().find(|(_, line)| line.contains(cause)));
        let after_banner = || {
            // Laravel and Symfony print the exception's class or "ERROR" alone, and its message next.
            let at = self.lines.iter().position(|(_, line)| is_banner(line))?;
            self.lines.get(at + 1)
        };
        let last = |wanted| self.lines.iter().rev().find(|(stream, _)| *stream == wanted);
        let found = named
            .or_else(after_banner)
            .or_else(|| last(Stream::Err))
            .or_else(|| last(Stream::Out));
        found.map_or_else(
            || format!("nothing, and ended with status {code}"),
            |(_, line)| line.clone(),
        )
    }
}

fn is_banner(line: &str) -> bool {
    line.ends_with("Exception") && !line.contains(' ') || line.starts_with("In ") && line.contains(" line ")
}

/// A line without the escape sequences that colour terminals.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            text.push(c);
            continue;
        }
        if chars.next() == Some('[') {
            chars.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: &[(Stream, &str)]) -> String {
        let mut complaint = Complaint::default();
        for (stream, line) in lines {
            complaint.take(*stream, line);
        }
        complaint.words(1)
    }

    #[test]
    fn words_name_the_cause_and_not_the_advice_behind_it() {
        let migration = [
            (Stream::Out, "   Illuminate\\Database\\QueryException"),
            (
                Stream::Out,
                "  SQLSTATE[HY000]: General error: 1 no such table: x",
            ),
            (
                Stream::Out,
                "  at vendor/laravel/framework/src/Illuminate/Database/Connection.php:829",
            ),
        ];
        assert_eq!(
            words(&migration),
            "SQLSTATE[HY000]: General error: 1 no such table: x"
        );
        let boot = [
            (Stream::Out, "   RuntimeException"),
            (Stream::Out, "  the boot is broken"),
            (Stream::Out, "  at app/Providers/X.php:10"),
        ];
        assert_eq!(words(&boot), "the boot is broken");
        assert_eq!(
            words(&[
                (Stream::Err, "first"),
                (Stream::Err, "second"),
                (Stream::Out, "x")
            ]),
            "second"
        );
        assert_eq!(words(&[]), "nothing, and ended with status 1");
    }

    #[test]
    fn plain_drops_colours_and_keeps_text() {
        assert_eq!(
            plain("\u{1b}[37;44m INFO \u{1b}[39;49m done [ok]"),
            " INFO  done [ok]"
        );
        assert_eq!(plain("é\u{1b}"), "é");
    }
}
