//! People: their roles, shutting them out, deleting them.

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::platform;
use crate::store::people::{self, ChoiceRow, PersonRow};
use crate::store::users::{self, IdRow};
use crate::store::{Statement, StoreError, activity, second_factors};
use devflow_domain::access::Role;
use devflow_domain::people::{Change, PROJECT_ROLES, Person, Refusal, decide};
use devflow_protocol::{ProjectId, UserId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One person.
pub(crate) async fn get(state: &AppState, id: &UserId) -> Result<PersonRow, ApiError> {
    state
        .db
        .first(people::by_id(id))
        .await?
        .ok_or_else(|| ApiError::no_such("person"))
}

/// Refuses what `caller` may not do to `person`.
fn check(caller: &Caller, person: &PersonRow, change: Change) -> Result<(), ApiError> {
    let actor = Person {
        id: &caller.user,
        role: caller.access.0.fleet,
    };
    let person = Person {
        id: &person.id,
        role: person.role,
    };
    decide(actor, person, change).map_err(|refusal| ApiError::Forbidden("not_allowed", refusal.to_string()))
}

/// Projects that one edit or invitation gives roles of: each is looked up.
const PROJECTS_AT_ONCE: usize = 50;

/// Refuses more roles of projects than are looked up at once.
pub(super) fn check_project_count<T>(roles: &BTreeMap<ProjectId, T>) -> Result<(), ApiError> {
    if roles.len() <= PROJECTS_AT_ONCE {
        return Ok(());
    }
    let most = format!("at most {PROJECTS_AT_ONCE} at once; send the others after them");
    Err(ApiError::invalid("projects", most))
}

/// Refuses a role that no project has.
pub(super) fn check_project_role(role: Role) -> Result<(), ApiError> {
    if PROJECT_ROLES.contains(&role) {
        return Ok(());
    }
    Err(ApiError::invalid("projects", "viewer, maintainer or admin"))
}

fn refused(error: StoreError) -> ApiError {
    if error.is_null("users.created_at") {
        return ApiError::Conflict(
            "changed_meanwhile",
            "Somebody else changed their roles, or shut them out or let them in, just now; load it again and decide by \
             what they are now."
                .to_owned(),
        );
    }
    if error.is_refusal(people::LAST_OWNER) {
        return ApiError::Conflict(
            "last_owner",
            "They are the last owner, and somebody has to decide: make another owner first.".to_owned(),
        );
    }
    if error.is_referenced() {
        return ApiError::no_such("person");
    }
    error.into()
}

/// A role for the fleet, or none.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct FleetRole(pub(crate) Option<Role>);

/// What is to be different about somebody; what is None stays.
#[derive(Default)]
pub(crate) struct Edit {
    pub(crate) role: Option<FleetRole>,
    /// Roles of single projects to give (or to take, with None); the others stay.
    pub(crate) projects: BTreeMap<ProjectId, Option<Role>>,
    pub(crate) disabled: Option<bool>,
    /// Take app, passkeys and recovery codes away, of somebody who lost theirs.
    pub(crate) drop_factor: bool,
}

/// What one edit comes to.
struct Work {
    /// The first says what has to be as it was seen.
    statements: Vec<Statement>,
    /// Action and detail of each record.
    records: Vec<(&'static str, String)>,
}

impl Work {
    /// Work that was allowed by what the person is.
    fn on(person: &PersonRow) -> Self {
        Self {
            statements: vec![people::still(person)],
            records: vec![],
        }
    }

    fn add(&mut self, statements: impl IntoIterator<Item = Statement>, action: &'static str, detail: String) {
        self.statements.extend(statements);
        self.records.push((action, detail));
    }

    /// Runs all of it, or nothing. Afterwards live sockets of the person are closed: a page that may still follow what
    /// it followed comes back by itself.
    async fn run(mut self, state: &AppState, caller: &Caller, person: &UserId) -> Result<(), ApiError> {
        if self.records.is_empty() {
            return Ok(());
        }
        let now = platform::now();
        let record = |(action, detail): &(&'static str, String)| {
            activity::record(now, &caller.actor.0, action, person.as_str(), detail)
        };
        self.statements.extend(self.records.iter().map(record));
        let logins: Vec<crate::store::IdRow> = state.db.all(people::logins(person)).await?;
        state.db.batch(self.statements).await.map_err(refused)?;
        for login in logins {
            state.hub().close(&login.id).await;
        }
        Ok(())
    }
}

/// Changes somebody as `seen` accepts them: all of the edit, or nothing.
pub(crate) async fn edit(
    state: &AppState,
    caller: &Caller,
    id: &UserId,
    seen: impl FnOnce(&PersonRow) -> Result<(), ApiError>,
    edit: &Edit,
) -> Result<(), ApiError> {
    let person = get(state, id).await?;
    seen(&person)?;
    let mut work = Work::on(&person);
    if let Some(role) = edit
        .role
        .map(|FleetRole(role)| role)
        .filter(|role| *role != person.role)
    {
        check(caller, &person, Change::Role(role))?;
        // Who has another role signs in again, but for who changes their own: a session is one of a role.
        let statements = [
            people::set_role(id, role),
            people::end_sessions(id, &caller.login),
            people::delete_invitations_by(id),
        ];
        work.add(
            statements,
            "user.role",
            role.map_or("none", Role::as_str).to_owned(),
        );
    }
    if !edit.projects.is_empty() {
        check(caller, &person, Change::ProjectRoles)?;
        add_project_roles(state, id, &edit.projects, &mut work).await?;
    }
    match edit
        .disabled
        .filter(|disabled| *disabled != person.disabled_at.is_some())
    {
        Some(true) => {
            check(caller, &person, Change::Disable)?;
            let statements = [
                people::set_disabled(id, Some(platform::now())),
                people::end_sessions(id, ""),
                people::delete_invitations_by(id),
            ];
            work.add(statements, "user.disable", String::new());
        }
        Some(false) => {
            check(caller, &person, Change::Enable)?;
            work.add([people::set_disabled(id, None)], "user.enable", String::new());
        }
        None => {}
    }
    if edit.drop_factor && person.has_factor != 0 {
        check(caller, &person, Change::DropFactor)?;
        work.add(
            second_factors::drop_all(id),
            "second_factor.remove",
            String::new(),
        );
    }
    work.run(state, caller, id).await
}

async fn add_project_roles(
    state: &AppState,
    id: &UserId,
    roles: &BTreeMap<ProjectId, Option<Role>>,
    work: &mut Work,
) -> Result<(), ApiError> {
    check_project_count(roles)?;
    for (project, role) in roles {
        let found: Option<ChoiceRow> = state.db.first(people::project_called(project.as_str())).await?;
        let slug = found.ok_or_else(|| ApiError::no_such("project"))?.slug;
        let (action, detail) = match role {
            Some(role) => {
                check_project_role(*role)?;
                ("user.project_role", format!("{} of {slug}", role.as_str()))
            }
            None => ("user.project_role_taken", slug),
        };
        work.add([people::set_project_role(id, project, *role)], action, detail);
    }
    Ok(())
}

/// Gives somebody who is here a role of a project, or takes it: for those who decide about the project alone.
pub(crate) async fn set_member(
    state: &AppState,
    caller: &Caller,
    project: &ProjectId,
    email: &str,
    role: Option<Role>,
) -> Result<(), ApiError> {
    let found: Option<IdRow> = state.db.first(users::with_email(email)).await?;
    let user = found.map(|user| user.id).ok_or_else(|| {
        ApiError::invalid(
            "email",
            "nobody here has that address; an admin of all projects can invite them",
        )
    })?;
    if user == caller.user {
        return Err(ApiError::Forbidden("not_allowed", Refusal::Yourself.to_string()));
    }
    let mut work = Work::on(&get(state, &user).await?);
    add_project_roles(state, &user, &[(project.clone(), role)].into(), &mut work).await?;
    work.run(state, caller, &user).await
}

/// Deletes somebody with all that is known of them. What they did stays on record, under an id that names nobody.
pub(crate) async fn delete(state: &AppState, caller: &Caller, id: &UserId) -> Result<(), ApiError> {
    let person = get(state, id).await?;
    check(caller, &person, Change::Delete)?;
    let mut work = Work::on(&person);
    work.add([people::delete(id)], "user.delete", String::new());
    work.run(state, caller, id).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;

    #[test]
    fn check_project_count_bounds_what_is_looked_up() {
        let roles = |count: usize| -> BTreeMap<ProjectId, Role> {
            let ids = (0..count).map(|number| UnixMillis(i64::try_from(number).unwrap()));
            ids.map(|at| (ProjectId::new(at, [0; 10]), Role::Viewer))
                .collect()
        };
        assert!(check_project_count(&roles(PROJECTS_AT_ONCE)).is_ok());
        let refused = check_project_count(&roles(PROJECTS_AT_ONCE + 1)).unwrap_err();
        assert_eq!(
            refused.detail(),
            "projects: at most 50 at once; send the others after them"
        );
    }
}
