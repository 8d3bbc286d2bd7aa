//! Projects with what a card of the overview shows: one project, and pages of them in several orders. Each reads as
//! many rows as it shows, however many projects there are.

use super::projects::ProjectRow;
use super::servers::ServerState;
use super::{Statement, statement};
use devflow_protocol::event::DeploymentState;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId, UnixMillis};
use serde::Deserialize;

/// A project with what a card of the overview shows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProjectCard {
    #[serde(flatten)]
    pub(crate) project: ProjectRow,
    /// 1 where the newest deployment that went to its end failed.
    pub(crate) failing: u8,
    /// JSON list of milliseconds, the newest last: how fast it answered each time that it went live.
    pub(crate) answer_times: String,
    pub(crate) server_name: String,
    pub(crate) server_state: ServerState,
    pub(crate) last_deployment: Option<DeploymentId>,
    pub(crate) last_state: Option<DeploymentState>,
    pub(crate) last_commit: Option<GitSha>,
    pub(crate) last_subject: Option<String>,
    pub(crate) last_queued_at: Option<UnixMillis>,
    pub(crate) last_finished_at: Option<UnixMillis>,
    /// The phrase of the tag under which it stands on a page by tags, see `devflow_domain::search`.
    #[serde(default)]
    pub(crate) tag: Option<String>,
}

/// A statement that reads cards: its name, what follows the columns and joins, and where projects `p` are not read in an
/// order of their own, what they are found by.
macro_rules! cards {
    ($name:literal, $rest:literal) => {
        cards!($name, "projects p", $rest)
    };
    ($name:literal, $from:literal, $rest:literal) => {
        cards!($name, "", $from, $rest)
    };
    ($name:literal, $more:literal, $from:literal, $rest:literal) => {
        concat!(
            "-- ",
            $name,
            "
        SELECT p.id, p.slug, p.name, p.server, p.state, p.ref_name, p.settings, p.environment_version,
          p.live_deployment, p.kept_releases, p.further_servers, p.server_policy, p.failing, p.answer_times, p.created_at, p.updated_at,
          s.name AS server_name,
          s.state AS server_state, d.id AS last_deployment, d.state AS last_state, d.commit_sha AS last_commit,
          d.subject AS last_subject, d.queued_at AS last_queued_at, d.finished_at AS last_finished_at",
            $more,
            "
        FROM ",
            $from,
            " JOIN servers s ON s.id = p.server
        LEFT JOIN deployments d ON d.id = (SELECT max(n.id) FROM deployments n WHERE n.project = p.id)
        ",
            $rest
        )
    };
}

/// One project.
pub(crate) fn one(id: &ProjectId) -> Statement {
    statement!(cards!("cards_one", "WHERE p.id = ?1"), id)
}

/// Which projects a page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Show {
    /// All of them.
    #[default]
    All,
    /// A deployment is under way.
    Deploying,
    /// The newest deployment that went to its end failed.
    Failing,
    /// Stopped by a person.
    Stopped,
}

impl Show {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Deploying => "deploying",
            Self::Failing => "failing",
            Self::Stopped => "stopped",
        }
    }
}

/// A page of projects by slug from behind `after`, and one more row where there is a next page; only of the JSON list
/// `visible`, if there is one. What is deploying comes by id, which is the order of its index: however much is under
/// way, no more than the page is read.
pub(crate) fn page(show: Show, after: &str, rows: usize, visible: Option<String>) -> Statement {
    if let Some(visible) = visible {
        return visible_page(visible, show, "", after, rows);
    }
    let sql = match show {
        Show::All => cards!("cards_all", "WHERE p.slug > ?1 ORDER BY p.slug LIMIT ?2"),
        Show::Deploying => cards!(
            "cards_deploying",
            "deployments r CROSS JOIN projects p ON p.id = r.project",
            "WHERE r.state IN ('preparing', 'building', 'starting', 'migrating', 'checking', 'switching',
          'observing', 'out_of_contact') AND r.project > ?1 ORDER BY r.project LIMIT ?2"
        ),
        Show::Failing => cards!(
            "cards_failing",
            "WHERE p.slug > ?1 AND p.failing = 1 ORDER BY p.slug LIMIT ?2"
        ),
        Show::Stopped => cards!(
            "cards_stopped",
            "WHERE p.slug > ?1 AND p.state = 'stopped' ORDER BY p.slug LIMIT ?2"
        ),
    };
    statement!(sql, after, rows + 1)
}

/// The same for somebody who sees only some projects: it reads those and picks among them.
fn visible_page(visible: String, show: Show, prefix: &str, after_slug: &str, rows: usize) -> Statement {
    statement!(
        cards!(
            "cards_visible",
            "WHERE p.id IN (SELECT value FROM json_each(?1)) AND p.slug > ?2
          AND (?3 <> 'failing' OR p.failing = 1) AND (?3 <> 'stopped' OR p.state = 'stopped')
          AND (?3 <> 'deploying' OR EXISTS (SELECT 1 FROM deployments r WHERE r.project = p.id AND r.state IN
            ('preparing', 'building', 'starting', 'migrating', 'checking', 'switching', 'observing', 'out_of_contact')))
          AND (?4 = '' OR EXISTS (SELECT 1 FROM project_words w WHERE w.project = p.id AND w.word >= ?4
            AND w.word < ?5)) ORDER BY p.slug LIMIT ?6"
        ),
        visible,
        after_slug,
        show.name(),
        prefix,
        format!("{prefix}\u{10ffff}"),
        rows + 1
    )
}

/// A page of projects by server and slug, from behind a server's name and a slug.
pub(crate) fn by_server(after_server: &str, after_slug: &str, rows: usize) -> Statement {
    statement!(
        cards!(
            "cards_by_server",
            "WHERE s.name >= ?1 AND (s.name > ?1 OR p.slug > ?2) ORDER BY s.name, p.slug LIMIT ?3"
        ),
        after_server,
        after_slug,
        rows + 1
    )
}

/// A page of projects by tag and id, from behind a tag's phrase and a project; one with several tags comes several times.
pub(crate) fn by_tag(after_tag: &str, after_project: &str, rows: usize) -> Statement {
    statement!(
        cards!(
            "cards_by_tag",
            ", w.word AS tag",
            "project_words w CROSS JOIN projects p ON p.id = w.project",
            "WHERE w.word >= max(?1, '#') AND w.word < '$' AND (w.word > ?1 OR w.project > ?2)
        ORDER BY w.word, w.project LIMIT ?3"
        ),
        after_tag,
        after_project,
        rows + 1
    )
}

/// The first projects that are found, and one more where there are more,
/// by a prefix of a phrase, see `devflow_domain::search`.
pub(crate) fn found(prefix: &str, rows: usize, visible: Option<String>) -> Statement {
    if let Some(visible) = visible {
        return visible_page(visible, Show::All, prefix, "", rows);
    }
    statement!(
        cards!(
            "cards_found",
            "WHERE p.id IN (SELECT DISTINCT project FROM project_words WHERE word >= ?1 AND word < ?2 LIMIT ?3)
        ORDER BY p.slug"
        ),
        prefix,
        format!("{prefix}\u{10ffff}"),
        rows + 1
    )
}
