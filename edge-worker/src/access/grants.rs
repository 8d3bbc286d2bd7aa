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
    /// answer depends on it. Where it finds nothing, the error is `missing`.
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
        self.require(action, row.ok_or_else(missing)?.project.as_ref())
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
