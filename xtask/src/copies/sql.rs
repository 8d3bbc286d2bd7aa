//! A dump of a database as D1 takes it back: D1 refuses statements above 100 kB, and its own dumps have them where a value is
//! large. Such a row goes in with its large values empty, which are then filled bit by bit.

use anyhow::{Context, Result};
use std::fmt::Write as _;

/// Longest statement that is left as it is, in bytes.
const LONGEST: usize = 90_000;
/// Characters of a large value that go in at once. In bytes they may be four times as many, and quotes double.
const PIECE: usize = 12_000;
/// A value from this length on is filled bit by bit where its row is too long, in bytes.
const LARGE: usize = 4_000;

/// A value as SQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Literal {
    /// NULL or a number, as it stands there.
    Plain(String),
    Text(String),
}

impl Literal {
    fn to_sql(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Text(text) => quoted(text),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The dump with no statement that D1 refuses for its length.
pub(super) fn importable(dump: &str) -> Result<String> {
    let mut out = String::with_capacity(dump.len());
    for statement in statements(dump) {
        if statement.len() <= LONGEST {
            out.push_str(statement);
        } else {
            let split = split(statement.trim());
            out.push_str(
                &split.with_context(|| format!("a row is too long for D1: {:.120}…", statement.trim()))?,
            );
            out.push('\n');
        }
    }
    Ok(out)
}

/// The parts of a dump that end with a semicolon at the end of a line, outside of quotes. Bodies of triggers come apart by that,
/// and together again: nothing is put between.
fn statements(dump: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    dump.split_inclusive(move |character| {
        if character == '\'' {
            quoted = !quoted;
        }
        character == '\n' && !quoted
    })
}

/// An INSERT of one row, as several statements.
fn split(statement: &str) -> Option<String> {
    let (head, rest) = statement.split_once(" VALUES(")?;
    let (table, columns) = head.strip_prefix("INSERT INTO ")?.split_once(" (")?;
    let columns: Vec<&str> = columns.strip_suffix(')')?.split(',').collect();
    let values = literals(rest.strip_suffix(");")?)?;
    if columns.len() != values.len() {
        return None;
    }
    let is_large = |value: &Literal| matches!(value, Literal::Text(text) if text.len() > LARGE);
    let at_first: Vec<String> = values
        .iter()
        .map(|value| {
            if is_large(value) {
                "''".to_owned()
            } else {
                value.to_sql()
            }
        })
        .collect();
    let row: Vec<String> = columns
        .iter()
        .zip(&values)
        .filter(|(_, value)| !is_large(value))
        .map(|(column, value)| format!("{column} IS {}", value.to_sql()))
        .collect();
    let mut out = format!("{head} VALUES({});", at_first.join(","));
    for (column, value) in columns.iter().zip(&values) {
        let Literal::Text(text) = value else { continue };
        if !is_large(value) {
            continue;
        }
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(PIECE) {
            let piece = quoted(&piece.iter().collect::<String>());
            let which = row.join(" AND ");
            let _ = write!(
                out,
                "\nUPDATE {table} SET {column} = {column} || {piece} WHERE {which};"
            );
        }
    }
    Some(out)
}

/// The values of a row.
fn literals(text: &str) -> Option<Vec<Literal>> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, after) = if let Some(inner) = rest.strip_prefix('\'') {
            let (text, after) = quoted_text(inner)?;
            (Literal::Text(text), after)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            (Literal::Plain(rest[..end].to_owned()), &rest[end..])
        };
        values.push(value);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(values),
        }
    }
}

/// A text up to its closing quote, and what is behind that.
fn quoted_text(inner: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = inner;
    loop {
        let quote = rest.find('\'')?;
        text.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('\'') {
            Some(next) => {
                text.push('\'');
                rest = next;
            }
            None => return Some((text, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn rows(db: &Connection) -> Vec<(String, i64, Option<String>, String)> {
        let mut statement = db
            .prepare("SELECT id, n, none, body FROM t ORDER BY id")
            .expect("SQL");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        rows.expect("rows").collect::<Result<_, _>>().expect("rows")
    }

    #[test]
    fn importable_gives_back_every_row_in_statements_that_d1_takes() {
        let long = "it's ü\n".repeat(30_000);
        let table = "CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER, none TEXT, body TEXT NOT NULL);";
        let dump = format!(
            "{table}\nINSERT INTO \"t\" (\"id\",\"n\",\"none\",\"body\") VALUES('a''1',7,NULL,{});\n\
             INSERT INTO \"t\" (\"id\",\"n\",\"none\",\"body\") VALUES('b',8,'x','short');\n\
             CREATE TRIGGER u AFTER INSERT ON t BEGIN\n  SELECT 1;\nEND;\n",
            quoted(&long)
        );
        let importable = importable(&dump).expect("split");
        for statement in importable.split(";\n") {
            assert!(statement.len() < 100_000, "{} bytes", statement.len());
        }
        let db = Connection::open_in_memory().expect("a database");
        db.execute_batch(&importable).expect("imported");
        assert_eq!(
            rows(&db),
            [
                ("a'1".to_owned(), 7, None, long),
                ("b".to_owned(), 8, Some("x".to_owned()), "short".to_owned())
            ]
        );
        let as_it_was = "INSERT INTO \"t\" (\"id\") VALUES('a');\n";
        assert_eq!(super::importable(as_it_was).expect("left"), as_it_was);
    }

    #[test]
    fn statement_that_cannot_be_split_is_named() {
        let long = format!("UPDATE t SET a = {};\n", quoted(&"x".repeat(200_000)));
        let error = importable(&long).expect_err("refused").to_string();
        assert!(error.starts_with("a row is too long for D1: UPDATE t"), "{error}");
    }
}
