//! `GET /live?topic=…`: a WebSocket of a signed-in person. It carries notices that something changed, never what.

use crate::access::{Access, Needs, Routes};
use crate::app::AppState;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::store::access::project_of_deployment;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use devflow_domain::access::Action;
use devflow_protocol::{DeploymentId, ProjectId};

/// Most topics of one socket; the runtime allows ten tags, and one names the sign-in.
const TOPICS: usize = 8;

pub(super) fn router() -> Routes {
    Routes::new().get("/live", Needs::may(Action::Enter), live)
}

/// Refuses a topic that there is not, or that the person may not follow. The fleet's carries no names of anything.
async fn check_topic(state: &AppState, access: &Access, topic: &str) -> Result<(), ApiError> {
    let unknown = || ApiError::invalid("topic", "1 to 8 of `fleet`, `project:ID`, `deployment:ID`");
    match topic.split_once(':') {
        None if topic == "fleet" => Ok(()),
        Some(("project", id)) => {
            let project: ProjectId = id.parse().map_err(|_| unknown())?;
            access.require(Action::SeeProject, Some(&project))
        }
        Some(("deployment", id)) => {
            let id: DeploymentId = id.parse().map_err(|_| unknown())?;
            let owner = project_of_deployment(id.as_str());
            let missing = || ApiError::no_such("deployment");
            access.require_of(state, Action::SeeProject, owner, missing).await
        }
        _ => Err(unknown()),
    }
}

#[worker::send]
async fn live(
    State(state): State<AppState>,
    signed_in: SignedIn,
    request: Request,
) -> Result<Response, ApiError> {
    let upgrade = request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(ApiError::Unreadable(
            "no_websocket",
            "Open this address as a WebSocket.".to_owned(),
        ));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let topics: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "topic")
        .map(|(_, topic)| topic.into_owned())
        .collect();
    if topics.is_empty() || topics.len() > TOPICS {
        return Err(ApiError::invalid("topic", format!("1 to {TOPICS} topics")));
    }
    for topic in &topics {
        check_topic(&state, &signed_in.access, topic).await?;
    }
    let hub = state.hub();
    let answer: Response = hub
        .live(&signed_in.login, signed_in.ends_at, &topics)
        .await?
        .into();
    debug_assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    Ok(answer)
}
