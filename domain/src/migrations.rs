//! Whether going back over a migration would meet a schema that the older code does not fit.

/// A statement of `artisan migrate --pretend` that may destroy what older code needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destructive {
    /// The statement, cut to 200 characters.
    pub statement: String,
}

/// Statements that only add, so that older code goes on working.
const ADDS: [&str; 5] = [
    "create table",
    "create index",
    "create unique index",
    "insert into",
    "select ",
];
/// Clauses of `alter table` that only add.
const ALTER_ADDS: [&str; 6] = [
    "add ",
    "add column",
    "add index",
    "add unique",
    "add constraint",
    "add foreign",
];

/// The statements in `sql` (one a line) that drop, rename or change a type, or that are not known to be harmless.
pub fn destructive<'a>(sql: impl IntoIterator<Item = &'a str>) -> Vec<Destructive> {
    sql.into_iter()
        .map(str::trim)
        .filter(|statement| !statement.is_empty() && !only_adds(statement))
        .map(|statement| Destructive {
            statement: statement.chars().take(200).collect(),
        })
        .collect()
}

fn only_adds(statement: &str) -> bool {
    let lower = statement.to_ascii_lowercase();
    if ADDS.iter().any(|start| lower.starts_with(start)) {
        return true;
    }
    let Some(rest) = lower.strip_prefix("alter table ") else {
        return false;
    };
    let Some((_, clauses)) = rest.split_once(' ') else {
        return false;
    };
    let dangerous = [" drop ", " rename ", " modify ", " change ", " type "];
    let padded = format!(" {clauses} ");
    ALTER_ADDS.iter().any(|start| clauses.starts_with(start))
        && !dangerous.iter().any(|word| padded.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_harmless_and_the_rest_is_named() {
        let sql = [
            "create table `orders` (`id` bigint)",
            "alter table `orders` add `note` varchar(255) null",
            "alter table `orders` add unique `orders_sku_unique`(`sku`)",
            "alter table `orders` drop `sku`",
            "alter table `orders` add `a` int, drop `b`",
            "ALTER TABLE orders RENAME TO sales",
            "alter table `orders` modify `sku` text not null",
            "drop table if exists `orders`",
            "update orders set sku = ''",
        ];
        let found: Vec<String> = destructive(sql)
            .into_iter()
            .map(|found| found.statement)
            .collect();
        assert_eq!(found, sql[3..]);
    }
}
