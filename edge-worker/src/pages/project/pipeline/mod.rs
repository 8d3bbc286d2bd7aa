//! What a deployment of a project does, step by step, before it runs; and the hooks that a person puts between.

pub(crate) mod forms;

use super::{Head, Tab};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::pages::look;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::Visitor;
use crate::pages::{assets, icon};
use crate::service::projects;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::command_line;
use devflow_domain::hooks::{self, Hook, HookPoint};
use devflow_domain::packages;
use devflow_domain::plan::{Planned, What, plan};
use devflow_domain::settings::ProjectSettings;
use devflow_protocol::ProjectId;
use devflow_protocol::project::{Process, ProcessKind, ProjectSpec, Step};
use devflow_protocol::text::RelPath;
use serde::Deserialize;

/// A step of the plan.
pub(crate) struct Line {
    pub(crate) name: String,
    /// What the deployment itself does.
    pub(crate) what: Option<&'static str>,
    pub(crate) command: Option<String>,
    /// Limits and conditions of a command.
    pub(crate) notes: String,
    /// The name of the hook that it is.
    pub(crate) hook: Option<String>,
}

/// The steps during which a deployment has one state.
pub(crate) struct Stage {
    pub(crate) word: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// A process that a release runs.
pub(crate) struct ProcessLine {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) notes: String,
}

/// The form of a hook, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HookForm {
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) command: String,
    pub(crate) timeout_s: String,
    /// When the project was changed last, as the page showed it.
    pub(crate) version: i64,
    #[serde(skip)]
    pub(crate) problem: Option<String>,
}

impl HookForm {
    /// An empty form.
    pub(crate) fn new(version: i64) -> Self {
        Self {
            at: HookPoint::BeforeSwitch.as_str().to_owned(),
            timeout_s: hooks::TIMEOUT_S.to_string(),
            version,
            ..Self::default()
        }
    }

    fn of(hook: &Hook, version: i64) -> Self {
        Self {
            name: hook.name.to_string(),
            at: hook.at.as_str().to_owned(),
            command: command_line::join(&hook.argv),
            timeout_s: hook.timeout_s.to_string(),
            version,
            problem: None,
        }
    }

    /// The points, as a person reads them, and whether the form has them.
    fn points(&self) -> [(&'static str, &'static str, bool); 3] {
        HookPoint::ALL.map(|at| {
            let text = match at {
                HookPoint::AfterBuild => "After the build",
                HookPoint::BeforeSwitch => "Before the switch",
                HookPoint::AfterSwitch => "After the switch",
            };
            (at.as_str(), text, at.as_str() == self.at)
        })
    }
}

#[derive(Template)]
#[template(path = "project/pipeline.html")]
pub(crate) struct PipelinePage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) stages: Vec<Stage>,
    pub(crate) processes: Vec<ProcessLine>,
    /// True where the settings replace the framework's own pipeline.
    pub(crate) replaced: bool,
    pub(crate) may_change: bool,
    /// True where the form changes a hook that is there.
    pub(crate) editing: bool,
    pub(crate) form: HookForm,
}

/// The plan of a deployment, by the states that it goes through.
fn stages(spec: &ProjectSpec) -> Vec<Stage> {
    let steps = plan(spec);
    let stage = |steps: &[Planned<'_>]| Stage {
        word: look::deployment(steps[0].state).word,
        lines: steps.iter().map(line).collect(),
    };
    steps.chunk_by(|a, b| a.state == b.state).map(stage).collect()
}

fn line(step: &Planned<'_>) -> Line {
    let (what, command) = match step.what {
        What::Own(what) => (Some(what), None),
        What::Command(command) | What::Hook(command) => (None, Some(command)),
    };
    let hook = matches!(step.what, What::Hook(_)).then(|| step.name.trim_start_matches("hook:").to_owned());
    Line {
        name: step.name.to_owned(),
        what,
        command: command.map(|step| command_line::join(&step.argv)),
        notes: command.map(notes).unwrap_or_default(),
        hook,
    }
}

/// A length as short as it can be said exactly.
fn length(seconds: u32) -> String {
    match seconds {
        0 => "0 s".to_owned(),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn notes(step: &Step) -> String {
    let mut notes = vec![format!("at most {}", length(step.timeout_s))];
    if !step.needs.is_empty() {
        let needs: Vec<&str> = step.needs.iter().map(RelPath::as_str).collect();
        notes.push(format!("only where the release has {}", needs.join(" and ")));
    }
    notes.extend(
        step.gates
            .iter()
            .map(|gate| format!("only where {}", packages::describe(gate))),
    );
    if step.tenants.is_some() {
        notes.push("once for each tenant".to_owned());
    }
    if let Some(cache) = &step.cache {
        notes.push(format!("{} is kept for the next deployment", cache.path));
    }
    notes.join(" · ")
}

fn process(process: &Process) -> ProcessLine {
    let how = match process.kind {
        ProcessKind::Worker if process.count == 1 => "runs always".to_owned(),
        ProcessKind::Worker => format!("{} run always", process.count),
        ProcessKind::Scheduler => "started each minute, never two at once".to_owned(),
    };
    ProcessLine {
        name: process.name.to_string(),
        command: command_line::join(&process.argv),
        notes: format!("{how} · {} to end", length(process.stop_wait_s.into())),
    }
}

/// Which hook is being changed.
#[derive(Deserialize, Default)]
pub(crate) struct Look {
    edit: Option<String>,
}

/// `GET /projects/{id}/pipeline`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    visitor.page(&view(&state, &visitor, &id, look.edit.as_deref(), None).await?)
}

/// The page, with what was typed and cannot be taken, or the hook to change.
async fn view(
    state: &AppState,
    visitor: &Visitor,
    id: &ProjectId,
    edit: Option<&str>,
    typed: Option<HookForm>,
) -> Result<PipelinePage, ApiError> {
    let card = projects::card(state, id).await?;
    let settings = card.project.settings()?;
    let version = card.project.updated_at.0;
    let edited = edit.and_then(|name| settings.hooks.iter().find(|hook| hook.name.as_str() == name));
    let form = typed.unwrap_or_else(|| match edited {
        Some(hook) => HookForm::of(hook, version),
        None => HookForm::new(version),
    });
    let spec = settings.to_spec(card.project.slug.clone());
    let project = Head::new(&card, Some(Tab::Pipeline), &visitor.signed_in.access)?;
    let title = format!("Pipeline of {}", project.name);
    let shell = visitor.shell(title, Section::Projects, Some(super::topic(id)));
    let may_change = visitor.signed_in.access.may(Action::ChangeSettings, Some(id));
    Ok(page(shell, project, &settings, &spec, may_change, form))
}

/// Puts the page together; pure.
pub(crate) fn page(
    shell: Shell,
    project: Head,
    settings: &ProjectSettings,
    spec: &ProjectSpec,
    may_change: bool,
    form: HookForm,
) -> PipelinePage {
    let editing = settings.hooks.iter().any(|hook| hook.name.as_str() == form.name);
    PipelinePage {
        shell,
        project,
        stages: stages(spec),
        processes: spec.processes.iter().map(process).collect(),
        replaced: settings.steps.is_some(),
        may_change,
        editing,
        form,
    }
}
