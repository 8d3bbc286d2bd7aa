//! What is different between two deployments of a project: the page, and which two are meant.

pub(crate) mod view;

use super::{Head, Tab};
use crate::access::{Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{Id, Query};
use crate::pages::look;
use crate::pages::shell::{Section, Shell};
use crate::pages::web::Visitor;
use crate::pages::{assets, icon};
use crate::platform;
use crate::service::projects;
use crate::store::compared::{self, ChoiceRow, ComparedRow};
use crate::store::deployments::Kind;
use crate::store::environments::{self, ChangesRow};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::text::GitSha;
use devflow_protocol::{DeploymentId, ProjectId};
use serde::Deserialize;
use view::{Compared, Known};

/// The page.
pub(super) fn router() -> Routes {
    Routes::new().get("/projects/{id}/compare", Needs::project(Action::SeeProject), show)
}

/// A deployment that can be chosen.
pub(crate) struct Choice {
    pub(crate) id: String,
    /// Such as `Live: 4f2a91c Show the delivery date`.
    pub(crate) words: String,
}

#[derive(Template)]
#[template(path = "project/compare.html")]
pub(crate) struct ComparePage {
    pub(crate) shell: Shell,
    pub(crate) project: Head,
    pub(crate) choices: Vec<Choice>,
    /// The chosen ones.
    pub(crate) from: String,
    pub(crate) to: String,
    /// None where there are no two deployments.
    pub(crate) compared: Option<Compared>,
}

/// Which two are meant; what is left out is chosen.
#[derive(Deserialize)]
pub(crate) struct Asked {
    from: Option<DeploymentId>,
    to: Option<DeploymentId>,
}

impl Asked {
    /// The two, older and newer as they were asked for: else the newest that went live, and the one that was live before it.
    fn pair(self, choices: &[ChoiceRow]) -> Option<(DeploymentId, DeploymentId)> {
        let newest = |among: &dyn Fn(&ChoiceRow) -> bool| {
            let live = choices
                .iter()
                .find(|row| among(row) && row.state == DeploymentState::Live);
            let row = live.or_else(|| choices.iter().find(|row| among(row)));
            row.map(|row| row.id.clone())
        };
        let to = self.to.or_else(|| newest(&|_| true))?;
        let from = self.from.or_else(|| newest(&|row| row.id < to))?;
        Some((from, to))
    }
}

fn choice(row: &ChoiceRow) -> Choice {
    let commit = row.commit_sha.as_ref().map(GitSha::short);
    let subject = row.subject.as_deref().filter(|subject| !subject.is_empty());
    let back = (row.kind == Kind::Rollback).then_some("back to");
    let words: Vec<&str> = back.into_iter().chain(commit).chain(subject).collect();
    Choice {
        id: row.id.to_string(),
        words: format!("{}: {}", look::deployment(row.state).word, words.join(" ")),
    }
}

/// `GET /projects/{id}/compare?from=…&to=…`
#[worker::send]
pub(crate) async fn show(
    State(state): State<AppState>,
    visitor: Visitor,
    Id(id): Id<ProjectId>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let card = projects::card(&state, &id).await?;
    let rows: Vec<ChoiceRow> = state.db.all(compared::choices(&id)).await?;
    let mut choices: Vec<Choice> = rows.iter().map(choice).collect();
    let project = Head::new(&card, Some(Tab::Deployments), &visitor.signed_in.access)?;
    let shell = visitor.shell(
        format!("What changed in {}", project.name),
        Section::Projects,
        Some(super::topic(&id)),
    );
    let (mut from, mut to, mut compared) = (String::new(), String::new(), None);
    if let Some((older, newer)) = asked.pair(&rows) {
        let (before, after) = (one(&state, &id, &older).await?, one(&state, &id, &newer).await?);
        let known = Known {
            provider: projects::hook::of_project(&state, &id)
                .await?
                .map(|hook| hook.provider),
            repository: card.project.settings()?.repository.to_string(),
            now: platform::now(),
            versions: versions(&state, &id, &before, &after).await?,
        };
        // One that is older than what can be chosen stays chosen.
        for row in [&before, &after] {
            let row = &row.deployment;
            if !choices.iter().any(|choice| choice.id == row.id.to_string()) {
                choices.push(choice(&ChoiceRow {
                    id: row.id.clone(),
                    kind: row.kind,
                    state: row.state,
                    commit_sha: row.commit_sha.clone(),
                    subject: row.subject.clone(),
                }));
            }
        }
        (from, to) = (older.to_string(), newer.to_string());
        compared = Some(view::compared(&before, &after, known));
    }
    visitor.page(&ComparePage {
        shell,
        project,
        choices,
        from,
        to,
        compared,
    })
}

async fn one(state: &AppState, project: &ProjectId, id: &DeploymentId) -> Result<ComparedRow, ApiError> {
    let row = state.db.first(compared::compared(project, id)).await?;
    row.ok_or_else(|| ApiError::no_such("deployment"))
}

/// What the versions of the environment between two deployments changed, oldest first.
async fn versions(
    state: &AppState,
    project: &ProjectId,
    before: &ComparedRow,
    after: &ComparedRow,
) -> Result<Vec<ChangesRow>, ApiError> {
    let (Some(one), Some(other)) = (view::environment(before), view::environment(after)) else {
        return Ok(vec![]);
    };
    if one == other {
        return Ok(vec![]);
    }
    let between = environments::between(project, one.min(other), one.max(other));
    Ok(state.db.all(between).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(n: u8) -> DeploymentId {
        format!("dep_01h2e8kqvbfwea724h75qc65{n:02}").parse().unwrap()
    }

    fn row(n: u8, state: &str) -> ChoiceRow {
        let row = json!({ "id": id(n), "kind": "deploy", "state": state, "commit_sha": "4f2a91c0b7".repeat(4),
            "subject": "Basket" });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn pair_is_the_newest_that_went_live_with_the_one_before() {
        let rows = [
            row(5, "failed"),
            row(4, "live"),
            row(3, "failed"),
            row(2, "live"),
            row(1, "live"),
        ];
        let pair = |from: Option<u8>, to: Option<u8>, rows: &[ChoiceRow]| {
            let asked = Asked {
                from: from.map(id),
                to: to.map(id),
            };
            asked.pair(rows)
        };
        assert_eq!(pair(None, None, &rows), Some((id(2), id(4))));
        assert_eq!(pair(None, Some(5), &rows), Some((id(4), id(5))));
        assert_eq!(pair(None, Some(2), &rows), Some((id(1), id(2))));
        assert_eq!(pair(Some(5), Some(1), &rows), Some((id(5), id(1))));
        assert_eq!(pair(None, None, &rows[..1]), None);
        assert_eq!(
            pair(None, None, &[row(2, "failed"), row(1, "failed")]),
            Some((id(1), id(2)))
        );
    }

    #[test]
    fn choice_says_state_commit_and_subject() {
        assert_eq!(
            choice(&row(1, "rolled_back")).words,
            "Rolled back: 4f2a91c Basket"
        );
        let back = ChoiceRow {
            kind: Kind::Rollback,
            ..row(1, "live")
        };
        assert_eq!(choice(&back).words, "Live: back to 4f2a91c Basket");
    }
}
