//! A command as one line of text, and as the argument list that it stands for: quotes and backslashes as in a POSIX
//! shell (POSIX.1-2017, Shell Command Language 2.2), and nothing else of a shell. `$`, `*`, `|` and `;` are letters.

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    /// A quote is not closed, or a backslash ends the line.
    #[error("a quote is opened and not closed")]
    Open,
    /// A word that only means something to a shell.
    #[error("`{0}` does nothing without a shell; write sh -c '…' around the command if you want one")]
    Shell(String),
}

/// Splits a line into arguments.
///
/// # Errors
/// A quote is not closed, or an unquoted word is a shell's operator, which a program would get as an argument.
pub fn split(line: &str) -> Result<Vec<String>, CommandLineError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => end(&mut words, &mut word, &mut quoted)?,
            '\'' => {
                let into = word.get_or_insert_default();
                quoted = true;
                loop {
                    match chars.next().ok_or(CommandLineError::Open)? {
                        '\'' => break,
                        c => into.push(c),
                    }
                }
            }
            '"' => {
                let into = word.get_or_insert_default();
                quoted = true;
                loop {
                    match chars.next().ok_or(CommandLineError::Open)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or(CommandLineError::Open)? {
                            c @ ('"' | '\\' | '$' | '`') => into.push(c),
                            c => into.extend(['\\', c]),
                        },
                        c => into.push(c),
                    }
                }
            }
            '\\' => {
                quoted = true;
                let c = chars.next().ok_or(CommandLineError::Open)?;
                word.get_or_insert_default().push(c);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    end(&mut words, &mut word, &mut quoted)?;
    Ok(words)
}

fn end(
    words: &mut Vec<String>,
    word: &mut Option<String>,
    quoted: &mut bool,
) -> Result<(), CommandLineError> {
    let Some(word) = word.take() else {
        return Ok(());
    };
    let operator = matches!(word.as_str(), "&&" | "||" | "|" | "&" | ";" | ">" | ">>" | "<")
        || word.len() > 1 && word.ends_with(';');
    if operator && !*quoted {
        return Err(CommandLineError::Shell(word));
    }
    *quoted = false;
    words.push(word);
    Ok(())
}

/// Writes arguments as the line that [`split`] reads back.
pub fn join(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_reads_quotes_as_a_shell_does() {
        let cases: [(&str, &[&str]); 7] = [
            (
                "php artisan app:warm  --all",
                &["php", "artisan", "app:warm", "--all"],
            ),
            ("sh -c 'echo $HOME && date'", &["sh", "-c", "echo $HOME && date"]),
            (r#"a "b \"c\" \d" ''"#, &["a", r#"b "c" \d"#, ""]),
            (r"a\ b 'it'\''s'", &["a b", "it's"]),
            ("a$b *.php", &["a$b", "*.php"]),
            ("'|' x", &["|", "x"]),
            ("  ", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).expect(line), words, "{line}");
        }
    }

    #[test]
    fn split_refuses_what_only_a_shell_would_do() {
        for line in ["a && b", "a | b", "a; b", "a > b"] {
            assert!(matches!(split(line), Err(CommandLineError::Shell(_))), "{line}");
        }
        for line in ["a 'b", "a \"b", "a \\"] {
            assert_eq!(split(line), Err(CommandLineError::Open), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn join_is_read_back_as_the_same_words(argv in proptest::collection::vec(".{0,12}", 0..6)) {
            proptest::prop_assert_eq!(split(&join(&argv)), Ok(argv));
        }

        #[test]
        fn split_never_panics(line in ".{0,40}") {
            let _ = split(&line);
        }
    }
}
