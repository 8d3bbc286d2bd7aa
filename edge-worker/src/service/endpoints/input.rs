//! What people and programs say of an endpoint, checked.

use crate::app::AppState;
use crate::error::ApiError;
use crate::service::check_name;
use devflow_domain::outgoing::address::{Address, is_local};
use devflow_domain::outgoing::{Event, Kind};
use serde::Deserialize;

/// An endpoint to make.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NewEndpoint"))]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// For commit statuses the root of the provider's API, where that is not the usual one.
    pub(crate) url: Option<String>,
    pub(crate) events: Option<Vec<String>>,
    /// For commit statuses, what may set them; never shown again.
    pub(crate) token: Option<String>,
}

/// What of an endpoint is to change.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "EndpointChanges"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) events: Option<Vec<String>>,
    pub(crate) enabled: Option<bool>,
}

pub(super) fn endpoint_name(name: &str) -> Result<String, ApiError> {
    check_name(name, 60, "a name of 1 to 60 characters").map(str::to_owned)
}

pub(super) fn check_address(state: &AppState, url: &str) -> Result<Address, ApiError> {
    Address::parse(url, is_local(&state.config.public_origin))
        .map_err(|refused| ApiError::invalid("url", refused.to_string()))
}

/// Chosen events, each once, in the order of their list.
pub(super) fn check_events(names: &[String]) -> Result<Vec<Event>, ApiError> {
    if let Some(name) = names.iter().find(|name| Event::from_choice(name).is_none()) {
        let choices: Vec<&str> = Event::CHOICES.iter().map(|event| event.as_str()).collect();
        let message = format!("{name} is none of {}", choices.join(", "));
        return Err(ApiError::invalid("events", message));
    }
    let chosen: Vec<Event> = Event::CHOICES
        .into_iter()
        .filter(|choice| names.iter().any(|name| name == choice.as_str()))
        .collect();
    if chosen.is_empty() {
        return Err(ApiError::invalid("events", "choose at least one"));
    }
    Ok(chosen)
}

/// What an endpoint of a kind is told, as it is stored.
pub(super) fn events_of(kind: Kind, chosen: Option<&[String]>) -> Result<String, ApiError> {
    let events = match (kind.fixed_events(), chosen) {
        (Some(fixed), None) => fixed.to_vec(),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("events", "cannot be chosen for this kind"));
        }
        (None, Some(names)) => check_events(names)?,
        (None, None) => Event::USUAL.to_vec(),
    };
    Ok(serde_json::to_string(&events).expect("names are texts"))
}

/// What of an address is shown. A chat's is a secret as a whole: who has it can write there.
pub(super) fn shown(kind: Kind, address: &Address) -> String {
    match kind {
        Kind::Webhook | Kind::Status => address.shown(),
        Kind::Slack => address.host_shown(),
    }
}

/// A token of a provider, as a header takes it.
pub(super) fn check_token(token: &str) -> Result<String, ApiError> {
    let token = token.trim();
    if (8..=500).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token.to_owned());
    }
    Err(ApiError::invalid(
        "token",
        "a token that may set commit statuses, as the provider shows it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_stored_once_and_in_order() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            events_of(Kind::Webhook, Some(&names(&["failed", "started", "failed"]))).unwrap(),
            r#"["started","failed"]"#
        );
        for refused in [&["queued"][..], &["test"], &["live", "x"], &[]] {
            assert!(check_events(&names(refused)).is_err(), "{refused:?}");
        }
        let of_status = events_of(Kind::Status, None).unwrap();
        assert!(of_status.starts_with(r#"["queued","live""#), "{of_status}");
        assert!(events_of(Kind::Status, Some(&names(&["live"]))).is_err());
    }
}
