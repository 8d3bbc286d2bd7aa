//! Who may do what: roles, actions, the scopes of API keys, and the one function that decides.
//!
//! Not in scope: who somebody is (a session, a key), and where roles are stored.

use devflow_protocol::ProjectId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a person is, for the fleet or for one project. Each may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Deploys and changes what a deployment is made of.
    Maintainer,
    /// Sees secrets, decides who is in, adds and removes.
    Admin,
    /// Decides about everything, other owners too.
    Owner,
}

impl Role {
    /// All, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Maintainer, Self::Admin, Self::Owner];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Maintainer => "maintainer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Whoever is signed in, and their own account.
    Account,
    /// The installation as a whole.
    Fleet,
    /// One project.
    Project,
}

/// What can be done. Each route of the edge names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Come in; lists show only what one may see.
    Enter,
    /// Sign out, prove who one is, choose a theme.
    OwnSession,
    /// See one's own sessions, factors and keys.
    SeeAccount,
    /// Change one's own password and factors.
    ChangeAccount,
    /// Make keys of one's own, which come in without a second factor.
    MakeKeys,
    /// See the servers and what they do.
    SeeServers,
    /// Ask a server for a sign of life.
    PingServer,
    /// Add a server, or make a new token to enrol it.
    ManageServers,
    /// Make a project.
    CreateProject,
    /// See who is in, with which roles.
    SeePeople,
    /// Invite, change roles, disable, delete.
    ManagePeople,
    /// See who did what, and export it.
    SeeActivity,
    /// Set rules for all, such as a second factor.
    ManageSecurity,
    /// Say who outside is told what happens in all projects.
    ManageEndpoints,
    /// See a project and its deployments.
    SeeProject,
    /// Deploy, deploy again, roll back, cancel, replay.
    Deploy,
    /// Start anew, stop, give up on a silent server.
    Operate,
    /// Change variables, without seeing those that are there.
    ChangeEnvironment,
    /// See values of variables and the hook's secret.
    SeeSecrets,
    /// Change name, branch, pipeline and limits.
    ChangeSettings,
    /// Remove a project.
    RemoveProject,
    /// Give and take roles of a project.
    ManageMembers,
    /// Say who outside is told what happens in a project.
    ChangeEndpoints,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Enter,
        Self::OwnSession,
        Self::SeeAccount,
        Self::ChangeAccount,
        Self::MakeKeys,
        Self::SeeServers,
        Self::PingServer,
        Self::ManageServers,
        Self::CreateProject,
        Self::SeePeople,
        Self::ManagePeople,
        Self::SeeActivity,
        Self::ManageSecurity,
        Self::ManageEndpoints,
        Self::SeeProject,
        Self::Deploy,
        Self::Operate,
        Self::ChangeEnvironment,
        Self::SeeSecrets,
        Self::ChangeSettings,
        Self::RemoveProject,
        Self::ManageMembers,
        Self::ChangeEndpoints,
    ];

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::OwnSession => "own_session",
            Self::SeeAccount => "see_account",
            Self::ChangeAccount => "change_account",
            Self::MakeKeys => "make_keys",
            Self::SeeServers => "see_servers",
            Self::PingServer => "ping_server",
            Self::ManageServers => "manage_servers",
            Self::CreateProject => "create_project",
            Self::SeePeople => "see_people",
            Self::ManagePeople => "manage_people",
            Self::SeeActivity => "see_activity",
            Self::ManageSecurity => "manage_security",
            Self::ManageEndpoints => "manage_endpoints",
            Self::SeeProject => "see_project",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
            Self::ChangeEnvironment => "change_environment",
            Self::SeeSecrets => "see_secrets",
            Self::ChangeSettings => "change_settings",
            Self::RemoveProject => "remove_project",
            Self::ManageMembers => "manage_members",
            Self::ChangeEndpoints => "change_endpoints",
        }
    }

    /// What it is about.
    pub fn area(self) -> Area {
        match self {
            Self::Enter | Self::OwnSession | Self::SeeAccount | Self::ChangeAccount | Self::MakeKeys => {
                Area::Account
            }
            Self::SeeServers
            | Self::PingServer
            | Self::ManageServers
            | Self::CreateProject
            | Self::SeePeople
            | Self::ManagePeople
            | Self::SeeActivity
            | Self::ManageSecurity
            | Self::ManageEndpoints => Area::Fleet,
            Self::SeeProject
            | Self::Deploy
            | Self::Operate
            | Self::ChangeEnvironment
            | Self::SeeSecrets
            | Self::ChangeSettings
            | Self::RemoveProject
            | Self::ManageMembers
            | Self::ChangeEndpoints => Area::Project,
        }
    }

    /// The least role that may do it; none is needed for one's own account.
    pub fn least_role(self) -> Option<Role> {
        match self {
            Self::Enter | Self::OwnSession | Self::SeeAccount | Self::ChangeAccount | Self::MakeKeys => None,
            Self::SeeServers | Self::SeeProject => Some(Role::Viewer),
            Self::PingServer
            | Self::Deploy
            | Self::Operate
            | Self::ChangeEnvironment
            | Self::ChangeSettings => Some(Role::Maintainer),
            Self::ManageServers
            | Self::CreateProject
            | Self::SeePeople
            | Self::ManagePeople
            | Self::SeeActivity
            | Self::SeeSecrets
            | Self::RemoveProject
            | Self::ManageMembers
            | Self::ManageEndpoints
            | Self::ChangeEndpoints => Some(Role::Admin),
            Self::ManageSecurity => Some(Role::Owner),
        }
    }

    /// The least scope that an API key needs for it; None where no key will do.
    pub fn least_scope(self) -> Option<Scope> {
        match self {
            Self::OwnSession | Self::SeeAccount | Self::ChangeAccount | Self::MakeKeys => None,
            Self::Enter | Self::SeeServers | Self::SeeProject => Some(Scope::Read),
            Self::PingServer | Self::Deploy | Self::Operate => Some(Scope::Deploy),
            Self::ManageServers
            | Self::CreateProject
            | Self::SeePeople
            | Self::ManagePeople
            | Self::SeeActivity
            | Self::ManageSecurity
            | Self::ChangeEnvironment
            | Self::SeeSecrets
            | Self::ChangeSettings
            | Self::RemoveProject
            | Self::ManageMembers
            | Self::ManageEndpoints
            | Self::ChangeEndpoints => Some(Scope::Admin),
        }
    }

    /// True for what somebody may do who still has to set up the second factor that all must have.
    pub fn is_before_second_factor(self) -> bool {
        matches!(self, Self::OwnSession | Self::SeeAccount | Self::ChangeAccount)
    }

    /// True where a session alone is not enough: who finds a browser open must not get this far.
    pub fn needs_proof(self) -> bool {
        matches!(
            self,
            Self::ChangeAccount
                | Self::MakeKeys
                | Self::ManageServers
                | Self::ManagePeople
                | Self::ManageSecurity
                | Self::SeeSecrets
                | Self::RemoveProject
                | Self::ManageMembers
        )
    }
}

/// What an API key may be used for, at most. Each covers the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look, without secrets.
    Read,
    /// Deploy, roll back, restart.
    Deploy,
    /// Whatever its person may do.
    Admin,
}

impl Scope {
    /// All, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Read, Self::Deploy, Self::Admin];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// The scope of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

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

/// Whether somebody of role `actor` may change a person of role `before` to `after` (None: no role for the fleet).
/// Nobody acts on somebody above them, or lifts anybody above themselves.
pub fn may_change_role(actor: Option<Role>, before: Option<Role>, after: Option<Role>) -> bool {
    actor >= Some(Role::Admin) && before <= actor && after <= actor
}
