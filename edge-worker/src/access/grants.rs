//! What somebody may do, as handlers ask it.

use crate::app::AppState;
use crate::error::{ApiError, PROOF_NEEDED};
use crate::store::Statement;
use crate::store::access::ProjectOf;
use devflow_domain::access::{Action, Grants, Verdict, decide};
use devflow_protocol::ProjectId;

/// Somebody's rights.
#[derive(Clone, Debug)]
pub(crate) struct Access(pub(crate) Grants);

impl Access {
    /// Refuses what they may not do; of what they may not see it says that it is not there.
    pub(crate) fn require(&self, action: Action, project: Option<&ProjectId>) -> Result<(), ApiError> {
        match decide(&self.0, action, project) {
            Verdict::Allowed => Ok(()),
            Verdict::Prove => Err(ApiError::Forbidden(
                PROOF_NEEDED,
                "Say again who you are: it has been a while since your password or second factor were asked for."
                    .to_owned(),
            )),
            Verdict::SetUpFactor => Err(ApiError::Forbidden(
                "second_factor_needed",
                "Everybody here must have a second factor; set yours up first, under Your account.".to_owned(),
            )),
            Verdict::Refused => Err(ApiError::Forbidden(
                "not_allowed",
                format!(
                    "Your role or key does not cover “{}”; ask somebody who may.",
                    action.as_str().replace('_', " ")
                ),
            )),
            Verdict::Hidden => Err(ApiError::Hidden("There is nothing at this address.".to_owned())),
        }
    }

    /// [`Self::require`] of the project that `owner` finds (see [`crate::store::access`]), which is asked only where the
    /// answer depends on it. Where it finds nothing, the error is `missing`, and of what they may not see it says the same.
    pub(crate) async fn require_of(
        &self,
        state: &AppState,
        action: Action,
        owner: Statement,
        missing: impl FnOnce() -> ApiError,
    ) -> Result<(), ApiError> {
        if self.0.are_for_all_projects() {
            return self.require(action, None);
        }
        let row: Option<ProjectOf> = state.db.first(owner).await?;
        self.require_found(action, row.as_ref(), missing)
    }

    fn require_found(
        &self,
        action: Action,
        found: Option<&ProjectOf>,
        missing: impl FnOnce() -> ApiError,
    ) -> Result<(), ApiError> {
        let Some(found) = found else {
            return Err(missing());
        };
        let required = self.require(action, found.project.as_ref());
        required.map_err(|error| match error {
            ApiError::Hidden(_) => ApiError::Hidden(missing().detail()),
            other => other,
        })
    }

    /// True where a page should offer it; it may still ask for proof then.
    pub(crate) fn may(&self, action: Action, project: Option<&ProjectId>) -> bool {
        matches!(
            decide(&self.0, action, project),
            Verdict::Allowed | Verdict::Prove
        )
    }

    /// The only projects that lists show, as a JSON list for the statement; None is all.
    pub(crate) fn visible(&self) -> Option<String> {
        let projects = self.0.visible_projects()?;
        Some(serde_json::to_string(&projects).expect("ids are plain texts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_domain::access::{Role, Through};
    use devflow_protocol::UnixMillis;

    #[test]
    fn what_is_hidden_is_told_as_what_is_not_there() {
        let (own, foreign) = (UnixMillis(1), UnixMillis(2));
        let [own, foreign] = [own, foreign].map(|at| ProjectId::new(at, [0; 10]));
        let access = Access(Grants {
            fleet: None,
            projects: [(own.clone(), Role::Viewer)].into(),
            through: Through::Session {
                proven: true,
                lacks_factor: false,
            },
        });
        let told = |project: Option<Option<&ProjectId>>| {
            let found = project.map(|project| ProjectOf {
                project: project.cloned(),
            });
            let missing = || ApiError::no_such("deployment");
            let required = access.require_found(Action::SeeProject, found.as_ref(), missing);
            required.map_err(|error| (error.status(), error.detail()))
        };
        assert_eq!(told(Some(Some(&own))), Ok(()));
        let missing = told(None);
        assert_eq!(missing.clone().unwrap_err().1, "There is no such deployment.");
        assert_eq!(told(Some(Some(&foreign))), missing);
        assert_eq!(told(Some(None)), missing, "of the fleet");
    }
}
