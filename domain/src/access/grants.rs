//! What somebody was given, and what follows from it.

use super::{Action, Role, Scope};
use devflow_protocol::ProjectId;
use std::collections::{BTreeMap, BTreeSet};

/// What an API key narrows its person's rights to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// What it may be used for.
    pub scope: Scope,
    /// The only projects it reaches; None is all. With a list it reaches nothing of the fleet.
    pub projects: Option<BTreeSet<ProjectId>>,
}

/// How somebody came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// A session.
    Session {
        /// Password or second factor were given a moment ago.
        proven: bool,
        /// They have no second factor, and all must have one.
        lacks_factor: bool,
    },
    /// An API key.
    Key(KeyLimits),
}

/// What somebody was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The role for the fleet, which holds for every project too.
    pub fleet: Option<Role>,
    /// Roles for single projects.
    pub projects: BTreeMap<ProjectId, Role>,
    /// How they came in.
    pub through: Through,
}

/// What is answered to somebody who wants to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allowed,
    /// They may once they have proven again who they are.
    Prove,
    /// They have to set up a second factor first.
    SetUpFactor,
    /// They may not, and know of the thing.
    Refused,
    /// They may not even know that it is there.
    Hidden,
}

impl Grants {
    /// The role that counts for `project`, or for the fleet where there is none.
    fn role(&self, project: Option<&ProjectId>) -> Option<Role> {
        let own = project.and_then(|project| self.projects.get(project)).copied();
        self.fleet.max(own)
    }

    /// True where a key's list of projects keeps it from `project` (from the fleet, where there is none).
    fn is_fenced_off(&self, project: Option<&ProjectId>) -> bool {
        let Through::Key(KeyLimits {
            projects: Some(listed),
            ..
        }) = &self.through
        else {
            return false;
        };
        project.is_none_or(|project| !listed.contains(project))
    }

    /// The only projects that lists show; None is all.
    pub fn visible_projects(&self) -> Option<BTreeSet<ProjectId>> {
        let listed = match &self.through {
            Through::Key(limits) => limits.projects.clone(),
            Through::Session { .. } => None,
        };
        let own = || self.projects.keys().cloned().collect::<BTreeSet<_>>();
        match (self.fleet, listed) {
            (Some(_), listed) => listed,
            (None, None) => Some(own()),
            (None, Some(listed)) => Some(listed.intersection(&own()).cloned().collect()),
        }
    }

    /// True where the answer is the same for every project, so that it need not be looked up which one it is.
    pub fn are_for_all_projects(&self) -> bool {
        let fenced = matches!(
            &self.through,
            Through::Key(KeyLimits {
                projects: Some(_),
                ..
            })
        );
        self.projects.is_empty() && !fenced
    }
}

/// Whether somebody with `grants` may do `action` on `project` (None for what is of no project).
pub fn decide(grants: &Grants, action: Action, project: Option<&ProjectId>) -> Verdict {
    let lacks_factor = matches!(
        grants.through,
        Through::Session {
            lacks_factor: true,
            ..
        }
    );
    if lacks_factor && !action.is_before_second_factor() {
        return Verdict::SetUpFactor;
    }
    if let Some(least) = action.least_role() {
        let role = grants.role(project);
        if role.is_none() || grants.is_fenced_off(project) {
            return Verdict::Hidden;
        }
        if role < Some(least) {
            return Verdict::Refused;
        }
    }
    match &grants.through {
        Through::Key(limits) => match action.least_scope() {
            Some(least) if limits.scope >= least => Verdict::Allowed,
            _ => Verdict::Refused,
        },
        Through::Session { proven: false, .. } if action.needs_proof() => Verdict::Prove,
        Through::Session { .. } => Verdict::Allowed,
    }
}
