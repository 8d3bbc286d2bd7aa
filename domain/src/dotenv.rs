//! Reads the text of a `.env` file as `vlucas/phpdotenv` does, so that a file that a team has can be taken over.

use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DotenvProblem {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// Reads variables; all problems are told at once. A name that comes twice keeps its last value. `${NAME}` outside
/// single quotes takes the value of a variable above it, and stays as it is where there is none.
pub fn parse(text: &str) -> Result<Environment, Vec<DotenvProblem>> {
    let mut reader = Reader {
        text,
        rest: text.char_indices().peekable(),
        found: BTreeMap::new(),
        problems: Vec::new(),
    };
    while reader.rest.peek().is_some() {
        reader.entry();
    }
    if reader.problems.is_empty() {
        Ok(Environment(reader.found))
    } else {
        Err(reader.problems)
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    found: BTreeMap<EnvName, String>,
    problems: Vec<DotenvProblem>,
}

impl Reader<'_> {
    fn place(&mut self) -> usize {
        self.rest.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn problem(&mut self, at: usize, message: impl Into<String>) {
        let line = self.text[..at].matches('\n').count() + 1;
        self.problems.push(DotenvProblem {
            line,
            message: message.into(),
        });
    }

    /// Takes what is left of the line and gives it without its end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        for (_, c) in self.rest.by_ref() {
            if c == '\n' {
                break;
            }
            line.push(c);
        }
        line
    }

    fn skip_blanks(&mut self) {
        while self.rest.next_if(|(_, c)| *c == ' ' || *c == '\t').is_some() {}
    }

    fn entry(&mut self) {
        self.skip_blanks();
        let start = self.place();
        let mut name = String::new();
        while let Some((_, c)) = self.rest.next_if(|(_, c)| !matches!(c, '=' | '\n' | '#')) {
            name.push(c);
        }
        let name = name.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start);
        if self.rest.next_if(|(_, c)| *c == '=').is_none() {
            self.line();
            if !name.is_empty() {
                self.problem(
                    start,
                    format!("`{}` has no `=` after it; write NAME=value", cut(name)),
                );
            }
            return;
        }
        let parsed = name.parse::<EnvName>();
        let value = self.value(start);
        match (parsed, value) {
            (Ok(name), Some(value)) => {
                self.found.insert(name, value);
            }
            (Err(error), _) => self.problem(start, error.to_string()),
            (Ok(_), None) => {}
        }
    }

    fn value(&mut self, start: usize) -> Option<String> {
        self.skip_blanks();
        let quote = self.rest.next_if(|(_, c)| matches!(c, '"' | '\''));
        let Some((_, quote)) = quote else {
            return Some(self.bare());
        };
        let mut value = String::new();
        loop {
            match self.rest.next() {
                None => {
                    self.problem(start, format!("the value's {quote} is never closed"));
                    return None;
                }
                Some((_, c)) if c == quote => break,
                Some((_, '\\')) if quote == '"' => self.escape(&mut value),
                Some((_, '$')) if quote == '"' => self.reference(&mut value),
                Some((_, c)) => value.push(c),
            }
        }
        let after = self.line();
        if after.trim().is_empty() || after.trim_start().starts_with('#') {
            return Some(value);
        }
        self.problem(
            start,
            format!("`{}` comes after the closing quote; remove it", cut(after.trim())),
        );
        None
    }

    fn escape(&mut self, value: &mut String) {
        match self.rest.next() {
            Some((_, 'n')) => value.push('\n'),
            Some((_, 'r')) => value.push('\r'),
            Some((_, 't')) => value.push('\t'),
            Some((_, 'f')) => value.push('\u{c}'),
            Some((_, 'v')) => value.push('\u{b}'),
            Some((_, c @ ('\\' | '"' | '$' | '\''))) => value.push(c),
            Some((_, c)) => value.extend(['\\', c]),
            None => value.push('\\'),
        }
    }

    /// After a `$`: the value of `{NAME}`, or the dollar sign itself.
    fn reference(&mut self, value: &mut String) {
        let at = self.place();
        let name = self.text[at..]
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .map(|(name, _)| name);
        let known = name.and_then(|name| self.found.get(&name.parse::<EnvName>().ok()?).cloned());
        value.push_str(known.as_deref().unwrap_or("$"));
        if known.is_some() {
            // The name and its braces.
            self.rest
                .by_ref()
                .nth(name.map_or(0, |name| name.chars().count() + 1));
        }
    }

    /// A value without quotes: to the end of the line or a comment.
    fn bare(&mut self) -> String {
        let mut value = String::new();
        while let Some((_, c)) = self.rest.next() {
            match c {
                '\n' => break,
                '#' if value.is_empty() || value.ends_with([' ', '\t']) => {
                    self.line();
                    break;
                }
                '$' => self.reference(&mut value),
                c => value.push(c),
            }
        }
        value.trim().to_owned()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env_file::render_dotenv;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let found = parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        found
            .0
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect()
    }

    #[test]
    fn parse_reads_what_laravel_projects_have() {
        let text = "# comment\nAPP_NAME=\"My shop\"\nAPP_URL=https://shop.test # the site\r\n\nexport DEBUG=false\n\
                    EMPTY=\nRAW='a $b \"c\"'\nMAIL_FROM_NAME=\"${APP_NAME}\"\nKEY=base64:a+b/c==\nHASH=a#b\n\
                    TWO=\"one\\ntwo\nthree\"\nCOST=\"5 $\"\nOTHER=${NOWHERE}";
        assert_eq!(
            read(text),
            [
                ("APP_NAME", "My shop"),
                ("APP_URL", "https://shop.test"),
                ("COST", "5 $"),
                ("DEBUG", "false"),
                ("EMPTY", ""),
                ("HASH", "a#b"),
                ("KEY", "base64:a+b/c=="),
                ("MAIL_FROM_NAME", "My shop"),
                ("OTHER", "${NOWHERE}"),
                ("RAW", "a $b \"c\""),
                ("TWO", "one\ntwo\nthree"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn parse_tells_all_problems_with_their_lines() {
        let problems = parse("A=1\njust text\n2B=x\nC=\"a\" b\nD='open").expect_err("must be refused");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "line 2: `just text` has no `=` after it; write NAME=value",
                "line 3: `2B` is not a variable name of letters, digits and underscores that does not start with a \
                 digit",
                "line 4: `b` comes after the closing quote; remove it",
                "line 5: the value's ' is never closed",
            ]
        );
    }

    proptest! {
        #[test]
        fn parse_reads_back_what_render_writes(values in proptest::collection::btree_map("[A-Z_][A-Z0-9_]{0,8}", "[^\0]{0,40}", 0..5)) {
            let environment = Environment(values.into_iter().map(|(name, value)| (name.parse().expect("a name"), value)).collect());
            let text = render_dotenv(&environment).expect("writes");
            prop_assert_eq!(parse(&text), Ok(environment));
        }

        #[test]
        fn parse_never_panics(text in "[A-Z=\"'$\\\\{}# \n\ré日]{0,60}") {
            let _ = parse(&text);
        }
    }
}
