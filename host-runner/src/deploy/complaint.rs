//! Finds, in the output of a command that failed, the line that says why. Pure.

use devflow_protocol::event::Stream;
use std::collections::VecDeque;

/// Lines that are kept to look at: behind a misuse npm shows all its options, webpack where it looked for each file.
const LINES: usize = 200;
/// Longest reason, in characters.
const CHARS: usize = 400;
/// What lines hold where PHP, databases, Composer and Node name the cause, the surest first.
const CAUSES: [&str; 8] = [
    "SQLSTATE",
    "PHP Fatal error",
    "Fatal error:",
    "Parse error:",
    "Uncaught ",
    "JavaScript heap out of memory",
    "is not present in the lock file",
    "Composer could not find",
];
/// Lines behind which the next one names the cause.
const BANNERS: [&str; 3] = ["error during build:", "Problem 1", "ERROR in "];
/// Marks in front of a message.
const MARKS: [&str; 5] = ["[ERROR] ", "ERROR  ", "ERROR: ", "error: ", "fatal: "];
/// How npm begins lines of its own.
const NPM: [&str; 2] = ["npm error", "npm ERR!"];
/// What npm tells beside the cause.
const NPM_ASIDE: [&str; 10] = [
    "A complete log of this run",
    "code ",
    "errno ",
    "syscall ",
    "path ",
    "command ",
    "workspace ",
    "location ",
    "Lifecycle script ",
    "engine Unsupported engine",
];
/// Words that npm puts in front of a cause.
const NPM_TAGS: [&str; 7] = [
    "404",
    "notarget",
    "ERESOLVE",
    "JSON.parse",
    "engine",
    "notsup",
    "network",
];
/// Composer and the builder of images end with such a line; what went wrong was printed before it.
const CLOSINGS: [&str; 3] = [
    " returned with error code ",
    "executor failed running [",
    "did not complete successfully: exit code: ",
];
/// What lines begin with or hold that come behind the cause and say nothing of it.
const AFTERMATH: [&str; 8] = [
    "Node.js v",
    "at ",
    "npm error",
    "npm ERR!",
    "A complete log of this run",
    "error Command failed with exit code",
    "ELIFECYCLE",
    "thrown in ",
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
        self.named()
            .or_else(|| self.behind_banner())
            .or_else(|| self.lines().find_map(error).map(str::to_owned))
            .or_else(|| self.of_npm())
            .or_else(|| self.before_closing())
            .or_else(|| self.last(Stream::Err))
            .or_else(|| self.last(Stream::Out))
            .unwrap_or_else(|| format!("nothing, and ended with status {code}"))
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, line)| line.as_str())
    }

    fn named(&self) -> Option<String> {
        let of = |cause: &&str| self.lines().find(|line| line.contains(*cause));
        CAUSES.iter().find_map(of).map(bare)
    }

    fn behind_banner(&self) -> Option<String> {
        let at = self.lines().position(is_banner)?;
        self.lines().nth(at + 1).map(bare)
    }

    /// The first sentences of npm's own that name a cause; they go over several lines.
    fn of_npm(&self) -> Option<String> {
        let is_cause = |line: &str| npm(line).is_some_and(|said| !said.is_empty() && !is_aside(said));
        let lines = self
            .lines()
            .skip_while(|line| !is_cause(line))
            .take_while(|line| is_cause(line));
        let mut said: Vec<&str> = lines
            .filter_map(npm)
            .map(untagged)
            .take_while(|said| !said.is_empty())
            .collect();
        said.dedup();
        (!said.is_empty()).then(|| said.join(" ").chars().take(CHARS).collect())
    }

    fn before_closing(&self) -> Option<String> {
        let at = self
            .lines()
            .position(|line| CLOSINGS.iter().any(|closing| line.contains(closing)))?;
        let before = at.checked_sub(1).and_then(|before| self.lines().nth(before));
        // Where the command printed nothing, its own line stands before it.
        before
            .filter(|line| !line.starts_with(['>', '[']))
            .or_else(|| self.lines().nth(at))
            .map(bare)
    }

    fn last(&self, wanted: Stream) -> Option<String> {
        let of = || {
            self.lines
                .iter()
                .rev()
                .filter(|(stream, _)| *stream == wanted)
                .map(|(_, line)| line.as_str())
        };
        of().find(|line| !is_aftermath(line))
            .or_else(|| of().next())
            .map(str::to_owned)
    }
}

/// Laravel and Symfony print the exception's class or its place alone, and its message next.
fn is_banner(line: &str) -> bool {
    line.ends_with("Exception") && !line.contains(' ')
        || line.starts_with("In ") && line.contains(" line ")
        || BANNERS.iter().any(|banner| line.starts_with(banner))
}

/// The message of a line that says by its form that it is an error.
fn error(line: &str) -> Option<&str> {
    let line = npm(line).unwrap_or(line);
    let marked = MARKS.iter().find_map(|mark| {
        let (before, message) = line.split_once(mark)?;
        (before.chars().count() <= 2).then_some(message)
    });
    let class = line.find([':', ' ']).map_or("", |end| &line[..end]);
    let behind = &line[class.len()..];
    let thrown = (class.ends_with("Error") || class.ends_with("Exception"))
        && (behind.starts_with(": ") || behind.starts_with(" [") && behind.contains("]: "));
    let of_typescript = line.contains(": error TS");
    marked.or_else(|| (thrown || of_typescript).then_some(line))
}

fn npm(line: &str) -> Option<&str> {
    NPM.iter()
        .find_map(|prefix| line.strip_prefix(prefix))
        .map(str::trim)
}

fn is_aside(said: &str) -> bool {
    NPM_ASIDE.iter().any(|aside| said.starts_with(aside))
}

fn untagged(said: &str) -> &str {
    let (word, message) = said.split_once(' ').unwrap_or((said, ""));
    if NPM_TAGS.contains(&word) { message } else { said }
}

fn is_aftermath(line: &str) -> bool {
    !line.contains(char::is_alphabetic) || AFTERMATH.iter().any(|start| line.starts_with(start))
}

/// A line without what lists and trees put in front.
fn bare(line: &str) -> String {
    line.trim_start_matches(['-', '×', '│', '╰', '─', '▶', ' '])
        .to_owned()
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
mod tests;
