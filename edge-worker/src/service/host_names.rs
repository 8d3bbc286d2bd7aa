//! Host names: a server's Nginx would answer with one of two projects that have the same, without a word.

use crate::app::AppState;
use crate::error::ApiError;
use crate::store::projects::{self, TakenHostName};
use devflow_domain::settings::ProjectSettings;
use devflow_protocol::{ProjectId, ServerId};

/// Refuses settings with a host name that another project of the server has.
pub(crate) async fn check_free(
    state: &AppState,
    server: &ServerId,
    project: &ProjectId,
    settings: &ProjectSettings,
) -> Result<(), ApiError> {
    let domains =
        serde_json::to_string(&settings.domains).map_err(|error| ApiError::Internal(error.to_string()))?;
    let taken: Option<TakenHostName> = state
        .db
        .first(projects::host_name_taken(server, project, &domains))
        .await?;
    match taken {
        None => Ok(()),
        Some(taken) => Err(ApiError::invalid(
            "domains",
            format!(
                "{} belongs to the project {} on this server; take it out there first",
                taken.domain, taken.name
            ),
        )),
    }
}
