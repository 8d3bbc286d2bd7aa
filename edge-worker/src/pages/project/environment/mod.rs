//! A project's environment: names, values where they are asked for, and its history.

pub(crate) mod forms;

use super::{Head, Tab};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::pages::moment::Moment;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::Visitor;
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::environments;
use crate::service::projects;
use crate::store::cards::ProjectCard;
use crate::store::deployments::{self, DeploymentRow};
use crate::store::environments::{LiveRow, PastVersion};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_domain::environment::Changes;
use devflow_protocol::ProjectId;
use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use devflow_protocol::time::UnixMillis;
use serde::Deserialize;

/// What stands for a value that is not shown.
pub(crate) const MASK: &str = "••••••••";

/// A variable.
pub(crate) struct Variable {
    pub(crate) name: String,
    /// Its value, or [`MASK`].
    pub(crate) shown: String,
    pub(crate) editing: bool,
}

impl Variable {
    /// Lines of the field that edits it.
    fn rows(&self) -> usize {
        self.shown.lines().count().clamp(1, 12)
    }
}

/// A version in the history.
pub(crate) struct Version {
    pub(crate) number: u32,
    /// What it changed, such as `added` and the names.
    pub(crate) changes: Vec<(&'static str, String)>,
    pub(crate) by: String,
    pub(crate) when: Moment,
    /// The first deployment that went live with it, and when.
    pub(crate) live: Option<(String, Moment)>,
}

fn version(row: PastVersion, live: Option<LiveRow>, now: UnixMillis) -> Version {
    let changes: Changes = serde_json::from_str(&row.changes).unwrap_or_default();
    let kinds = [
        ("added", changes.added),
        ("changed", changes.changed),
        ("removed", changes.removed),
    ];
    let listed = |(kind, names): (&'static str, Vec<EnvName>)| {
        let names: Vec<&str> = names.iter().map(EnvName::as_str).collect();
        (!names.is_empty()).then(|| (kind, names.join(", ")))
    };
    Version {
        number: row.version,
        changes: kinds.into_iter().filter_map(listed).collect(),
        by: row
            .actor_name
            .unwrap_or_else(|| "somebody who is gone".to_owned()),
        when: Moment::new(row.created_at, now),
        live: live.and_then(|live| Some((live.id.to_string(), Moment::new(live.finished_at?, now)))),
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that the template shows or not"
)]
#[derive(Template)]
#[template(path = "project/environment.html")]
pub(crate) struct EnvironmentPage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) version: u32,
    pub(crate) revealed: bool,
    /// True where the live release has another version.
    pub(crate) pending: bool,
    pub(crate) variables: Vec<Variable>,
    pub(crate) history: Vec<Version>,
    /// What the person may do.
    pub(crate) may_change: bool,
    pub(crate) may_see: bool,
    pub(crate) problem: Option<String>,
    /// What was typed into the form and could not be taken.
    pub(crate) lines: String,
}

/// Which values are shown.
#[derive(Deserialize, Default)]
pub(crate) struct Look {
    reveal: Option<String>,
    edit: Option<String>,
}

/// What was typed and cannot be taken, and why.
#[derive(Default)]
struct Refused {
    problem: Option<String>,
    lines: String,
}

/// `GET /projects/{id}/environment`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(look): Query<Look>,
) -> Result<Response, ApiError> {
    let page = view(&state, &visitor, &id, &look, Refused::default()).await?;
    visitor.page(&page)
}

async fn view(
    state: &AppState,
    visitor: &Visitor,
    id: &ProjectId,
    look: &Look,
    refused: Refused,
) -> Result<EnvironmentPage, ApiError> {
    let card = projects::card(state, id).await?;
    let shows = look.reveal.is_some() || look.edit.is_some();
    if shows {
        visitor.signed_in.access.require(Action::SeeSecrets, Some(id))?;
    }
    let (version, variables) = if shows {
        let (version, values) = environments::reveal(state, &visitor.signed_in.actor(), id).await?;
        (version, shown(&values, look))
    } else {
        let names = environments::names(state, id).await?;
        let masked = |name: EnvName| Variable {
            name: name.to_string(),
            shown: MASK.to_owned(),
            editing: false,
        };
        (names.version, names.list.into_iter().map(masked).collect())
    };
    let now = platform::now();
    let history = environments::history(state, id).await?;
    let may = |action| visitor.signed_in.access.may(action, Some(id));
    let project = Head::new(&card, Some(Tab::Environment), &visitor.signed_in.access)?;
    // A page that shows values does not fetch itself again: each look is recorded.
    let topic = (!shows).then(|| super::topic(id));
    Ok(EnvironmentPage {
        shell: visitor.shell(
            format!("Environment of {}", project.name),
            Section::Projects,
            topic,
        ),
        project,
        version,
        revealed: look.reveal.is_some(),
        pending: live_version(state, &card)
            .await?
            .is_some_and(|live| live != version),
        variables,
        history: history
            .into_iter()
            .map(|(row, live)| self::version(row, live, now))
            .collect(),
        may_change: may(Action::ChangeEnvironment),
        may_see: may(Action::SeeSecrets),
        problem: refused.problem,
        lines: refused.lines,
    })
}

fn shown(values: &Environment, look: &Look) -> Vec<Variable> {
    let variable = |(name, value): (&EnvName, &String)| {
        let editing = look.edit.as_deref() == Some(name.as_str());
        let shown = if editing || look.reveal.is_some() {
            value.clone()
        } else {
            MASK.to_owned()
        };
        Variable {
            name: name.to_string(),
            shown,
            editing,
        }
    };
    values.0.iter().map(variable).collect()
}

/// The version that the live release was made with.
async fn live_version(state: &AppState, card: &ProjectCard) -> Result<Option<u32>, ApiError> {
    let Some(live) = &card.project.live_deployment else {
        return Ok(None);
    };
    let row: Option<DeploymentRow> = state.db.first(deployments::by_id(live)).await?;
    Ok(row
        .and_then(|row| row.made())
        .map(|made| made.environment_version))
}
