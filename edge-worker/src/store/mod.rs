//! The databases: every SQL statement of the Worker, named and in one place for each table.
//!
//! A statement is made by a pure function (text and values) and run by [`Db`]. So the tests run the very same
//! statements natively on `SQLite`, against the real migrations. Several writes that belong together are one
//! [`Db::batch`], which D1 runs as one transaction.

pub(crate) mod access;
pub(crate) mod activity;
pub(crate) mod archives;
pub(crate) mod audit;
pub(crate) mod cards;
pub(crate) mod compared;
pub(crate) mod dashboard;
mod db;
pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod endpoints;
pub(crate) mod environments;
pub(crate) mod events;
pub(crate) mod hooks;
pub(crate) mod idempotency;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod lease;
pub(crate) mod outbox;
pub(crate) mod parts;
pub(crate) mod passkeys;
pub(crate) mod people;
pub(crate) mod projects;
pub(crate) mod reencryption;
pub(crate) mod repository_tokens;
pub(crate) mod retention;
pub(crate) mod second_factors;
pub(crate) mod servers;
pub(crate) mod standing;
pub(crate) mod targets;
pub(crate) mod users;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use db::{Answer, Cost, Db, InBatch, StoreError};

/// Rows of one page of a list.
pub(crate) const PAGE_ROWS: usize = 50;

/// A value that is bound to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// NULL.
    Null,
    /// A whole number; D1 takes it as a JavaScript number, so it has to stay below 2^53.
    Int(i64),
    /// A text.
    Text(String),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<devflow_protocol::UnixMillis> for Value {
    fn from(value: devflow_protocol::UnixMillis) -> Self {
        Self::Int(value.0)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl From<&devflow_protocol::$id> for Value {
            fn from(value: &devflow_protocol::$id) -> Self {
                Self::Text(value.as_str().to_owned())
            }
        }
    )*};
}

ids!(
    ApiKeyId,
    DeliveryId,
    DeploymentId,
    EndpointId,
    HookId,
    InvitationId,
    JobId,
    LoginId,
    MessageId,
    PasskeyId,
    ProjectId,
    RunnerSessionId,
    ServerId,
    UserId
);

/// A named statement with its values: `?1` is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

impl Statement {
    /// What the first line of the statement says.
    pub(crate) fn name(&self) -> &'static str {
        self.sql
            .trim_start()
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("-- ")
    }
}

/// Makes a [`Statement`]: `statement!("-- name\nSELECT …", value, value)`.
macro_rules! statement {
    ($sql:expr $(, $value:expr)* $(,)?) => {
        crate::store::Statement::new($sql, vec![$(crate::store::Value::from($value)),*])
    };
}
pub(crate) use statement;

impl Statement {
    pub(crate) fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values }
    }
}

/// An id alone.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct IdRow {
    pub(crate) id: String,
}

/// One page of a list: the rows and where the next page begins.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "{T}Page"))]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; None on the last.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to [`PAGE_ROWS`] + 1 rows; `cursor` names a row's place in the order.
    pub(crate) fn new(rows: Vec<T>, cursor: impl Fn(&T) -> String) -> Self {
        Self::of(PAGE_ROWS, rows, cursor)
    }

    /// The same for pages of another size.
    pub(crate) fn of(size: usize, mut rows: Vec<T>, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > size;
        rows.truncate(size);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next }
    }

    /// The same page with each row turned into something else.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }

    /// The same page with each row turned into something else, where all can be.
    pub(crate) fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        Ok(Page {
            items: self.items.into_iter().map(change).collect::<Result<_, _>>()?,
            next: self.next,
        })
    }
}
