//! Whether going back over a migration would meet a schema that the older code does not fit.
//!
//! The statements are those that `artisan migrate --pretend` shows. What is not known to be harmless counts as
//! destructive: the price of a wrong word is a question too many, not a broken site.

use std::collections::BTreeMap;

/// Longest statement that is kept, in characters.
const STATEMENT_CHARS: usize = 200;
/// What is said of a migration of which nothing is known.
pub const UNSEEN: &str = "`migrate --pretend` did not show what it does";

/// Starts of statements that only add, or only read.
const ADDS: [&str; 11] = [
    "create table",
    "create temporary table",
    "create index",
    "create unique index",
    "create fulltext index",
    "create spatial index",
    "insert into",
    "select",
    "show",
    "set foreign_key_checks",
    "pragma foreign_keys",
];
/// Ends of an `insert` that change rows which were there before.
const UPSERTS: [&str; 2] = ["on duplicate key update", "do update"];

/// The command that shows what a pipeline's command for migrations would do; None where it is none of Laravel's own.
pub fn pretend(argv: &[String]) -> Option<Vec<String>> {
    let artisan = argv.iter().position(|word| word == "artisan")?;
    (argv.get(artisan + 1)? == "migrate").then(|| {
        let mut shown = argv.to_vec();
        shown.extend(["--pretend", "--no-ansi"].map(str::to_owned));
        shown
    })
}

/// Which of `new` migrations may break code that does not know them, with the first statement that says so. `shown` is
/// what `artisan migrate --pretend` printed, None where it failed.
pub fn destructive(new: &[String], shown: Option<&str>) -> BTreeMap<String, Option<String>> {
    let seen = shown.map(|shown| statements(new, shown)).unwrap_or_default();
    let judge = |name: &String| match seen.get(name) {
        None => Some(UNSEEN.to_owned()),
        Some(sql) => sql
            .iter()
            .find(|statement| !is_harmless(statement))
            .map(|statement| statement.chars().take(STATEMENT_CHARS).collect()),
    };
    new.iter().map(|name| (name.clone(), judge(name))).collect()
}

/// The statements of each migration. Laravel prints `  LABEL ....` with a line `  ⇂ STATEMENT` for each from version 9
/// on and `LABEL: STATEMENT` before; a statement may go on over further lines. The label is the file's name, or that
/// of the class where it has one.
fn statements<'n>(new: &'n [String], shown: &str) -> BTreeMap<&'n String, Vec<String>> {
    let labels: BTreeMap<String, &String> = new
        .iter()
        .flat_map(|name| [(name.clone(), name), (class_of(name), name)])
        .collect();
    let mut all: BTreeMap<&String, Vec<String>> = BTreeMap::new();
    let mut current = None;
    for line in shown.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((name, statement)) = labelled(line, &labels) {
            current = Some(name);
            let list = all.entry(name).or_default();
            list.extend((!statement.is_empty()).then(|| statement.to_owned()));
        } else if let Some(list) = current.and_then(|name| all.get_mut(name)) {
            match (line.strip_prefix('⇂'), list.last_mut()) {
                (None, Some(last)) => {
                    last.push(' ');
                    last.push_str(line);
                }
                (statement, _) => list.push(statement.unwrap_or(line).trim().to_owned()),
            }
        }
    }
    all
}

/// The class that Laravel looks for in a migration's file: `2026_01_31_120000_add_note` has `AddNote`.
fn class_of(name: &str) -> String {
    let mut class = String::new();
    for word in name.split('_').skip(4) {
        let mut letters = word.chars();
        class.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        class.push_str(letters.as_str());
    }
    class
}

/// A line that begins what is shown of a migration, with the statement that may be on it.
fn labelled<'n, 'l>(line: &'l str, labels: &BTreeMap<String, &'n String>) -> Option<(&'n String, &'l str)> {
    let (label, rest) = line.split_at(line.find([' ', ':']).unwrap_or(line.len()));
    let name = labels.get(label)?;
    match rest.strip_prefix(':') {
        Some(statement) => Some((name, statement.trim())),
        None => rest.trim_matches(['.', ' ']).is_empty().then_some((name, "")),
    }
}

fn is_harmless(statement: &str) -> bool {
    let plain = without_quoted(statement).to_ascii_lowercase();
    let mut parts = plain
        .split(';')
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|part| !part.is_empty())
        .peekable();
    parts.peek().is_some() && parts.all(|part| only_adds(&part))
}

fn only_adds(statement: &str) -> bool {
    if let Some(rest) = statement.strip_prefix("alter table ") {
        // The table's name is a word or was quoted, which left `_`.
        let clauses = rest.split_once(' ').map_or("", |(_, clauses)| clauses);
        return !clauses.is_empty() && top_level(clauses).iter().all(|clause| is_addition(clause));
    }
    let starts = |start: &&str| {
        statement
            .strip_prefix(*start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(', '=']))
    };
    ADDS.iter().any(starts) && !UPSERTS.iter().any(|word| statement.contains(word))
}

/// A clause of `alter table` that older code does not notice. A column that must have a value and has none by itself
/// is one that it would: its inserts fail.
fn is_addition(clause: &str) -> bool {
    let Some(what) = clause.trim().strip_prefix("add ") else {
        return false;
    };
    let constraint = [
        "index",
        "unique",
        "constraint",
        "foreign",
        "primary",
        "fulltext",
        "spatial",
        "key",
    ]
    .iter()
    .any(|word| what.starts_with(word));
    let padded = format!(" {what} ");
    let filled = [" default ", " auto_increment ", " generated ", " as "]
        .iter()
        .any(|word| padded.contains(word));
    constraint || !padded.contains(" not null ") || filled
}

/// The parts between commas that are in no parentheses.
fn top_level(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The statement with `_` for each name or text in quotes, so that no word in them counts.
fn without_quoted(statement: &str) -> String {
    let mut plain = String::with_capacity(statement.len());
    let mut open = None;
    let mut escaped = false;
    for c in statement.chars() {
        match open {
            None if matches!(c, '\'' | '"' | '`') => {
                open = Some(c);
                plain.push('_');
            }
            None => plain.push(c),
            // A doubled quote closes and opens again, which comes to the same.
            Some(quote) if c == quote && !escaped => open = None,
            Some(quote) => escaped = c == '\\' && !escaped && quote != '`',
        }
    }
    // An open quote hides the rest: whatever it is, it is not known.
    if open.is_some() { String::new() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_only_add_are_harmless_in_both_grammars() {
        for harmless in [
            // MariaDB, as Laravel writes it
            "create table `orders` (`id` bigint unsigned not null auto_increment primary key) default character set utf8mb4",
            "alter table `orders` add `note` varchar(255) null",
            "alter table `orders` add `note` varchar(255) null, add `price` decimal(8, 2) not null default '0'",
            "alter table `orders` add `kind` enum('drop', 'change') null after `sku`",
            "alter table `orders` add unique `orders_sku_unique`(`sku`)",
            "alter table `orders` add index `orders_a_b_index`(`a`, `b`)",
            "alter table `orders` add constraint `orders_user_foreign` foreign key (`user`) references `users` (`id`) on delete cascade",
            "insert into `plans` (`name`) values ('rename; drop table x')",
            "SET FOREIGN_KEY_CHECKS=0",
            // SQLite
            "create table \"orders\" (\"id\" integer primary key autoincrement not null)",
            "create table if not exists orders (id integer)",
            "create unique index \"orders_sku_unique\" on \"orders\" (\"sku\")",
            "alter table \"orders\" add column \"note\" varchar",
            "alter table \"orders\" add column \"count\" integer not null default '0'",
            "PRAGMA foreign_keys = OFF;",
            "select * from \"orders\"",
        ] {
            assert!(is_harmless(harmless), "{harmless}");
        }
    }

    #[test]
    fn statements_that_remove_rename_change_or_are_unknown_are_not() {
        for destructive in [
            // MariaDB
            "alter table `orders` drop `sku`",
            "alter table `orders` add `a` int null, drop `b`",
            "alter table `orders` modify `sku` text not null",
            "alter table `orders` change `sku` `code` varchar(255) null",
            "alter table `orders` rename column `a` to `b`",
            "alter table `orders` rename index `a` to `b`",
            "alter table `orders` drop foreign key `orders_user_foreign`",
            "alter table `orders` convert to character set utf8mb4",
            "alter table `orders` add `must` int not null",
            "rename table `orders` to `sales`",
            "drop table if exists `orders`",
            "truncate table `orders`",
            "insert into `a` (`b`) values (1) on duplicate key update `b` = 1",
            "insert into `a` values (1); drop table `b`",
            "update orders set sku = ''",
            "delete from `orders`",
            // SQLite
            "alter table \"orders\" drop column \"sku\"",
            "alter table \"orders\" rename to \"sales\"",
            "alter table \"orders\" add column \"must\" integer not null",
            "DROP INDEX \"orders_sku_index\"",
            "insert into a values (1) on conflict (b) do update set c = 1",
            // neither
            "",
            "create or replace view v as select 1",
            "select_everything()",
            "/* nothing */ create table a (b int)",
            "create table 'a",
            "call tidy_up()",
        ] {
            assert!(!is_harmless(destructive), "{destructive}");
        }
    }

    #[test]
    fn new_migrations_are_judged_by_what_is_shown_of_them() {
        let shown = "
   INFO  Running migrations.

  2026_02_01_000001_add_note .....................................................
  ⇂ alter table `orders` add `note` varchar(255) null
  ⇂ alter table `orders`
      add index `orders_note_index`(`note`)
  2026_02_01_000002_tidy_up ......................................................
  ⇂ alter table `orders` add `a` int null
  ⇂ alter table `orders`
      drop `sku`
  2026_02_01_000003_nothing ......................................................

  OldClass .......................................................................
  ⇂ drop table if exists `gone`
";
        let name = |text: &str| text.to_owned();
        let new = [
            name("2026_02_01_000001_add_note"),
            name("2026_02_01_000002_tidy_up"),
            name("2026_02_01_000003_nothing"),
            name("2026_02_01_000004_old_class"),
            name("2026_02_01_000005_ran_before"),
        ];
        let expected = [
            None,
            Some(name("alter table `orders` drop `sku`")),
            None,
            Some(name("drop table if exists `gone`")),
            Some(name(UNSEEN)),
        ];
        assert_eq!(
            destructive(&new, Some(shown)),
            new.clone().into_iter().zip(expected).collect()
        );
        assert!(
            destructive(&new, None)
                .values()
                .all(|why| why.as_deref() == Some(UNSEEN))
        );
    }

    #[test]
    fn pretend_is_asked_of_artisan_alone() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            pretend(&words("php artisan migrate --force")),
            Some(words("php artisan migrate --force --pretend --no-ansi"))
        );
        for other in [
            "php artisan migrate:fresh",
            "php artisan",
            "sh -c migrate",
            "migrate",
        ] {
            assert_eq!(pretend(&words(other)), None, "{other}");
        }
    }

    #[test]
    fn format_before_laravel_9_is_read_too() {
        let shown = "2026_02_01_000001_a: create table `a` (`id` int)\n2026_02_01_000002_b: drop table `b`\n";
        let new = ["2026_02_01_000001_a".to_owned(), "2026_02_01_000002_b".to_owned()];
        let found = destructive(&new, Some(shown));
        assert_eq!(
            found.into_values().collect::<Vec<_>>(),
            [None, Some("drop table `b`".to_owned())]
        );
    }
}
