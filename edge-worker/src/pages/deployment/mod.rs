//! A deployment: where it stands, its steps as a chart of time, and its output as it is printed.

pub(crate) mod actions;
pub(crate) mod chart;
pub(crate) mod servers;

use super::assets;
use super::icon;
use super::look::{self, Badge, Tone};
use super::moment::{Length, Moment};
use super::output::{self, After, Output};
use super::project::deployments::{asked_by, subject};
use super::prose::Prose;
use super::shell::{Mood, Section, Shell};
use super::web::Visitor;
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::platform;
use crate::service::{deployments, projects};
use crate::store::deployments::{DeploymentRow, Kind, StepRow as StoredStep};
use crate::store::parts::{self, PartRow};
use crate::store::projects::ProjectRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chart::{StepRow, chart};
use devflow_domain::access::Action;
use devflow_domain::deployment::{can_cancel, is_final, is_running};
use devflow_protocol::DeploymentId;
use devflow_protocol::event::{DeploymentState, StepOutcome};
use devflow_protocol::outcome::cause;
use devflow_protocol::time::UnixMillis;
use servers::{PartView, Several, Shown};

/// What the page says on top about where things stand.
pub(crate) struct Said {
    pub(crate) tone: Tone,
    pub(crate) head: &'static str,
    pub(crate) text: Prose,
    /// The step whose output tells more.
    pub(crate) step: Option<String>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
#[derive(Template)]
#[template(path = "deployment.html")]
pub(crate) struct DeploymentPage {
    pub(crate) shell: Shell,
    pub(crate) id: String,
    pub(crate) project: String,
    pub(crate) project_name: String,
    pub(crate) server: String,
    pub(crate) server_name: String,
    /// They may look at its servers.
    pub(crate) sees_servers: bool,
    pub(crate) badge: Badge,
    pub(crate) subject: String,
    pub(crate) commit: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) branch: String,
    pub(crate) by: String,
    pub(crate) running: bool,
    pub(crate) failed: bool,
    pub(crate) live: bool,
    pub(crate) kept: bool,
    pub(crate) can_cancel: bool,
    /// True where the server is silent and a person may give up on it.
    pub(crate) can_abandon: bool,
    pub(crate) can_roll_back: bool,
    pub(crate) can_redeploy: bool,
    pub(crate) said: Option<Said>,
    pub(crate) queued: Moment,
    pub(crate) started: Option<Moment>,
    pub(crate) took: Option<Length>,
    pub(crate) running_since: Option<Moment>,
    pub(crate) current_step: Option<String>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) no_steps: &'static str,
    /// Server by server, where there are several.
    pub(crate) servers: Vec<PartView>,
    /// Whose steps and output are shown, of several.
    pub(crate) shown: Option<Shown>,
    pub(crate) output: Output,
}

/// Where things stand in words: what failed, what serves now, what to do.
fn said(
    row: &DeploymentRow,
    project: &ProjectRow,
    steps: &[StoredStep],
    server: &str,
    parts: &[PartRow],
) -> Option<Said> {
    use DeploymentState as S;
    let failed = steps
        .iter()
        .find(|step| step.outcome == Some(StepOutcome::Failed));
    let has_live = project.live_deployment.is_some();
    let (tone, head) = match row.state {
        S::Failed if parts.iter().any(|part| part.state.has_release()) => (
            Tone::Bad,
            "It failed on some of its servers; others serve the new release.",
        ),
        S::Failed if has_live => (
            Tone::Bad,
            "It failed. The release before serves on; visitors noticed nothing.",
        ),
        S::Failed => (Tone::Bad, "It failed. Nothing is live yet."),
        S::RolledBack if !parts.is_empty() => (Tone::Bad, "It failed on one of its servers."),
        S::RolledBack => (
            Tone::Bad,
            "The new release turned bad, so the one before serves again.",
        ),
        S::Cancelled if parts.iter().any(|part| part.state.has_release()) => (
            Tone::Idle,
            "It was cancelled; some of its servers serve the new release.",
        ),
        S::Cancelled => (Tone::Idle, "It was cancelled before the switch."),
        S::Superseded => (Tone::Idle, "A newer push took its place."),
        S::OutOfContact => (
            Tone::Warn,
            "The server has been silent since it took this deployment.",
        ),
        _ => return None,
    };
    let otherwise = match row.state {
        S::Failed => "The output below says more. Mend it and push, or deploy again.".to_owned(),
        S::OutOfContact => format!(
            "It may well be done by now. {server} reports when it is back; until then nothing else is deployed here, so \
             that nothing runs twice. Is the server gone for good? Then give up on this deployment."
        ),
        _ => String::new(),
    };
    Some(Said {
        tone,
        head,
        text: row
            .reason
            .as_deref()
            .map(cause)
            .filter(|reason| !reason.is_empty())
            .map_or(Prose(otherwise), |reason| Prose(reason.to_owned())),
        step: failed.map(|step| step.step.to_string()),
    })
}

fn title(row: &DeploymentRow, badge: Badge) -> String {
    format!("{}: {} · {}", badge.word, subject(row), row.project_name)
}

fn mood(state: DeploymentState) -> Mood {
    match state {
        DeploymentState::Failed | DeploymentState::RolledBack | DeploymentState::OutOfContact => Mood::Failed,
        state if is_final(state) => Mood::Calm,
        _ => Mood::Busy,
    }
}

fn no_steps(row: &DeploymentRow) -> &'static str {
    match row.state {
        DeploymentState::Queued => "It waits for its server, or for the project's running deployment to end.",
        state if is_final(state) => "It ended before its first step.",
        _ => "The server has taken it; its first step begins in a moment.",
    }
}

/// Puts a page together; pure but for the visitor's frame.
fn view(
    visitor: &Visitor,
    row: &DeploymentRow,
    project: &ProjectRow,
    several: &Several,
    output: Output,
    now: UnixMillis,
) -> DeploymentPage {
    let Several { parts, at } = several;
    let steps = at.map_or_else(|| row.steps(), |at| parts[at].steps_in(row));
    let badge = look::deployment(row.state);
    let release = row
        .target
        .as_ref()
        .filter(|_| row.kind == Kind::Rollback)
        .unwrap_or(&row.id);
    let live = project.live_deployment.as_ref() == Some(release);
    let kept = project.kept().contains(release);
    let server_name = row
        .server_name
        .clone()
        .unwrap_or_else(|| "a server that is gone".to_owned());
    let running = !is_final(row.state);
    let access = &visitor.signed_in.access;
    let may = |action| access.may(action, Some(&row.project));
    let may_deploy = may(Action::Deploy);
    let mut shell = visitor.shell(
        title(row, badge),
        Section::Projects,
        Some(format!("deployment:{}", row.id)),
    );
    shell.mood = mood(row.state);
    DeploymentPage {
        shell,
        id: row.id.to_string(),
        project: row.project.to_string(),
        project_name: row.project_name.clone(),
        server: row.server.to_string(),
        badge,
        subject: subject(row),
        commit: row.commit_sha.as_ref().map(ToString::to_string),
        author: row.author.clone().filter(|author| !author.is_empty()),
        branch: row.ref_name.short().to_owned(),
        by: asked_by(row).to_owned(),
        running,
        failed: mood(row.state) == Mood::Failed,
        live,
        kept,
        sees_servers: access.may(Action::SeeServers, None),
        can_cancel: may_deploy && can_cancel(row.state),
        can_abandon: may(Action::Operate) && row.state == DeploymentState::OutOfContact,
        can_roll_back: may_deploy && kept && !live && !running,
        can_redeploy: may_deploy && !running,
        said: said(row, project, &steps, &server_name, parts),
        server_name,
        queued: Moment::new(row.queued_at, now),
        started: row.started_at.map(|at| Moment::new(at, now)),
        took: row
            .started_at
            .zip(row.finished_at)
            .map(|(from, to)| Length(to.since(from))),
        running_since: row
            .started_at
            .filter(|_| is_running(row.state))
            .map(|at| Moment::running(at, now)),
        current_step: steps
            .iter()
            .rfind(|step| step.outcome.is_none() && running)
            .map(|step| step.step.to_string()),
        steps: chart(&steps, row, now),
        no_steps: no_steps(row),
        servers: servers::views(several, row.state),
        shown: several.shown(),
        output,
    }
}

/// `GET /deployments/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<DeploymentId>,
    Query(asked): Query<After>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = deployments::get(&state, &id).await?;
    let project = projects::get(&state, &row.project).await?;
    let several = Several::new(state.db.all(parts::of(&id)).await?, asked.server.as_ref());
    // A page that fetches itself again keeps the lines it has and asks for further ones.
    let output = if headers.contains_key("x-refresh") {
        Output {
            last: asked.after,
            ..Output::default()
        }
    } else {
        let from = After {
            after: asked.after,
            server: several.server().cloned(),
        };
        output::read(&state, &id, &from, output::FIRST_EVENTS).await?
    };
    visitor.page(&view(&visitor, &row, &project, &several, output, platform::now()))
}
