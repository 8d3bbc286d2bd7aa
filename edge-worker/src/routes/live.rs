//! `GET /live?topic=…`: a WebSocket of a signed-in person. It carries notices that something changed, never what.

use crate::app::AppState;
use crate::auth::SignedIn;
use crate::error::ApiError;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use devflow_protocol::{DeploymentId, ProjectId};

/// Most topics of one socket; the runtime allows ten tags, and one names the sign-in.
const TOPICS: usize = 8;

pub(super) fn router() -> Router<AppState> {
    Router::new().route("/live", get(live))
}

fn is_topic(topic: &str) -> bool {
    match topic.split_once(':') {
        None => topic == "fleet",
        Some(("project", id)) => id.parse::<ProjectId>().is_ok(),
        Some(("deployment", id)) => id.parse::<DeploymentId>().is_ok(),
        Some(_) => false,
    }
}

#[worker::send]
async fn live(State(state): State<AppState>, request: Request) -> Result<Response, ApiError> {
    let headers = request.headers();
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(ApiError::Unreadable(
            "no_websocket",
            "Open this address as a WebSocket.".to_owned(),
        ));
    }
    let signed_in = SignedIn::of(&state, headers).await?.ok_or_else(|| {
        ApiError::Unauthenticated("unauthenticated", "Sign in to follow what happens.".to_owned())
    })?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let topics: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "topic")
        .map(|(_, topic)| topic.into_owned())
        .collect();
    if topics.is_empty() || topics.len() > TOPICS || !topics.iter().all(|topic| is_topic(topic)) {
        return Err(ApiError::invalid(
            "topic",
            "1 to 8 of `fleet`, `project:ID`, `deployment:ID`",
        ));
    }
    let answer: Response = state.hub().live(&signed_in.login, &topics).await?.into();
    debug_assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    Ok(answer)
}
