//! What can be done, and what it needs.

use super::{Role, Scope};

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
