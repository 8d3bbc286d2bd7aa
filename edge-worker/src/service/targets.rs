//! The servers of a project.

use super::{host_names, servers};
use crate::access::Access;
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use crate::store::projects::ProjectRow;
use crate::store::targets::{self, TargetRow};
use crate::store::{Statement, StoreError};
use devflow_domain::access::Action;
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::{Policy, problem};
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The servers of a project, in their order.
pub(crate) async fn of(state: &AppState, project: &ProjectId) -> Result<Vec<TargetRow>, ApiError> {
    Ok(state.db.all(targets::of_project(project)).await?)
}

/// Refuses whoever does not decide on which servers projects are: to put one on a server is what making one there is.
pub(crate) fn check_may_place(access: &Access) -> Result<(), ApiError> {
    access
        .require(Action::CreateProject, None)
        .map_err(|error| match error {
            ApiError::Hidden(_) => ApiError::Forbidden(
                "may_not_place",
                "On which servers a project is decides who may make projects; ask one of them.".to_owned(),
            ),
            other => other,
        })
}

/// Refuses where nothing new is to be deployed to a server of the project.
pub(crate) async fn check_take_work(state: &AppState, project: &ProjectRow) -> Result<(), ApiError> {
    let all = of(state, &project.id).await?;
    let draining = all.iter().find(|target| target.draining_since.is_some());
    draining.map_or(Ok(()), |target| Err(servers::draining(&target.name)))
}

/// Refuses to go back to a release that is not on all servers of the project, or is live on all of them.
pub(crate) async fn check_goes_back(
    state: &AppState,
    project: &ProjectRow,
    release: &DeploymentId,
) -> Result<(), ApiError> {
    let all = of(state, &project.id).await?;
    if all
        .iter()
        .all(|target| target.live_deployment.as_ref() == Some(release))
    {
        return Err(ApiError::Conflict(
            "already_live",
            "This release is the live one.".to_owned(),
        ));
    }
    match all.iter().find(|target| !target.kept().contains(release)) {
        None => Ok(()),
        Some(target) => Err(ApiError::Conflict(
            "release_not_kept",
            format!(
                "This release is no longer on {}; deploy its commit again instead.",
                target.name
            ),
        )),
    }
}

/// The servers of a project, and what becomes of the others where one fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Servers {
    pub(crate) list: Vec<ServerId>,
    pub(crate) policy: Policy,
}

impl Servers {
    /// Those of a project.
    pub(crate) async fn of(state: &AppState, row: &ProjectRow) -> Result<Self, ApiError> {
        let list = if row.further_servers == 0 {
            vec![row.server.clone()]
        } else {
            let all = of(state, &row.id).await?;
            all.into_iter().map(|target| target.server).collect()
        };
        Ok(Self {
            list,
            policy: row.server_policy,
        })
    }

    /// With what is taken out of `fields`.
    pub(crate) fn changed(&self, fields: &mut Map<String, Value>) -> Result<Self, ApiError> {
        Ok(Self {
            list: take(fields, "servers", "a list of servers")?.unwrap_or_else(|| self.list.clone()),
            policy: take(fields, "server_policy", "`all` or `keep_going`")?.unwrap_or(self.policy),
        })
    }

    /// Refuses what a project cannot be on; a server of `before` is taken as it is.
    pub(crate) async fn check(
        &self,
        state: &AppState,
        project: &ProjectId,
        before: &[ServerId],
        settings: &ProjectSettings,
    ) -> Result<(), ApiError> {
        let services = settings.services.mariadb || settings.services.redis;
        if let Some(problem) = problem(&self.list, services) {
            return Err(ApiError::invalid("servers", problem));
        }
        for server in &self.list {
            if !before.contains(server) {
                servers::check_takes_work(state, server)
                    .await
                    .map_err(|error| match error {
                        ApiError::NotFound(_) => {
                            ApiError::invalid("servers", "there is no such server; add it first")
                        }
                        ApiError::Conflict(_, text) => ApiError::invalid("servers", text),
                        other => other,
                    })?;
            }
            host_names::check_free(state, server, project, settings).await?;
        }
        Ok(())
    }

    /// Makes them those of the project that was changed at `updated_at`.
    pub(crate) fn set(&self, project: &ProjectId, updated_at: UnixMillis) -> [Statement; 5] {
        let list = serde_json::to_string(&self.list).expect("ids are plain texts");
        targets::set(project, &list, self.policy, updated_at)
    }

    /// Servers that are not among `others`.
    pub(crate) fn without<'s>(&'s self, others: &'s Self) -> impl Iterator<Item = &'s ServerId> {
        self.list.iter().filter(|server| !others.list.contains(server))
    }

    /// Asks those of `before` that are left out to take the project down; its shared files stay there.
    pub(crate) fn take_down(
        &self,
        before: &Self,
        project: &ProjectId,
        updated_at: UnixMillis,
    ) -> Vec<Statement> {
        let left_out = before.without(self);
        left_out
            .map(|server| targets::take_down(&platform::new_id(JobId::new), server, project, updated_at))
            .collect()
    }

    /// Says why servers could not be changed.
    pub(crate) fn refused(error: StoreError) -> ApiError {
        if error.is_null("projects.server_policy") {
            return ApiError::Conflict(
                "deploying",
                "A deployment of the project waits or is under way; change its servers when that is over."
                    .to_owned(),
            );
        }
        error.into()
    }
}

fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    field: &str,
    wanted: &str,
) -> Result<Option<T>, ApiError> {
    let value = fields.remove(field).map(serde_json::from_value);
    value.transpose().map_err(|_| ApiError::invalid(field, wanted))
}
