//! What runners ask: all `POST`, JSON and signed, the enrolment with its one-time token.

mod signed;

use crate::access::{Door, Needs, Routes};
use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::Json as Body;
use crate::platform;
use crate::service::{deliveries, polls, reports, servers};
use axum::Json;
use axum::extract::State;
use devflow_protocol::enrol::EnrolRequest;
use devflow_protocol::runner_api::{
    self, Accepted, AckRequest, CompleteRequest, EnrolAnswer, EventsRequest, HeadFound, PollAnswer,
    PollRequest,
};
use signed::Signed;

pub(super) fn router() -> Routes {
    Routes::new()
        .post(runner_api::ENROL, Needs::Open(Door::Runner), enrol)
        .post(runner_api::POLL, Needs::Open(Door::Runner), poll)
        .post(runner_api::ACK, Needs::Open(Door::Runner), acknowledge)
        .post(runner_api::EVENTS, Needs::Open(Door::Runner), events)
        .post(runner_api::COMPLETE, Needs::Open(Door::Runner), complete)
        .post(runner_api::HEADS, Needs::Open(Door::Runner), head_found)
}

fn accepted_watched(watched: bool) -> Json<Accepted> {
    let now = platform::now();
    Json(Accepted { now, watched })
}

fn accepted() -> Json<Accepted> {
    accepted_watched(false)
}

#[worker::send]
async fn enrol(
    State(state): State<AppState>,
    Body(request): Body<EnrolRequest>,
) -> Result<Json<EnrolAnswer>, ApiError> {
    Ok(Json(servers::enrol(&state, &request).await?))
}

#[worker::send]
async fn poll(
    State(state): State<AppState>,
    signed: Signed<PollRequest>,
) -> Result<Json<PollAnswer>, ApiError> {
    Ok(Json(
        polls::poll(&state, &signed.runner, &signed.claims, &signed.body).await?,
    ))
}

#[worker::send]
async fn acknowledge(
    State(state): State<AppState>,
    signed: Signed<AckRequest>,
) -> Result<Json<Accepted>, ApiError> {
    polls::check_session(&signed.runner, &signed.claims.session)?;
    reports::acknowledge(&state, &signed.runner.id, &signed.body).await?;
    Ok(accepted())
}

#[worker::send]
async fn events(
    State(state): State<AppState>,
    signed: Signed<EventsRequest>,
) -> Result<Json<Accepted>, ApiError> {
    let watched = reports::take_events(&state, &signed.runner.id, &signed.body).await?;
    Ok(accepted_watched(watched))
}

#[worker::send]
async fn complete(
    State(state): State<AppState>,
    signed: Signed<CompleteRequest>,
) -> Result<Json<Accepted>, ApiError> {
    reports::complete(&state, &signed.runner.id, &signed.body).await?;
    Ok(accepted())
}

#[worker::send]
async fn head_found(
    State(state): State<AppState>,
    signed: Signed<HeadFound>,
) -> Result<Json<Accepted>, ApiError> {
    polls::check_session(&signed.runner, &signed.claims.session)?;
    deliveries::found(&state, &signed.runner.id, &signed.body).await?;
    Ok(accepted())
}
