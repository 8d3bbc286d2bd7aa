//! `servers` and `enrolments`.

use super::{Statement, statement};
use crate::crypt;
use devflow_protocol::{DeploymentId, ProjectId, RunnerSessionId, ServerId, UnixMillis};
use serde::{Deserialize, Serialize};

/// Whether a server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerState {
    /// Not enrolled yet, or has not polled since.
    Pending,
    /// Polls.
    Online,
    /// Has not polled for too long.
    Missing,
}

/// A server as lists and pages show it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ServerRow {
    pub(crate) id: ServerId,
    pub(crate) name: String,
    pub(crate) state: ServerState,
    /// JSON of `ServerFacts`.
    pub(crate) facts: Option<String>,
    pub(crate) created_at: UnixMillis,
    pub(crate) enrolled_at: Option<UnixMillis>,
    /// When `state` became what it is.
    pub(crate) state_at: UnixMillis,
    /// Projects on this server.
    pub(crate) projects: i64,
    /// Since when nothing new is deployed here; None where it is.
    pub(crate) draining_since: Option<UnixMillis>,
    /// Id of the job key that its runner trusts, as it said last.
    pub(crate) job_key: Option<String>,
    /// JSON list of the folders of projects on it that are not known here.
    pub(crate) unknown_projects: Option<String>,
}

impl ServerRow {
    /// Changes with what a person decides about it.
    pub(crate) fn version(&self) -> String {
        let draining_since = self.draining_since.map_or(0, |at| at.0);
        crypt::hash(format!("{draining_since} {}", self.name).as_bytes())
    }
}

/// What a runner's request is checked against.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunnerRow {
    pub(crate) id: ServerId,
    pub(crate) state: ServerState,
    pub(crate) signing_key: Option<String>,
    pub(crate) session: Option<String>,
    /// See [`ServerRow::job_key`].
    pub(crate) job_key: Option<String>,
    /// The digest of what it had of its projects when it told last.
    pub(crate) standing: Option<String>,
    pub(crate) edge_id: String,
}

/// A statement that reads servers: its name, and what follows the table.
macro_rules! servers {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT id, name, state, facts, created_at, enrolled_at, state_at, projects, draining_since, job_key,
          unknown_projects FROM servers ",
            $rest
        )
    };
}

/// A page of servers by name.
pub(crate) fn list(after: &str) -> Statement {
    statement!(
        servers!("servers_list", "WHERE name > ?1 ORDER BY name LIMIT 51"),
        after
    )
}

/// The first servers whose names begin with `prefix`.
pub(crate) fn named(prefix: &str, rows: usize) -> Statement {
    statement!(
        servers!(
            "servers_named",
            "WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3"
        ),
        prefix,
        format!("{prefix}\u{10ffff}"),
        rows
    )
}

/// One server.
pub(crate) fn by_id(id: &ServerId) -> Statement {
    statement!(servers!("servers_by_id", "WHERE id = ?1"), id)
}

/// Adds a server that is to enrol.
pub(crate) fn insert(id: &ServerId, name: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- servers_insert
        INSERT INTO servers (id, name, state, created_at, state_at) VALUES (?1, ?2, 'pending', ?3, ?3)",
        id,
        name,
        now
    )
}

/// Gives a server that is called `seen` another name; changes one row exactly where it still is.
pub(crate) fn rename(id: &ServerId, seen: &str, name: &str) -> Statement {
    statement!(
        "-- servers_rename\nUPDATE servers SET name = ?3 WHERE id = ?1 AND name = ?2",
        id,
        seen,
        name
    )
}

/// Begins to drain a server at `since`, or ends it. What is so already stays and changes no row.
pub(crate) fn set_draining(id: &ServerId, since: Option<UnixMillis>) -> Statement {
    statement!(
        "-- servers_set_draining
        UPDATE servers SET draining_since = ?2 WHERE id = ?1 AND (draining_since IS NULL) <> (?2 IS NULL)",
        id,
        since
    )
}

/// Deletes a server and what waits for it, and gives up what it works on: nobody can report that any more. The foreign
/// key of `projects` refuses all of it for a server that has some.
pub(crate) fn delete(id: &ServerId, now: UnixMillis) -> [Statement; 3] {
    [
        statement!("-- servers_delete\nDELETE FROM servers WHERE id = ?1", id),
        statement!(
            "-- jobs_delete_of_server
            DELETE FROM jobs WHERE server = ?1 AND state IN ('queued', 'leased')",
            id
        ),
        statement!(
            "-- jobs_abandon_of_server
            UPDATE jobs SET state = 'abandoned', finished_at = ?2
            WHERE server = ?1 AND state IN ('running', 'out_of_contact')",
            id,
            now
        ),
    ]
}

/// Adds a one-time token by the fingerprint of its public half; older unused ones of the server end.
pub(crate) fn insert_enrolment(token: &str, server: &ServerId, expires_at: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- enrolments_end_older\nDELETE FROM enrolments WHERE server = ?1 AND used_at IS NULL",
            server
        ),
        statement!(
            "-- enrolments_insert\nINSERT INTO enrolments (token_hash, server, expires_at) VALUES (?1, ?2, ?3)",
            token,
            server,
            expires_at
        ),
    ]
}

/// A runner's keys, as it enrols.
pub(crate) struct Enrolment<'a> {
    /// Fingerprint of the token's public half.
    pub(crate) token: &'a str,
    pub(crate) signing_key: &'a str,
    pub(crate) sealing_key: &'a str,
    pub(crate) facts: &'a str,
    pub(crate) now: UnixMillis,
}

/// Spends a token, gives its server the runner's keys and records it. The second statement tells which server it was, and no
/// row where the token is unknown, spent or too old. A new enrolment ends the sessions of the runner before. The
/// server is online when it polls.
pub(crate) fn enrol(enrolment: &Enrolment<'_>) -> [Statement; 4] {
    [
        statement!(
            "-- servers_enrol
            UPDATE servers SET signing_key = ?2, sealing_key = ?3, facts = ?4, session = NULL, standing = NULL, state = 'pending',
              enrolled_at = ?5, state_at = ?5
            WHERE id = (SELECT server FROM enrolments WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?5)",
            enrolment.token,
            enrolment.signing_key,
            enrolment.sealing_key,
            enrolment.facts,
            enrolment.now
        ),
        statement!(
            "-- enrolments_enrolled
            SELECT s.id, (SELECT value FROM settings WHERE name = 'edge_id') AS edge_id
            FROM enrolments e JOIN servers s ON s.id = e.server
            WHERE e.token_hash = ?1 AND e.used_at IS NULL AND e.expires_at > ?2",
            enrolment.token,
            enrolment.now
        ),
        statement!(
            "-- enrolments_record
            INSERT INTO activity_logs (at, actor, action, subject, detail) SELECT ?2, server, 'server.enrol', server, ''
            FROM enrolments WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2",
            enrolment.token,
            enrolment.now
        ),
        statement!(
            "-- enrolments_spend
            UPDATE enrolments SET used_at = ?2 WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2",
            enrolment.token,
            enrolment.now
        ),
    ]
}

/// What `enrolments_enrolled` gives.
#[derive(Debug, Deserialize)]
pub(crate) struct Enrolled {
    pub(crate) id: ServerId,
    pub(crate) edge_id: String,
}

/// The runner behind a request.
pub(crate) fn runner(id: &ServerId) -> Statement {
    statement!(
        "-- servers_runner
        SELECT id, state, signing_key, session, job_key, standing, (SELECT value FROM settings WHERE name = 'edge_id') AS edge_id
        FROM servers WHERE id = ?1",
        id
    )
}

/// Notes a newer session, and what the machine is where the poll says so. An older session changes nothing.
pub(crate) fn start_session(id: &ServerId, session: &RunnerSessionId, facts: Option<&str>) -> Statement {
    statement!(
        "-- servers_start_session
        UPDATE servers SET session = ?2, facts = coalesce(?3, facts)
        WHERE id = ?1 AND (session IS NULL OR session <= ?2)",
        id,
        session,
        facts
    )
}

/// Notes which job key a server's runner trusts.
pub(crate) fn trusts_job_key(id: &ServerId, key: &str) -> Statement {
    statement!(
        "-- servers_trusts_job_key\nUPDATE servers SET job_key = ?2 WHERE id = ?1",
        id,
        key
    )
}

/// A server that polls again is online.
pub(crate) fn mark_online(id: &ServerId, now: UnixMillis) -> Statement {
    statement!(
        "-- servers_mark_online
        UPDATE servers SET state = 'online', state_at = ?2 WHERE id = ?1 AND state <> 'online'",
        id,
        now
    )
}

/// The servers that are thought to be there.
pub(crate) fn online() -> Statement {
    statement!("-- servers_online\nSELECT id FROM servers WHERE state = 'online'")
}

/// A deployment whose server went silent.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LostRow {
    pub(crate) id: DeploymentId,
    pub(crate) project: ProjectId,
}

/// A silent server is missing, and what it works on is out of contact: nothing of it is tried a second time. The first
/// statement gives the [`LostRow`]s.
pub(crate) fn mark_missing(id: &str, now: UnixMillis) -> [Statement; 3] {
    [
        statement!(
            "-- deployments_lose_contact
            UPDATE deployments SET state_before_silence = state, state = 'out_of_contact'
            WHERE state IN ('preparing', 'building', 'starting', 'migrating', 'checking', 'switching', 'observing')
              AND id IN (SELECT deployment FROM jobs WHERE server = ?1 AND state = 'running')
            RETURNING id, project",
            id
        ),
        statement!(
            "-- jobs_lose_contact\nUPDATE jobs SET state = 'out_of_contact' WHERE server = ?1 AND state = 'running'",
            id
        ),
        statement!(
            "-- servers_mark_missing
            UPDATE servers SET state = 'missing', state_at = ?2 WHERE id = ?1 AND state = 'online'",
            id,
            now
        ),
    ]
}
