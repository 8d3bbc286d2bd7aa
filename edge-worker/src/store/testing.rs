//! The databases of tests: `SQLite` with the real migrations, and rows to start from.

use super::{Statement, Value, deployments, hooks, projects, servers};
use devflow_domain::webhook::Provider;
use devflow_protocol::job::Trigger;
use devflow_protocol::text::{GitSha, RefName};
use devflow_protocol::{DeliveryId, DeploymentId, HookId, ProjectId, ServerId, UnixMillis};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};
use serde::de::DeserializeOwned;
use serde_json::{Map, json};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// A database with its migrations applied.
pub(super) struct TestDb {
    connection: Connection,
}

impl TestDb {
    /// The database of the state.
    pub(super) fn core() -> Self {
        Self::migrated(&[
            include_str!("../../../migrations/core/0001_core.sql"),
            include_str!("../../../migrations/core/0002_access.sql"),
            include_str!("../../../migrations/core/0003_people.sql"),
            include_str!("../../../migrations/core/0004_audit.sql"),
            include_str!("../../../migrations/core/0005_idempotency.sql"),
            include_str!("../../../migrations/core/0007_dashboard.sql"),
            include_str!("../../../migrations/core/0008_outgoing.sql"),
            include_str!("../../../migrations/core/0010_passkeys.sql"),
            include_str!("../../../migrations/core/0012_audit_archive.sql"),
            include_str!("../../../migrations/core/0014_scale.sql"),
            include_str!("../../../migrations/core/0016_targets.sql"),
            include_str!("../../../migrations/core/0018_keys.sql"),
            include_str!("../../../migrations/core/0020_standing.sql"),
            include_str!("../../../migrations/core/0024_compare.sql"),
            include_str!("../../../migrations/core/0026_update.sql"),
            include_str!("../../../migrations/core/0027_repository_tokens.sql"),
        ])
    }

    /// The database of the output.
    pub(super) fn logs() -> Self {
        Self::migrated(&[include_str!(
            "../../../migrations/logs/0001_deployment_events.sql"
        )])
    }

    fn migrated(files: &[&str]) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        for sql in files {
            connection.execute_batch(sql).unwrap();
        }
        Self { connection }
    }

    /// Runs one statement: rows as JSON, and how many changed.
    fn step(&self, statement: &Statement) -> rusqlite::Result<(Vec<serde_json::Value>, usize)> {
        let before = self.connection.total_changes();
        let mut prepared = self.connection.prepare(statement.sql)?;
        let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let mut rows = prepared.query(params_from_iter(&statement.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let mut object = Map::new();
            for (index, name) in names.iter().enumerate() {
                let value = match row.get_ref(index)? {
                    ValueRef::Null => json!(null),
                    ValueRef::Integer(number) => json!(number),
                    ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                    other => panic!("no column holds {other:?}"),
                };
                object.insert(name.clone(), value);
            }
            found.push(object.into());
        }
        let changed = usize::try_from(self.connection.total_changes() - before).unwrap();
        Ok((found, changed))
    }

    /// Runs a statement; gives how many rows changed.
    pub(super) fn run(&self, statement: Statement) -> usize {
        self.batch([statement])[0]
    }

    /// Runs statements as one transaction; gives how many rows each changed.
    pub(super) fn batch(&self, statements: impl IntoIterator<Item = Statement>) -> Vec<usize> {
        self.try_batch(statements).unwrap()
    }

    /// Like [`Self::batch`], for what the database may refuse; then nothing of it is there.
    pub(super) fn try_batch(
        &self,
        statements: impl IntoIterator<Item = Statement>,
    ) -> rusqlite::Result<Vec<usize>> {
        let transaction = self.connection.unchecked_transaction()?;
        let changes: rusqlite::Result<Vec<usize>> = statements
            .into_iter()
            .map(|statement| Ok(self.step(&statement)?.1))
            .collect();
        match changes {
            Ok(changes) => transaction.commit().map(|()| changes),
            Err(error) => transaction.rollback().and(Err(error)),
        }
    }

    /// The rows of a query, as the Worker reads them.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the same call as the Worker's database"
    )]
    pub(super) fn all<T: DeserializeOwned>(&self, statement: Statement) -> Vec<T> {
        let (rows, _) = self.step(&statement).unwrap();
        rows.into_iter()
            .map(|row| serde_json::from_value(row).unwrap())
            .collect()
    }

    /// The first row of a query.
    pub(super) fn first<T: DeserializeOwned>(&self, statement: Statement) -> Option<T> {
        self.all(statement).into_iter().next()
    }

    /// One text of a query, for a look at what is stored.
    pub(super) fn text(&self, sql: &str) -> String {
        let text = self
            .connection
            .query_row(sql, [], |row| row.get::<_, Option<String>>(0));
        text.unwrap().unwrap_or_default()
    }

    /// How `SQLite` would run a statement.
    pub(super) fn plan(&self, statement: &Statement) -> String {
        let mut prepared = self
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))
            .unwrap();
        let mut rows = prepared.query(params_from_iter(&statement.values)).unwrap();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>(3).unwrap();
            plan.push('\n');
        }
        plan
    }
}

/// A made-up id: the same number gives the same id, and greater numbers sort behind.
macro_rules! id {
    ($kind:ident, $number:expr) => {
        devflow_protocol::$kind::new(devflow_protocol::UnixMillis($number), [0; 10])
    };
}
pub(super) use id;

pub(super) fn server() -> ServerId {
    id!(ServerId, 1)
}

pub(super) fn project() -> ProjectId {
    id!(ProjectId, 1)
}

pub(super) fn hook() -> HookId {
    id!(HookId, 1)
}

pub(super) fn main_ref() -> RefName {
    "refs/heads/main".parse().unwrap()
}

pub(super) fn commit(digit: char) -> GitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

impl TestDb {
    /// The state's database with one enrolled server and one project on it.
    pub(super) fn with_project() -> Self {
        let db = Self::core();
        let token = "hash";
        db.run(servers::insert(&server(), "web-1", UnixMillis(1)));
        db.batch(servers::insert_enrolment(token, &server(), UnixMillis(1000)));
        db.batch(servers::enrol(&servers::Enrolment {
            token,
            signing_key: "c2lnbg==",
            sealing_key: "c2VhbA==",
            facts: "{}",
            now: UnixMillis(2),
        }));
        db.add_project(1, "shop");
        db.run(hooks::insert(
            &hook(),
            &project(),
            Provider::Github,
            "sealed",
            UnixMillis(3),
        ));
        db
    }

    /// Another project on the server.
    pub(super) fn add_project(&self, number: i64, slug: &str) {
        self.run(projects::insert(&projects::NewProject {
            id: &id!(ProjectId, number),
            slug: &slug.parse().unwrap(),
            name: slug,
            server: &server(),
            ref_name: &main_ref(),
            settings: "{}",
            now: UnixMillis(3),
        }));
    }

    /// Queues a deployment of a project; ids are made of `number`.
    pub(super) fn queue(&self, number: i64, project: i64, trigger: Trigger) -> DeploymentId {
        let deployment = id!(DeploymentId, number);
        self.batch(deployments::queue(
            &deployments::NewDeployment {
                id: &deployment,
                job: &id!(JobId, number),
                project: &id!(ProjectId, project),
                server: &server(),
                trigger,
                ref_name: &main_ref(),
                commit: Some(&commit('a')),
                subject: None,
                author: None,
                delivery: None::<&DeliveryId>,
                target: None,
                force: false,
                now: UnixMillis(number),
            },
            None,
        ));
        deployment
    }

    /// The state of a job made by [`Self::queue`], and of its deployment.
    pub(super) fn states(&self, number: i64) -> (String, String) {
        let (job, deployment) = (id!(JobId, number), id!(DeploymentId, number));
        (
            self.text(&format!("SELECT state FROM jobs WHERE id = '{job}'")),
            self.text(&format!(
                "SELECT state FROM deployments WHERE id = '{deployment}'"
            )),
        )
    }
}
