//! Runs statements on D1.

use super::{Statement, Value};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_bindgen::JsValue;
use worker::D1Database;

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

    /// True where a trigger refused a change with `reason`.
    pub(crate) fn is_refusal(&self, reason: &str) -> bool {
        self.message.contains(reason)
    }

    /// True where `column` (`table.column`) of a row would have been NULL.
    pub(crate) fn is_null(&self, column: &str) -> bool {
        self.message.contains("NOT NULL constraint failed") && self.message.contains(column)
    }

    /// True where a row that others refer to was to be deleted.
    pub(crate) fn is_referenced(&self) -> bool {
        self.message.contains("FOREIGN KEY constraint failed")
    }

    /// True where a CHECK of `column` refused a row.
    pub(crate) fn is_check(&self, column: &str) -> bool {
        self.message.contains("CHECK constraint failed") && self.message.contains(column)
    }
}

/// One database.
#[derive(Clone)]
pub(crate) struct Db {
    database: Arc<D1Database>,
    cost: Option<Arc<Cost>>,
}

/// What the statements of one request cost, as D1 counts it.
#[derive(Default)]
pub(crate) struct Cost {
    round_trips: AtomicUsize,
    read: AtomicUsize,
    written: AtomicUsize,
}

impl Cost {
    fn add(&self, answers: &[Answer]) {
        self.round_trips.fetch_add(1, Relaxed);
        for meta in answers.iter().filter_map(|answer| answer.0.meta().ok().flatten()) {
            self.read.fetch_add(meta.rows_read.unwrap_or(0), Relaxed);
            self.written.fetch_add(meta.rows_written.unwrap_or(0), Relaxed);
        }
    }
}

/// As the header `server-timing` has it.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [trips, read, written] =
            [&self.round_trips, &self.read, &self.written].map(|count| count.load(Relaxed));
        write!(
            f,
            "d1;desc=\"{trips} round trips, {read} rows read, {written} rows written\""
        )
    }
}

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

/// Rows of one statement of a batch, as in `answers.get(1).rows()`; a statement that was not in it gave none.
pub(crate) trait InBatch {
    /// See [`Answer::rows`].
    fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>, StoreError>;
    /// See [`Answer::first`].
    fn first_row<T: DeserializeOwned>(self) -> Result<Option<T>, StoreError>;
}

impl InBatch for Option<&Answer> {
    fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>, StoreError> {
        self.map_or_else(|| Ok(vec![]), Answer::rows)
    }

    fn first_row<T: DeserializeOwned>(self) -> Result<Option<T>, StoreError> {
        self.map_or(Ok(None), Answer::first)
    }
}

impl Db {
    pub(crate) fn new(database: D1Database) -> Self {
        Self {
            database: Arc::new(database),
            cost: None,
        }
    }

    /// The same database, whose costs are added to `cost`.
    pub(crate) fn counted(self, cost: Option<Arc<Cost>>) -> Self {
        Self { cost, ..self }
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
        self.database
            .prepare(statement.sql)
            .bind(&values)
            .map_err(|error| StoreError::new(statement.name(), &error))
    }

    async fn answer(&self, statement: &Statement) -> Result<Answer, StoreError> {
        let prepared = self.prepare(statement)?;
        match prepared.all().await {
            Ok(result) => {
                let answer = Answer(result, statement.name());
                if let Some(cost) = &self.cost {
                    cost.add(std::slice::from_ref(&answer));
                }
                Ok(answer)
            }
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
            .database
            .batch(prepared)
            .await
            .map_err(|error| StoreError::new(names.join(" + "), &error))?;
        let answers: Vec<Answer> = answers
            .into_iter()
            .zip(names)
            .map(|(answer, name)| Answer(answer, name))
            .collect();
        if let Some(cost) = &self.cost {
            cost.add(&answers);
        }
        Ok(answers)
    }
}
