//! What the build of a Dockerfile takes from outside the repository, read before anything is built. Pure.
//!
//! In scope: the images that it names (`FROM`, `COPY --from`, `RUN --mount=from=`, the `syntax` directive) and the port
//! that it exposes. Not in scope: whether it builds. Builders differ in how they read unusual text; where that could hide
//! an image, the text is refused instead of guessed at, and what may be an instruction counts as one.
//!
//! Source: the Dockerfile reference (<https://docs.docker.com/reference/dockerfile/>).

use devflow_protocol::text::{EnvName, ImageRef};
use std::collections::{BTreeMap, BTreeSet};

/// The most that the value of an argument may come to: they can be made of each other.
const EXPANDED_BYTES: usize = 1024;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dockerfile {
    /// The images that are not made by the file itself, in its order, each with its line.
    pub images: Vec<(usize, ImageRef)>,
    /// The first port that its last stage exposes.
    pub port: Option<u16>,
}

/// Why a Dockerfile is not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the Dockerfile {what}")]
pub struct Unclear {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it and what to write instead.
    pub what: String,
}

/// Reads a Dockerfile that is built with its own arguments.
///
/// # Errors
/// Its text could hide which images it takes.
pub fn read(text: &str) -> Result<Dockerfile, Unclear> {
    read_with(text, &BTreeMap::new())
}

/// Reads a Dockerfile. `given` are values that its arguments are built with in place of their own.
///
/// # Errors
/// Its text could hide which images it takes.
pub fn read_with(text: &str, given: &BTreeMap<EnvName, String>) -> Result<Dockerfile, Unclear> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let given = given
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()));
    let mut reader = Reader {
        given: given.collect(),
        ..Reader::default()
    };
    reader.directives(text)?;
    for (line, instruction) in instructions(text)? {
        reader.line = line;
        reader.instruction(&instruction)?;
    }
    Ok(reader.found)
}

/// Joins lines that go on, without comments and empty lines. Each comes with the number of its first line.
fn instructions(text: &str) -> Result<Vec<(usize, String)>, Unclear> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if line.ends_with("\\\\") {
            return Err(Unclear {
                line: index + 1,
                what: "ends with two backslashes, which builders read differently; write one, or none"
                    .to_owned(),
            });
        }
        let (part, more) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match joined.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => whole.push_str(part),
            None => joined.push((index + 1, part.to_owned())),
        }
        goes_on = more;
    }
    Ok(joined)
}

#[derive(Default)]
struct Reader {
    found: Dockerfile,
    line: usize,
    /// Arguments before the first `FROM`, which its image may name.
    arguments: BTreeMap<String, String>,
    /// What arguments are built with in place of their own values.
    given: BTreeMap<String, String>,
    stages: BTreeSet<String>,
    begun: bool,
}

impl Reader {
    fn unclear<T>(&self, what: impl Into<String>) -> Result<T, Unclear> {
        Err(Unclear {
            line: self.line,
            what: what.into(),
        })
    }

    /// Lines before the first instruction that tell the builder how to read the others.
    fn directives(&mut self, text: &str) -> Result<(), Unclear> {
        for (index, line) in text.lines().enumerate() {
            self.line = index + 1;
            let line = line.trim();
            if line.starts_with('{') {
                return self.unclear("begins with `{`; begin with `FROM`");
            }
            let Some(comment) = line.strip_prefix('#').or_else(|| line.strip_prefix("//")) else {
                if line.is_empty() {
                    continue;
                }
                return Ok(());
            };
            let Some((name, value)) = comment.split_once('=') else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "syntax" => {
                    let image = value.split_whitespace().next().unwrap_or_default();
                    self.outside(image)?;
                }
                "escape" if value.trim() != "\\" => {
                    return self.unclear("sets another escape character; leave the directive out");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn instruction(&mut self, text: &str) -> Result<(), Unclear> {
        let text = text.trim_start();
        let (word, rest) = text.split_once(|c: char| c.is_whitespace()).unwrap_or((text, ""));
        match word.to_ascii_uppercase().as_str() {
            // What it triggers may run in a later stage of the same file.
            "ONBUILD" => self.instruction(rest),
            "ARG" => {
                self.argument(rest);
                Ok(())
            }
            "FROM" => self.from(rest),
            "COPY" | "ADD" | "RUN" => self.flags(rest),
            "EXPOSE" => {
                let port = rest.split_whitespace().next().unwrap_or_default();
                let port = port.strip_suffix("/tcp").unwrap_or(port);
                self.found.port = self.found.port.or_else(|| port.parse().ok());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn argument(&mut self, rest: &str) {
        if self.begun {
            return;
        }
        for word in rest.split_whitespace() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            if let Some(given) = self.given.get(name) {
                self.arguments.insert(name.to_owned(), given.clone());
                continue;
            }
            let Some(value) = value else {
                continue;
            };
            let plain = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            if let Some(value) = self.expanded(plain.unwrap_or(value)) {
                self.arguments.insert(name.to_owned(), value);
            }
        }
    }

    fn from(&mut self, rest: &str) -> Result<(), Unclear> {
        let words: Vec<&str> = rest
            .split_whitespace()
            .skip_while(|word| word.starts_with("--"))
            .collect();
        let (image, name) = match words[..] {
            [image] => (image, None),
            [image, by, name] if by.eq_ignore_ascii_case("as") => (image, Some(name)),
            // No builder takes it for the beginning of a stage; it may be a line of a script.
            _ => return Ok(()),
        };
        self.begun = true;
        self.found.port = None;
        let Some(image) = self.expanded(image) else {
            return self.unclear(format!(
                "takes the image `{image}`, whose variables have no plain default; give them one with `ARG` before the \
                 first `FROM`"
            ));
        };
        self.taken(&image)?;
        self.stages.extend(name.map(str::to_ascii_lowercase));
        Ok(())
    }

    /// The flags of an instruction, which may name where files come from.
    fn flags(&mut self, rest: &str) -> Result<(), Unclear> {
        for flag in rest.split_whitespace().take_while(|word| word.starts_with("--")) {
            if flag.contains(['"', '\'', '\\']) {
                return self.unclear(format!(
                    "has the flag `{flag}`; write it without quotes and backslashes"
                ));
            }
            let named = match flag.split_once('=') {
                Some(("--from", image)) => Some(image),
                Some(("--mount", options)) => options.split(',').find_map(|option| {
                    let (key, value) = option.split_once('=')?;
                    key.eq_ignore_ascii_case("from").then_some(value)
                }),
                _ => None,
            };
            if let Some(image) = named
                && image.parse::<u16>().is_err()
            {
                self.taken(image)?;
            }
        }
        Ok(())
    }

    /// An image or a stage of the file.
    fn taken(&mut self, image: &str) -> Result<(), Unclear> {
        if image == "scratch" || self.stages.contains(&image.to_ascii_lowercase()) {
            return Ok(());
        }
        self.outside(image)
    }

    fn outside(&mut self, image: &str) -> Result<(), Unclear> {
        match image.parse::<ImageRef>() {
            Ok(image) => {
                self.found.images.push((self.line, image));
                Ok(())
            }
            Err(_) => self.unclear(format!(
                "takes `{image}`, which is no plain name of an image or a stage before it"
            )),
        }
    }

    /// Puts arguments in the place of `$NAME`, `${NAME}` and `${NAME:-default}`; None where one is not known, or where they
    /// add up to more than a name can be.
    fn expanded(&self, text: &str) -> Option<String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            whole.push_str(before);
            let (name, default, behind) = if let Some(inner) = after.strip_prefix('{') {
                let (inner, behind) = inner.split_once('}')?;
                match inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default), behind),
                    None => (inner, None, behind),
                }
            } else {
                let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let (name, behind) = after.split_at(end.unwrap_or(after.len()));
                (name, None, behind)
            };
            let value = self
                .arguments
                .get(name)
                .map(String::as_str)
                .filter(|value| !value.is_empty());
            whole.push_str(value.or(default)?);
            if whole.len() > EXPANDED_BYTES {
                return None;
            }
            rest = behind;
        }
        whole.push_str(rest);
        Some(whole)
    }
}

#[cfg(test)]
mod tests;
