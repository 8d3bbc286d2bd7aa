//! The databases: every SQL statement of the Worker, named and in one place for each table.
//!
//! A statement is made by a pure function (text and values) and run by [`Db`]. So the tests run the very same
//! statements natively on `SQLite`, against the real migrations. Several writes that belong together are one
//! [`Db::batch`], which D1 runs as one transaction.

pub(crate) mod activity;
pub(crate) mod dashboard;
pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod environments;
pub(crate) mod events;
pub(crate) mod hooks;
pub(crate) mod jobs;
pub(crate) mod lease;
pub(crate) mod projects;
pub(crate) mod retention;
pub(crate) mod servers;
pub(crate) mod users;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use wasm_bindgen::JsValue;
use worker::D1Database;

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
    HookId,
    JobId,
    LoginId,
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
    fn name(&self) -> &'static str {
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

/// A database error: which statement, and what the database said.
#[derive(Debug, thiserror::Error)]
#[error("the statement `{statement}` failed: {message}")]
pub(crate) struct StoreError {
    statement: String,
    message: String,
}

impl StoreError {
    fn new(statement: impl Into<String>, cause: &impl fmt::Display) -> Self {
        Self {
            statement: statement.into(),
            message: cause.to_string(),
        }
    }

    /// A stored value that the code cannot read.
    pub(crate) fn unreadable(what: &str, cause: &impl fmt::Display) -> Self {
        Self::new(format!("reading {what}"), cause)
    }

    /// True where a UNIQUE constraint on `column` (`table.column`) refused a row.
    pub(crate) fn is_duplicate(&self, column: &str) -> bool {
        self.message.contains("UNIQUE constraint failed") && self.message.contains(column)
    }
}

/// One database.
#[derive(Clone)]
pub(crate) struct Db(Arc<D1Database>);

/// What one statement of a batch gave.
pub(crate) struct Answer(worker::D1Result, &'static str);

impl Answer {
    /// Rows that were written.
    pub(crate) fn changes(&self) -> usize {
        self.0
            .meta()
            .ok()
            .flatten()
            .and_then(|meta| meta.changes)
            .unwrap_or(0)
    }

    /// Rows that were read.
    pub(crate) fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        self.0.results().map_err(|error| StoreError::new(self.1, &error))
    }

    /// The first row that was read.
    pub(crate) fn first<T: DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        Ok(self.rows()?.into_iter().next())
    }
}

impl Db {
    pub(crate) fn new(database: D1Database) -> Self {
        Self(Arc::new(database))
    }

    fn prepare(&self, statement: &Statement) -> Result<worker::D1PreparedStatement, StoreError> {
        let values: Vec<JsValue> = statement
            .values
            .iter()
            .map(|value| match value {
                Value::Null => JsValue::NULL,
                #[expect(clippy::cast_precision_loss, reason = "times and counts stay below 2^53")]
                Value::Int(number) => JsValue::from_f64(*number as f64),
                Value::Text(text) => JsValue::from_str(text),
            })
            .collect();
        self.0
            .prepare(statement.sql)
            .bind(&values)
            .map_err(|error| StoreError::new(statement.name(), &error))
    }

    async fn answer(&self, statement: &Statement) -> Result<Answer, StoreError> {
        let prepared = self.prepare(statement)?;
        match prepared.all().await {
            Ok(result) => Ok(Answer(result, statement.name())),
            Err(error) => Err(StoreError::new(statement.name(), &error)),
        }
    }

    /// All rows of a query.
    pub(crate) async fn all<T: DeserializeOwned>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        self.answer(&statement).await?.rows()
    }

    /// The first row of a query, if any.
    pub(crate) async fn first<T: DeserializeOwned>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, StoreError> {
        self.answer(&statement).await?.first()
    }

    /// Runs one write; gives the number of rows that changed.
    pub(crate) async fn run(&self, statement: Statement) -> Result<usize, StoreError> {
        Ok(self.answer(&statement).await?.changes())
    }

    /// Runs statements in order as one transaction: all or none.
    pub(crate) async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Answer>, StoreError> {
        let prepared = statements
            .iter()
            .map(|statement| self.prepare(statement))
            .collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&'static str> = statements.iter().map(Statement::name).collect();
        let answers = self
            .0
            .batch(prepared)
            .await
            .map_err(|error| StoreError::new(names.join(" + "), &error))?;
        Ok(answers
            .into_iter()
            .zip(names)
            .map(|(answer, name)| Answer(answer, name))
            .collect())
    }
}

/// One page of a list: the rows and where the next page begins.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; None on the last.
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to [`PAGE_ROWS`] + 1 rows; `cursor` names a row's place in the order.
    pub(crate) fn new(mut rows: Vec<T>, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > PAGE_ROWS;
        rows.truncate(PAGE_ROWS);
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
}
