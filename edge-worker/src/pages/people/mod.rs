//! People: who is in, with which roles; inviting somebody; and accepting an invitation.

pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod list;
pub(crate) mod person;

use crate::access::{Access, Door, Needs, Routes};
use devflow_domain::access::{Action, Role, may_change_role};
use devflow_domain::people::PROJECT_ROLES;

/// The pages of people and what their forms are sent to.
pub(crate) fn router() -> Routes {
    Routes::new()
        .get("/people", Needs::may(Action::SeePeople), list::show)
        .post("/people", Needs::may(Action::ManagePeople), invite::create)
        .post(
            "/people/second-factor",
            Needs::may(Action::ManageSecurity),
            list::require_factor,
        )
        .get("/people/new", Needs::may(Action::ManagePeople), invite::new)
        .post(
            "/people/invitations/{id}/revoke",
            Needs::may(Action::ManagePeople),
            invite::revoke,
        )
        .get("/people/{id}", Needs::may(Action::SeePeople), person::show)
        .post(
            "/people/{id}/role",
            Needs::may(Action::ManagePeople),
            person::set_role,
        )
        .post(
            "/people/{id}/projects",
            Needs::may(Action::ManagePeople),
            person::set_project_role,
        )
        .post(
            "/people/{id}/second-factor/remove",
            Needs::may(Action::ManagePeople),
            person::drop_factor,
        )
        .post(
            "/people/{id}/disable",
            Needs::may(Action::ManagePeople),
            person::disable,
        )
        .post(
            "/people/{id}/enable",
            Needs::may(Action::ManagePeople),
            person::enable,
        )
        .post(
            "/people/{id}/delete",
            Needs::may(Action::ManagePeople),
            person::delete,
        )
        .get("/join", Needs::Open(Door::Token), join::show)
        .post("/join", Needs::Open(Door::Token), join::accept)
}

/// A role as a list offers it.
pub(crate) struct Choice {
    /// Empty for none.
    pub(crate) value: &'static str,
    pub(crate) name: &'static str,
    pub(crate) chosen: bool,
}

/// What a role is called.
pub(crate) fn name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Viewer",
        Role::Maintainer => "Maintainer",
        Role::Admin => "Admin",
        Role::Owner => "Owner",
    }
}

fn choice(role: Role, chosen: Option<Role>) -> Choice {
    Choice {
        value: role.as_str(),
        name: name(role),
        chosen: chosen == Some(role),
    }
}

/// Roles for all projects that somebody may give, and none.
pub(crate) fn fleet_choices(access: &Access, chosen: Option<Role>) -> Vec<Choice> {
    let none = Choice {
        value: "",
        name: "None",
        chosen: chosen.is_none(),
    };
    let may_give = |role: &Role| may_change_role(access.0.fleet, None, Some(*role));
    let roles = Role::ALL.into_iter().filter(may_give);
    [none]
        .into_iter()
        .chain(roles.map(|role| choice(role, chosen)))
        .collect()
}

/// Roles for one project.
pub(crate) fn project_choices(chosen: Option<Role>) -> Vec<Choice> {
    PROJECT_ROLES.map(|role| choice(role, chosen)).into()
}

/// A role that a form named; None where it named none.
pub(crate) fn read_role(text: &str) -> Result<Option<Role>, crate::error::ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let role = Role::from_name(text);
    role.map(Some)
        .ok_or_else(|| crate::error::ApiError::invalid("role", "viewer, maintainer, admin or owner"))
}
