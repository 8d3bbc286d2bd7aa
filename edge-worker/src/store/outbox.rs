//! `outbox`: messages on their way to endpoints, and those that are over. The triggers of `deployments` write them, in
//! the transaction of what they tell about, so that neither can be there without the other.

use super::{Statement, statement};
use devflow_domain::outgoing::{Event, Kind};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::text::{GitSha, RefName};
use devflow_protocol::{DeploymentId, EndpointId, MessageId, ProjectId, UnixMillis};
use serde::{Deserialize, Serialize};

/// Messages that are kept of an endpoint once they are over, and that a page shows.
pub(crate) const KEPT: i64 = 50;
/// How many messages one drain takes at once: a Worker has six connections at a time.
pub(crate) const AT_ONCE: i64 = 6;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageState {
    /// Is tried, or will be again.
    Waiting,
    /// Arrived.
    Delivered,
    /// Was not taken, and is not tried any more.
    GivenUp,
    /// Was no news any more.
    Overtaken,
}

impl MessageState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Overtaken => "overtaken",
        }
    }
}

/// A message of an endpoint's log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MessageRow {
    pub(crate) id: String,
    pub(crate) event: Event,
    pub(crate) deployment: Option<DeploymentId>,
    pub(crate) at: UnixMillis,
    pub(crate) state: MessageState,
    pub(crate) attempts: u32,
    pub(crate) next_at: Option<UnixMillis>,
    pub(crate) tried_at: Option<UnixMillis>,
    pub(crate) status: Option<u16>,
    pub(crate) ms: Option<i64>,
    pub(crate) detail: Option<String>,
    /// Of the deployment's project.
    pub(crate) project_name: Option<String>,
}

/// A statement that reads messages: its name, and what follows the tables.
macro_rules! messages {
    ($name:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT o.id, o.event, o.deployment, o.at, o.state, o.attempts, o.next_at, o.tried_at, o.status, o.ms, o.detail,
          p.name AS project_name
        FROM outbox o LEFT JOIN deployments d ON d.id = o.deployment LEFT JOIN projects p ON p.id = d.project ",
            $rest
        )
    };
}

/// The newest messages of an endpoint; there are hardly more.
pub(crate) fn of_endpoint(endpoint: &EndpointId) -> Statement {
    statement!(
        messages!(
            "outbox_of_endpoint",
            "WHERE o.endpoint = ?1 ORDER BY o.at DESC, o.id DESC LIMIT ?2"
        ),
        endpoint,
        KEPT
    )
}

/// One message of an endpoint.
pub(crate) fn one(endpoint: &EndpointId, id: &str) -> Statement {
    statement!(
        messages!("outbox_one", "WHERE o.endpoint = ?1 AND o.id = ?2"),
        endpoint,
        id
    )
}

/// Puts a test into the outbox.
pub(crate) fn insert_test(endpoint: &EndpointId, id: &MessageId, now: UnixMillis) -> Statement {
    statement!(
        "-- outbox_insert_test
        INSERT INTO outbox (endpoint, id, event, at, next_at) VALUES (?1, ?2, 'test', ?3, ?3)",
        endpoint,
        id,
        now
    )
}

/// Sends a message from the beginning, whatever became of it; one that is being sent at the moment is left to that.
pub(crate) fn again(endpoint: &EndpointId, id: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- outbox_again
        UPDATE outbox SET state = 'waiting', attempts = 0, next_at = ?3, claim = NULL, claimed_until = 0
        WHERE endpoint = ?1 AND id = ?2 AND claimed_until <= ?3",
        endpoint,
        id,
        now
    )
}

/// Whether anything is to be sent.
#[derive(Debug, Deserialize)]
pub(crate) struct LookRow {
    /// 1 where it is.
    pub(crate) outbox_is_due: u8,
}

/// Looks into the outbox, at the end of a batch whose triggers may have put something in: a drain of its own would be a
/// further request to the database each time.
pub(crate) fn look(now: UnixMillis) -> Statement {
    statement!(
        "-- outbox_look
        SELECT EXISTS (SELECT 1 FROM outbox WHERE next_at <= ?1) AS outbox_is_due",
        now
    )
}

/// Which messages a drain may take.
#[derive(Clone, Copy)]
pub(crate) enum Which<'a> {
    /// Whatever is due.
    Due,
    /// This one of an endpoint, if it is due.
    One(&'a EndpointId, &'a str),
}

/// Takes due messages for this drain alone, and reads what they are made of. Of one deployment an endpoint is told one
/// thing after the other, unless one waits to be tried again. A drain that is cut short lets go of them at `claimed_until`.
pub(crate) fn take(
    which: Which<'_>,
    claim: &str,
    now: UnixMillis,
    claimed_until: UnixMillis,
) -> [Statement; 2] {
    let (endpoint, id) = match which {
        Which::Due => (None, None),
        Which::One(endpoint, id) => (Some(endpoint.as_str()), Some(id)),
    };
    [
        statement!(
            "-- outbox_take
            UPDATE outbox SET claim = ?1, claimed_until = ?3, attempts = attempts + 1 WHERE (endpoint, id) IN (
              SELECT o.endpoint, o.id FROM outbox o WHERE o.next_at <= ?2 AND o.claimed_until <= ?2
                AND (?4 IS NULL OR (o.endpoint = ?4 AND o.id = ?5))
                AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.endpoint = o.endpoint AND b.id >= o.deployment
                  AND b.id < o.id AND b.next_at <= ?2)
              ORDER BY o.next_at LIMIT ?6)",
            claim,
            now,
            claimed_until,
            endpoint,
            id,
            AT_ONCE
        ),
        statement!(
            "-- outbox_taken
            SELECT o.endpoint, o.id, o.event, o.at, o.attempts, e.kind, e.sealed, d.id AS deployment,
              d.kind AS deployment_kind, d.trigger_kind, d.ref_name, d.commit_sha, d.subject, d.author, d.reason,
              d.queued_at, d.started_at, d.finished_at, d.state AS deployment_state, p.id AS project, p.settings, p.slug,
              p.name AS project_name, d.server, s.name AS server_name, p.live_deployment
            FROM outbox o JOIN endpoints e ON e.id = o.endpoint LEFT JOIN deployments d ON d.id = o.deployment
            LEFT JOIN projects p ON p.id = d.project LEFT JOIN servers s ON s.id = d.server
            WHERE o.next_at <= ?2 AND o.claim = ?1",
            claim,
            now
        ),
    ]
}

/// A message that was taken, with what it is made of.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TakenRow {
    pub(crate) endpoint: EndpointId,
    pub(crate) id: String,
    pub(crate) event: Event,
    pub(crate) at: UnixMillis,
    /// Counts this one.
    pub(crate) attempts: u32,
    pub(crate) kind: Kind,
    /// The endpoint's, encrypted.
    pub(crate) sealed: String,
    #[serde(flatten)]
    pub(crate) told: Option<ToldRow>,
}

/// The deployment that a message tells of, as far as it is still there.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ToldRow {
    pub(crate) deployment: DeploymentId,
    pub(crate) deployment_kind: String,
    pub(crate) trigger_kind: String,
    pub(crate) ref_name: RefName,
    pub(crate) commit_sha: Option<GitSha>,
    pub(crate) subject: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) queued_at: UnixMillis,
    pub(crate) started_at: Option<UnixMillis>,
    pub(crate) finished_at: Option<UnixMillis>,
    pub(crate) project: ProjectId,
    pub(crate) slug: String,
    pub(crate) project_name: String,
    pub(crate) deployment_state: DeploymentState,
    /// JSON of the project's settings.
    pub(crate) settings: String,
    pub(crate) server: String,
    pub(crate) server_name: Option<String>,
    /// The project's.
    pub(crate) live_deployment: Option<DeploymentId>,
}

/// What came of an attempt.
pub(crate) struct Settled<'a> {
    pub(crate) state: MessageState,
    /// Only while it waits.
    pub(crate) next_at: Option<UnixMillis>,
    pub(crate) tried_at: UnixMillis,
    pub(crate) status: Option<u16>,
    pub(crate) ms: i64,
    pub(crate) detail: Option<&'a str>,
}

/// Notes what came of an attempt; changes one row exactly where the claim still holds.
pub(crate) fn settle(endpoint: &EndpointId, id: &str, claim: &str, settled: &Settled<'_>) -> Statement {
    statement!(
        "-- outbox_settle
        UPDATE outbox SET state = ?4, next_at = ?5, tried_at = ?6, status = ?7, ms = ?8, detail = ?9, claim = NULL,
          claimed_until = 0
        WHERE endpoint = ?1 AND id = ?2 AND claim = ?3",
        endpoint,
        id,
        claim,
        settled.state.as_str(),
        settled.next_at,
        settled.tried_at,
        settled.status.map(i64::from),
        settled.ms,
        settled.detail
    )
}

/// Gives up all that waits for an endpoint that is disabled; what comes of an attempt that is under way is not noted.
pub(crate) fn give_up_of_disabled(endpoint: &EndpointId) -> Statement {
    statement!(
        "-- outbox_give_up_of_disabled
        UPDATE outbox SET state = 'given_up', next_at = NULL, claim = NULL, claimed_until = 0,
          detail = coalesce(detail, 'The endpoint was turned off.')
        WHERE endpoint = ?1 AND next_at IS NOT NULL
          AND EXISTS (SELECT 1 FROM endpoints WHERE id = ?1 AND disabled IS NOT NULL)",
        endpoint
    )
}

/// Deletes messages of an endpoint that are over, beyond the newest [`KEPT`].
pub(crate) fn prune(endpoint: &EndpointId) -> Statement {
    statement!(
        "-- outbox_prune
        DELETE FROM outbox WHERE endpoint = ?1 AND next_at IS NULL AND at < (SELECT at FROM outbox
          WHERE endpoint = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        endpoint,
        KEPT - 1
    )
}
