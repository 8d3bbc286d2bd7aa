//! Writes a project's environment as the `.env` file that Laravel reads with `vlucas/phpdotenv`, so that the
//! application sees the same bytes. The other way round is in [`crate::dotenv`].

use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use std::fmt::Write as _;

/// A value that cannot be written in a form that is read back as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value of {0} holds a NUL byte, which a .env file cannot hold; remove it")]
pub struct UnwritableValue(EnvName);

/// The environment as a `.env` file.
///
/// Values are in double quotes, where phpdotenv unescapes `\\`, `\"` and `\$` and takes line breaks as they are.
pub fn render_dotenv(environment: &Environment) -> Result<String, UnwritableValue> {
    let mut text = String::new();
    for (name, value) in &environment.0 {
        let _ = write!(text, "{name}=\"");
        for c in value.chars() {
            match c {
                '\0' => return Err(UnwritableValue(name.clone())),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> Result<String, UnwritableValue> {
        let values = [("A".parse().expect("a name"), value.to_owned())];
        render_dotenv(&Environment(values.into_iter().collect()))
    }

    #[test]
    fn dotenv_escapes_what_the_reader_unescapes() {
        let cases = [
            ("plain # not a comment", "A=\"plain # not a comment\"\n"),
            ("a\"b$c\\d", "A=\"a\\\"b\\$c\\\\d\"\n"),
            ("-----BEGIN\nKEY\n", "A=\"-----BEGIN\nKEY\n\"\n"),
            ("naïve 日本", "A=\"naïve 日本\"\n"),
        ];
        for (value, expected) in cases {
            assert_eq!(written(value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn value_with_a_nul_byte_is_refused_by_name() {
        let message = written("a\0b").expect_err("must be refused").to_string();
        assert_eq!(
            message,
            "the value of A holds a NUL byte, which a .env file cannot hold; remove it"
        );
    }
}
