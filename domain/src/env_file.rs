//! Writes a project's environment so that the application sees the same bytes: as the `.env` that Laravel reads
//! with `vlucas/phpdotenv`, and as `env[]` lines of a PHP-FPM pool.

use devflow_protocol::project::Environment;
use std::fmt::Write as _;

/// A value that cannot be written in a form that is read back as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of {name} holds {what}, which {reader} cannot read; remove it")]
pub struct UnwritableValue {
    name: String,
    what: &'static str,
    reader: &'static str,
}

/// The environment as a `.env` file.
///
/// Values are in double quotes, where phpdotenv unescapes `\\`, `\"` and `\$` and takes line breaks as they are.
pub fn render_dotenv(environment: &Environment) -> Result<String, UnwritableValue> {
    let mut text = String::new();
    for (name, value) in &environment.0 {
        refuse_nul(name.as_str(), value, "a .env file")?;
        let _ = write!(text, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' | '"' | '$' => text.extend(['\\', c]),
                // A bare carriage return would end the line for the reader.
                '\r' => text.push_str("\\r"),
                _ => text.push(c),
            }
        }
        text.push_str("\"\n");
    }
    Ok(text)
}

/// The environment as `env[NAME] = "…"` lines of a PHP-FPM pool.
///
/// PHP-FPM's INI reader unescapes `\\` and `\"` inside double quotes, expands `${…}` and has no way to write a line
/// break.
pub fn render_fpm(environment: &Environment) -> Result<String, UnwritableValue> {
    const READER: &str = "a PHP-FPM pool";
    let mut text = String::new();
    for (name, value) in &environment.0 {
        refuse_nul(name.as_str(), value, READER)?;
        if value.contains(['\n', '\r']) {
            return Err(UnwritableValue {
                name: name.to_string(),
                what: "a line break",
                reader: READER,
            });
        }
        if value.contains("${") {
            return Err(UnwritableValue {
                name: name.to_string(),
                what: "`${`",
                reader: READER,
            });
        }
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "env[{name}] = \"{escaped}\"");
    }
    Ok(text)
}

fn refuse_nul(name: &str, value: &str, reader: &'static str) -> Result<(), UnwritableValue> {
    if value.contains('\0') {
        return Err(UnwritableValue {
            name: name.to_owned(),
            what: "a NUL byte",
            reader,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(value: &str) -> Environment {
        Environment(
            [("A".parse().expect("a name"), value.to_owned())]
                .into_iter()
                .collect(),
        )
    }

    #[test]
    fn dotenv_escapes_what_the_reader_unescapes() {
        let written = |value| render_dotenv(&environment(value)).expect("writes");
        assert_eq!(written("plain # not a comment"), "A=\"plain # not a comment\"\n");
        assert_eq!(written("a\"b$c\\d"), "A=\"a\\\"b\\$c\\\\d\"\n");
        assert_eq!(written("-----BEGIN\nKEY\n"), "A=\"-----BEGIN\nKEY\n\"\n");
        assert_eq!(written("naïve 日本"), "A=\"naïve 日本\"\n");
        assert!(render_dotenv(&environment("a\0b")).is_err());
    }

    #[test]
    fn fpm_pool_refuses_what_it_cannot_hold() {
        assert_eq!(
            render_fpm(&environment("a\"b\\c;d")).expect("writes"),
            "env[A] = \"a\\\"b\\\\c;d\"\n"
        );
        let message = render_fpm(&environment("a\nb"))
            .expect_err("must be refused")
            .to_string();
        assert_eq!(
            message,
            "the value of A holds a line break, which a PHP-FPM pool cannot read; remove it"
        );
        assert!(render_fpm(&environment("${HOME}")).is_err());
    }
}
