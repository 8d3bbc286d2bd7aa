//! Roles, and who may give them.

use serde::{Deserialize, Serialize};

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

/// Whether somebody of role `actor` may change a person of role `before` to `after` (None: no role for the fleet).
/// Nobody acts on somebody above them, or lifts anybody above themselves.
pub fn may_change_role(actor: Option<Role>, before: Option<Role>, after: Option<Role>) -> bool {
    actor >= Some(Role::Admin) && before <= actor && after <= actor
}
