//! `projects`.

use super::{Statement, StoreError, statement};
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::Policy;
use devflow_protocol::runner_api::ProjectReport;
use devflow_protocol::text::{RefName, Slug};
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use serde::{Deserialize, Serialize};

/// What a project is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProjectState {
    /// Serves, or will with its first deployment.
    Active,
    /// Stopped by a person.
    Stopped,
    /// Its server is asked to remove it.
    Removing,
}

/// A project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProjectRow {
    pub(crate) id: ProjectId,
    pub(crate) slug: Slug,
    pub(crate) name: String,
    pub(crate) server: ServerId,
    pub(crate) state: ProjectState,
    pub(crate) ref_name: RefName,
    /// JSON of [`ProjectSettings`], see [`Self::settings`].
    pub(crate) settings: String,
    pub(crate) environment_version: u32,
    pub(crate) live_deployment: Option<DeploymentId>,
    /// JSON list of deployment ids, see [`Self::kept`].
    pub(crate) kept_releases: String,
    /// How many servers it has beside `server`.
    pub(crate) further_servers: usize,
    pub(crate) server_policy: Policy,
    pub(crate) created_at: UnixMillis,
    pub(crate) updated_at: UnixMillis,
}

impl ProjectRow {
    /// The settings.
    pub(crate) fn settings(&self) -> Result<ProjectSettings, StoreError> {
        read_settings(&self.settings)
    }

    /// The releases on the server, newest first.
    pub(crate) fn kept(&self) -> Vec<DeploymentId> {
        serde_json::from_str(&self.kept_releases).unwrap_or_default()
    }
}

/// Reads the settings column.
pub(crate) fn read_settings(json: &str) -> Result<ProjectSettings, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::unreadable("projects.settings", &error))
}

/// One project.
pub(crate) fn by_id(id: &ProjectId) -> Statement {
    statement!(
        "-- projects_by_id
        SELECT id, slug, name, server, state, ref_name, settings, environment_version, live_deployment,
          kept_releases, further_servers, server_policy, created_at, updated_at
        FROM projects WHERE id = ?1",
        id
    )
}

/// A host name that another project of the same server has.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct TakenHostName {
    pub(crate) domain: String,
    pub(crate) name: String,
}

/// The first of `domains` (a JSON list) that another project than `except` has on `server`.
pub(crate) fn host_name_taken(server: &ServerId, except: &ProjectId, domains: &str) -> Statement {
    statement!(
        "-- projects_host_name_taken
        SELECT d.value AS domain, p.name FROM projects p, json_each(p.settings, '$.domains') d
        WHERE p.id IN (SELECT id FROM projects WHERE server = ?1 UNION ALL SELECT project FROM further_targets
          WHERE server = ?1) AND p.id <> ?2 AND d.value IN (SELECT value FROM json_each(?3)) LIMIT 1",
        server,
        except,
        domains
    )
}

/// A new project.
pub(crate) struct NewProject<'a> {
    pub(crate) id: &'a ProjectId,
    pub(crate) slug: &'a Slug,
    pub(crate) name: &'a str,
    pub(crate) server: &'a ServerId,
    pub(crate) ref_name: &'a RefName,
    /// JSON of checked settings.
    pub(crate) settings: &'a str,
    pub(crate) now: UnixMillis,
}

/// Adds a project.
pub(crate) fn insert(project: &NewProject<'_>) -> Statement {
    statement!(
        "-- projects_insert
        INSERT INTO projects (id, slug, name, server, state, ref_name, settings, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6, ?7, ?7)",
        project.id,
        project.slug.as_str(),
        project.name,
        project.server,
        project.ref_name.as_str(),
        project.settings,
        project.now
    )
}

/// What a project is changed to.
pub(crate) struct Update<'a> {
    pub(crate) id: &'a ProjectId,
    pub(crate) name: &'a str,
    pub(crate) ref_name: &'a RefName,
    /// JSON of checked settings.
    pub(crate) settings: &'a str,
    /// The `updated_at` that the caller saw: another one by now refuses the change.
    pub(crate) seen_at: UnixMillis,
    /// The new `updated_at`, behind `seen_at`.
    pub(crate) now: UnixMillis,
}

/// Changes name, ref and settings, unless they were changed since they were seen.
pub(crate) fn update(update: &Update<'_>) -> Statement {
    statement!(
        "-- projects_update
        UPDATE projects SET name = ?2, ref_name = ?3, settings = ?4, updated_at = ?6,
          last_head = CASE WHEN ref_name = ?3 THEN last_head END
        WHERE id = ?1 AND updated_at = ?5",
        update.id,
        update.name,
        update.ref_name.as_str(),
        update.settings,
        update.seen_at,
        update.now
    )
}

/// Makes a project found by `phrases` (a JSON list) and by nothing else, if it was changed at `updated_at`; what it
/// is found by already is not written again.
pub(crate) fn find_by(id: &ProjectId, phrases: &str, updated_at: UnixMillis) -> [Statement; 2] {
    [
        statement!(
            "-- project_words_forget
            DELETE FROM project_words WHERE project = ?1 AND word NOT IN (SELECT value FROM json_each(?2))
              AND EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?3)",
            id,
            phrases,
            updated_at
        ),
        statement!(
            "-- project_words_add
            INSERT OR IGNORE INTO project_words (word, project)
            SELECT value, ?1 FROM json_each(?2) WHERE EXISTS (SELECT 1 FROM projects WHERE id = ?1 AND updated_at = ?3)",
            id,
            phrases,
            updated_at
        ),
    ]
}

/// Notes that a project is being removed: it takes no more pushes.
pub(crate) fn mark_removing(id: &ProjectId) -> Statement {
    statement!(
        "-- projects_mark_removing\nUPDATE projects SET state = 'removing' WHERE id = ?1",
        id
    )
}

/// Deletes a project with what belongs to it, at once: for one that never reached its server.
pub(crate) fn delete(id: &ProjectId) -> Statement {
    statement!("-- projects_delete\nDELETE FROM projects WHERE id = ?1", id)
}

/// Deletes the project of a removal that succeeded on its last server, only together with the end of that job.
pub(crate) fn delete_removed(job: &JobId, attempt: u32) -> Statement {
    statement!(
        "-- projects_delete_removed
        DELETE FROM projects WHERE state = 'removing' AND further_servers = 0
          AND (id, server) = (SELECT project, server FROM jobs WHERE id = ?1 AND attempt = ?2
          AND verb = 'remove_project' AND state IN ('leased', 'running', 'out_of_contact'))",
        job,
        attempt
    )
}

/// Gives a project back whose removal failed on one of its servers, only together with the end of that job.
pub(crate) fn keep_after_all(job: &JobId, attempt: u32) -> Statement {
    statement!(
        "-- projects_keep_after_all
        UPDATE projects SET state = 'active' WHERE state = 'removing' AND EXISTS (SELECT 1 FROM jobs j
          WHERE j.id = ?1 AND j.attempt = ?2 AND j.state IN ('leased', 'running', 'out_of_contact')
            AND j.project = projects.id AND (j.server = projects.server OR EXISTS (SELECT 1 FROM further_targets f
              WHERE f.project = projects.id AND f.server = j.server)))",
        job,
        attempt
    )
}

/// Takes over what the runner of the first server reports at the end of a job that is its own in that attempt; only together
/// with that end, or where the job was given up. `answer_ms` is how fast the release that went live answers.
pub(crate) fn report(
    job: &JobId,
    attempt: u32,
    report: &ProjectReport,
    state: Option<ProjectState>,
    answer_ms: Option<u32>,
) -> Statement {
    let kept = serde_json::to_string(&report.kept).expect("ids are plain texts");
    let state = state.map(|state| match state {
        ProjectState::Active => "active",
        ProjectState::Stopped => "stopped",
        ProjectState::Removing => "removing",
    });
    statement!(
        "-- projects_report
        UPDATE projects SET live_deployment = ?3, kept_releases = ?4,
          state = CASE WHEN state = 'removing' THEN state ELSE coalesce(?5, state) END,
          answer_times = CASE WHEN ?7 IS NULL THEN answer_times ELSE json_insert(
            iif(json_array_length(answer_times) < 20, answer_times, json_remove(answer_times, '$[0]')), '$[#]', ?7) END
        WHERE slug = ?6 AND (id, server) = (SELECT project, server FROM jobs WHERE id = ?1 AND attempt = ?2
          AND state IN ('leased', 'running', 'out_of_contact', 'abandoned'))",
        job,
        attempt,
        report.live.as_ref(),
        kept,
        state,
        report.slug.as_str(),
        answer_ms
    )
}

/// A row where a runner has taken any job of the project, so that there may be something on its server.
pub(crate) fn started(id: &ProjectId) -> Statement {
    statement!(
        "-- projects_started
        SELECT 1 AS started FROM deployments WHERE project = ?1
          AND (started_at IS NOT NULL OR state NOT IN ('queued', 'superseded', 'cancelled')) LIMIT 1",
        id
    )
}
