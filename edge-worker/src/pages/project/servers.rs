//! The servers of a project: where each stands, and the form that changes which they are.

use crate::app::AppState;
use crate::error::ApiError;
use crate::extract::{CsrfForm, Id};
use crate::pages::look::{self, Badge};
use crate::pages::web;
use crate::service::{projects, targets};
use crate::store::targets::TargetRow;
use axum::extract::State;
use axum::response::Response;
use devflow_domain::targets::{MOST, Policy};
use devflow_protocol::ProjectId;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A server of a project.
pub(crate) struct TargetView {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    /// Id and short name of the release that serves there.
    pub(crate) live: Option<String>,
    /// It serves another release than the first server.
    pub(crate) differs: bool,
}

/// All servers of a project that has several.
pub(super) fn views(targets: &[TargetRow]) -> Vec<TargetView> {
    let Some(first) = targets.first().filter(|_| targets.len() > 1) else {
        return vec![];
    };
    let views = targets.iter().map(|target| TargetView {
        server: target.server.to_string(),
        name: target.name.clone(),
        badge: look::server(target.state),
        live: target.live_deployment.as_ref().map(ToString::to_string),
        differs: target.live_deployment != first.live_deployment,
    });
    views.collect()
}

/// A place in the order of servers.
pub(crate) struct Place {
    pub(crate) number: usize,
    /// Id of the server that is there; empty where none is.
    pub(crate) server: String,
}

/// Those that are taken, and a further one.
pub(super) fn places(targets: &[TargetRow]) -> Vec<Place> {
    let taken = targets.iter().map(|target| target.server.to_string());
    let places = taken.chain([String::new()]).zip(1..).take(MOST);
    places.map(|(server, number)| Place { number, server }).collect()
}

/// The fields of the API that a form of places says: empty ones are left out.
fn fields(form: &BTreeMap<String, String>) -> Map<String, Value> {
    let servers: Vec<&String> = (1..=MOST)
        .filter_map(|number| form.get(&format!("server-{number}")))
        .filter(|server| !server.is_empty())
        .collect();
    let policy = form
        .get("policy")
        .map_or(Policy::default().as_str(), String::as_str);
    Map::from_iter([
        ("servers".to_owned(), json!(servers)),
        ("server_policy".to_owned(), json!(policy)),
    ])
}

/// `POST /projects/{id}/servers`
#[worker::send]
pub(crate) async fn save(
    State(state): State<AppState>,
    Id(id): Id<ProjectId>,
    form: CsrfForm<BTreeMap<String, String>>,
) -> Result<Response, ApiError> {
    targets::check_may_place(&form.signed_in.access)?;
    let changes = fields(&form.form);
    let saved = projects::update(&state, &form.signed_in.actor(), &id, |_| Ok(()), changes).await;
    web::done(saved, &format!("/projects/{id}/settings"), |_| {
        "Saved. A server that is new gets the release with the next deployment; one that was taken out takes the site down."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_the_places_in_their_order_without_gaps() {
        let form = [
            ("server-2", "srv_b"),
            ("server-1", "srv_a"),
            ("server-3", ""),
            ("policy", "keep_going"),
        ];
        let form = form
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let expected = json!({"servers": ["srv_a", "srv_b"], "server_policy": "keep_going"});
        assert_eq!(Value::Object(fields(&form)), expected);
    }
}
