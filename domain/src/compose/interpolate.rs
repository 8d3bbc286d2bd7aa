//! Variables in the values of a compose file, as the Compose Specification says (chapter “Interpolation”): `$NAME`, `${NAME}`,
//! `${NAME:-default}`, `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`, `${NAME:+instead}`, `${NAME+instead}`, one
//! within another, and `$$` for a dollar. What a variable holds is taken as it is.

use super::yaml::shown;
use std::collections::BTreeSet;

/// Most bytes of one value.
const VALUE_BYTES: usize = 64 * 1024;
/// Most bytes of all values together.
const ALL_BYTES: usize = 1024 * 1024;
/// Most variables within another.
const DEPTH: usize = 8;

/// Puts values in the place of variables, and counts what they come to.
pub(super) struct Variables<'a> {
    /// None for a variable that is not set.
    value: &'a dyn Fn(&str) -> Option<String>,
    /// True where the values are not known: one that is asked for is not missed.
    unknown: bool,
    spent: usize,
    /// Those that were asked for, are not set and have no default.
    pub(super) missing: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(value: &'a dyn Fn(&str) -> Option<String>, unknown: bool) -> Self {
        Self {
            value,
            unknown,
            spent: 0,
            missing: BTreeSet::new(),
        }
    }

    /// The value of one variable.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.value)(name)
    }

    /// A text with the values of its variables; what is wrong with it otherwise.
    pub(super) fn expand(&mut self, text: &str) -> Result<String, String> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let mut rest = text;
        let whole = self.until(&mut rest, false, DEPTH)?;
        self.spent += whole.len();
        if self.spent > ALL_BYTES {
            return Err("its variables add up to too much".to_owned());
        }
        Ok(whole)
    }

    /// Up to the end, or to the brace that closes where `braced`, which stays in `rest`.
    fn until(&mut self, rest: &mut &str, braced: bool, depth: usize) -> Result<String, String> {
        let mut whole = String::new();
        while let Some(c) = rest.chars().next() {
            if braced && c == '}' {
                break;
            }
            *rest = &rest[c.len_utf8()..];
            if c != '$' {
                whole.push(c);
            } else if let Some(after) = rest.strip_prefix('$') {
                *rest = after;
                whole.push('$');
            } else if let Some(after) = rest.strip_prefix('{') {
                *rest = after;
                whole.push_str(&self.braced(rest, depth)?);
            } else {
                let name = name(rest)?;
                whole.push_str(&self.plain(name));
            }
            if whole.len() > VALUE_BYTES {
                return Err("its variables add up to too much".to_owned());
            }
        }
        Ok(whole)
    }

    fn plain(&mut self, name: &str) -> String {
        self.get(name).unwrap_or_else(|| {
            self.missing.insert(name.to_owned());
            String::new()
        })
    }

    fn braced(&mut self, rest: &mut &str, depth: usize) -> Result<String, String> {
        let depth = depth
            .checked_sub(1)
            .ok_or("too many variables stand within each other")?;
        let name = name(rest)?;
        let (filled, operator) = match rest.strip_prefix(':') {
            Some(after) => (true, after),
            None => (false, *rest),
        };
        let set = self.get(name).filter(|value| !(filled && value.is_empty()));
        let value = match operator.chars().next() {
            Some('}') if !filled => {
                *rest = operator;
                self.plain(name)
            }
            Some(kind @ ('-' | '?' | '+')) => {
                *rest = &operator[1..];
                // What is not used is read over, and asks for nothing.
                let before = self.missing.clone();
                let word = self.until(rest, true, depth)?;
                if (kind == '+') != set.is_some() {
                    self.missing = before;
                }
                match (kind, set) {
                    ('-', set) => set.unwrap_or(word),
                    ('+', set) => set.map(|_| word).unwrap_or_default(),
                    (_, Some(value)) => value,
                    (_, None) if self.unknown => "unknown".to_owned(),
                    (_, None) => {
                        let why = if word.is_empty() { "it is required" } else { &word };
                        return Err(format!(
                            "the variable `{name}` is not set ({}); set it in the project's environment",
                            shown(why)
                        ));
                    }
                }
            }
            _ => {
                return Err(format!(
                    "`${{{name}` goes on in a way that is not known; write `${{{name}}}`, or one of :- :? :+ behind the name"
                ));
            }
        };
        *rest = rest
            .strip_prefix('}')
            .ok_or_else(|| format!("`${{{name}` has no brace that closes it"))?;
        Ok(value)
    }
}

/// Takes the name of a variable.
fn name<'t>(rest: &mut &'t str) -> Result<&'t str, String> {
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a `$` stands before no name of a variable; write `$$` for a dollar".to_owned());
    }
    *rest = after;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "SET" => Some("set".to_owned()),
            "EMPTY" => Some(String::new()),
            "DOLLAR" => Some("a$b${SET}".to_owned()),
            "LONG" => Some("x".repeat(40_000)),
            _ => None,
        }
    }

    #[test]
    fn expand_follows_the_specification() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET-$SET/${SET}", "set-set/set"),
            ("$$SET $${SET}", "$SET ${SET}"),
            (
                "${SET:-d}|${EMPTY:-d}|${EMPTY-d}|${NO:-d}|${NO-d}|${NO:-}",
                "set|d||d|d|",
            ),
            ("${SET:?m}|${EMPTY?m}", "set|"),
            ("${SET:+i}|${EMPTY:+i}|${EMPTY+i}|${NO+i}", "i||i|"),
            ("${NO:-${EMPTY:-${SET}}}", "set"),
            ("${NO:-a$$b $SET}", "a$b set"),
            ("$DOLLAR", "a$b${SET}"),
            ("<${NO}${EMPTY}$NO2>", "<>"),
        ] {
            assert_eq!(
                Variables::new(&value, false).expand(text).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
        let mut variables = Variables::new(&value, false);
        variables
            .expand("$NO ${NO2} ${NO3:-} ${SET:-$NO4} ${NO5:+$NO6}")
            .expect("fine");
        let missing: Vec<&str> = variables.missing.iter().map(String::as_str).collect();
        assert_eq!(missing, ["NO", "NO2"]);
    }

    #[test]
    fn expand_refuses_what_it_does_not_know() {
        for (text, expected) in [
            (
                "${NO:?ask Ada}",
                "the variable `NO` is not set (ask Ada); set it in the project's environment",
            ),
            (
                "${EMPTY:?}",
                "the variable `EMPTY` is not set (it is required); set it in the project's environment",
            ),
            (
                "$",
                "a `$` stands before no name of a variable; write `$$` for a dollar",
            ),
            (
                "a$1",
                "a `$` stands before no name of a variable; write `$$` for a dollar",
            ),
            (
                "${SET",
                "`${SET` goes on in a way that is not known; write `${SET}`, or one of :- :? :+ behind the name",
            ),
            ("${SET:-a", "`${SET` has no brace that closes it"),
            (
                "${SET/a/b}",
                "`${SET` goes on in a way that is not known; write `${SET}`, or one of :- :? :+ behind the name",
            ),
            ("$LONG$LONG", "its variables add up to too much"),
        ] {
            assert_eq!(
                Variables::new(&value, false).expand(text),
                Err(expected.to_owned()),
                "{text}"
            );
        }
        let deep = format!("{}x{}", "${NO:-".repeat(20), "}".repeat(20));
        assert!(Variables::new(&value, false).expand(&deep).is_err());
        let mut many = Variables::new(&value, false);
        assert!((0..30).any(|_| many.expand("$LONG").is_err()));
        assert_eq!(
            Variables::new(&value, true).expand("a:${NO:?}").as_deref(),
            Ok("a:unknown")
        );
    }
}
