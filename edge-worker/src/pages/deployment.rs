//! A deployment: where it stands, its steps as a chart of time, and its output as it is printed.

use super::assets;
use super::icon::{self, Icon};
use super::look::{self, Badge, Tone};
use super::moment::{Length, Moment};
use super::output::{self, Output};
use super::project::deployments::{asked_by, subject};
use super::shell::{Mood, Section, Shell};
use super::web::{self, Visitor};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id, Query};
use crate::platform;
use crate::service::{deployments, projects};
use crate::store::deployments::{DeploymentRow, Kind, StepRow as StoredStep};
use crate::store::projects::ProjectRow;
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use devflow_domain::deployment::{can_cancel, is_final, is_running};
use devflow_protocol::DeploymentId;
use devflow_protocol::event::{DeploymentState, StepOutcome};
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Running,
    Ok,
    Skipped,
    Failed,
    /// It was under way when the deployment ended.
    Ended,
}

/// A step, placed on a line of 1,000 units from the first step's start to now or the end.
pub(crate) struct StepRow {
    pub(crate) name: String,
    pub(crate) progress: Progress,
    pub(crate) start: u32,
    pub(crate) width: u32,
    pub(crate) ms: Option<Length>,
    /// Since when it runs.
    pub(crate) since: Option<Moment>,
}

impl StepRow {
    fn class(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "ok",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "waiting",
        }
    }

    fn word(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Ok => "done",
            Progress::Skipped => "skipped",
            Progress::Failed => "failed",
            Progress::Ended => "not finished",
        }
    }

    fn icon(&self) -> Icon {
        match self.progress {
            Progress::Running => icon::RUNNING,
            Progress::Ok => icon::OK,
            Progress::Failed => icon::FAILED,
            Progress::Skipped | Progress::Ended => icon::SKIPPED,
        }
    }
}

/// What the page says on top about where things stand.
pub(crate) struct Said {
    pub(crate) tone: Tone,
    pub(crate) head: &'static str,
    pub(crate) text: String,
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
    pub(crate) output: Output,
}

/// Units of a bar in the chart of steps.
const CHART: i64 = 1_000;

/// Places the steps on one line of time, one after the other where their starts are not known.
fn chart(steps: &[StoredStep], row: &DeploymentRow, now: UnixMillis) -> Vec<StepRow> {
    let over = is_final(row.state);
    let mut cursor = row.started_at.unwrap_or(row.queued_at);
    let mut placed = Vec::new();
    for step in steps {
        let from = step.started_at.unwrap_or(cursor);
        let ms = step.ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let until = match ms {
            Some(ms) => from.plus(ms),
            None if over => row.finished_at.unwrap_or(from),
            None => now,
        };
        cursor = until;
        placed.push((step, from, until, ms));
    }
    let first = placed.first().map_or(now, |(_, from, ..)| *from);
    let whole = placed
        .iter()
        .map(|(_, _, until, _)| until.since(first))
        .max()
        .unwrap_or(0)
        .max(1);
    let units = |ms: i64| u32::try_from((ms.clamp(0, whole) * CHART) / whole).unwrap_or(0);
    placed
        .into_iter()
        .map(|(step, from, until, ms)| {
            let progress = match step.outcome {
                Some(StepOutcome::Ok) => Progress::Ok,
                Some(StepOutcome::Skipped) => Progress::Skipped,
                Some(StepOutcome::Failed) => Progress::Failed,
                None if over => Progress::Ended,
                None => Progress::Running,
            };
            let start = units(from.since(first)).min(996);
            StepRow {
                name: step.step.to_string(),
                progress,
                start,
                width: units(until.since(from)).clamp(4, 1_000 - start),
                ms: ms.filter(|_| progress != Progress::Skipped).map(Length),
                since: (progress == Progress::Running).then(|| Moment::running(from, now)),
            }
        })
        .collect()
}

/// Where things stand in words: what failed, what serves now, what to do.
fn said(row: &DeploymentRow, project: &ProjectRow, steps: &[StoredStep], server: &str) -> Option<Said> {
    use DeploymentState as S;
    let failed = steps
        .iter()
        .find(|step| step.outcome == Some(StepOutcome::Failed));
    let has_live = project.live_deployment.is_some();
    let (tone, head) = match row.state {
        S::Failed if has_live => (
            Tone::Bad,
            "It failed. The release before serves on; visitors noticed nothing.",
        ),
        S::Failed => (Tone::Bad, "It failed. Nothing is live yet."),
        S::RolledBack => (
            Tone::Bad,
            "The new release turned bad, so the one before serves again.",
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
            .clone()
            .filter(|reason| !reason.is_empty())
            .unwrap_or(otherwise),
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
    output: Output,
    now: UnixMillis,
) -> DeploymentPage {
    let steps = row.steps();
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
        can_cancel: can_cancel(row.state),
        can_abandon: row.state == DeploymentState::OutOfContact,
        can_roll_back: kept && !live && !running,
        can_redeploy: !running,
        said: said(row, project, &steps, &server_name),
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
        output,
    }
}

/// Where the output begins.
#[derive(Deserialize)]
pub(crate) struct From {
    #[serde(default)]
    after: u64,
}

/// `GET /deployments/{id}`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<DeploymentId>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = deployments::get(&state, &id).await?;
    let project = projects::get(&state, &row.project).await?;
    // A page that fetches itself again keeps the lines it has and asks for further ones.
    let output = if headers.contains_key("x-refresh") {
        Output {
            last: from.after,
            ..Output::default()
        }
    } else {
        output::read(&state, &id, from.after).await?
    };
    visitor.page(&view(&visitor, &row, &project, output, platform::now()))
}

/// `POST /deployments/{id}/cancel`
#[worker::send]
pub(crate) async fn cancel(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<super::project::actions::Press>,
) -> Result<Response, ApiError> {
    let asked = deployments::cancel(&state, &form.signed_in.actor(), &id).await;
    web::done(asked, &format!("/deployments/{id}"), |row| {
        let text = if is_final(row.state) {
            "The deployment is cancelled."
        } else {
            "The server was asked to end the deployment."
        };
        text.to_owned()
    })
}

/// `POST /deployments/{id}/abandon`
#[worker::send]
pub(crate) async fn abandon(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<super::project::actions::Press>,
) -> Result<Response, ApiError> {
    let given_up = deployments::abandon(&state, &form.signed_in.actor(), &id).await;
    web::done(given_up, &format!("/deployments/{id}"), |_| {
        "The project can be deployed again.".to_owned()
    })
}

/// `POST /deployments/{id}/redeploy`
#[worker::send]
pub(crate) async fn redeploy(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<super::project::actions::Press>,
) -> Result<Response, ApiError> {
    let made = deployments::redeploy(&state, &form.signed_in.actor(), &id).await;
    let path = format!("/deployments/{}", made.as_ref().map_or(&id, |made| &made.id));
    web::done(made, &path, |_| "The deployment is queued.".to_owned())
}

/// Goes back also where it may lose data.
#[derive(Deserialize)]
pub(crate) struct Back {
    force: Option<String>,
}

/// `POST /deployments/{id}/rollback`
#[worker::send]
pub(crate) async fn roll_back(
    State(state): State<AppState>,
    Id(id): Id<DeploymentId>,
    form: CsrfForm<Back>,
) -> Result<Response, ApiError> {
    let force = form.form.force.is_some();
    let made = deployments::roll_back(&state, &form.signed_in.actor(), &id, force).await;
    let path = format!("/deployments/{}", made.as_ref().map_or(&id, |made| &made.id));
    web::done(made, &path, |_| "The rollback is queued.".to_owned())
}
