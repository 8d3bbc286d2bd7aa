//! Refusals go on record: whoever answers one marks the answer ([`Refused`]), and here it is counted. The counting itself,
//! and how little of it is written down, is in [`devflow_domain::refusals`].

use super::Needs;
use super::limits::Limit;
use crate::app::AppState;
use crate::auth::{Actor, tell_refusal};
use crate::error::Refused;
use crate::platform;
use crate::store::activity::STRANGER;
use axum::response::Response;
use devflow_domain::refusals::Refusal;

/// What somebody wanted, as it goes on record: an action, or the path of a route that needs nobody.
fn wanted(needs: Needs, path: &str) -> String {
    match needs {
        Needs::May(action, _) => action.as_str().to_owned(),
        Needs::Open(_) => path.to_owned(),
    }
}

/// Counts an answer that refuses what a route needs, after it was sent. `path` is the route's pattern.
pub(super) fn note(state: &AppState, who: Option<&Actor>, needs: Needs, path: &str, response: &Response) {
    note_wanted(state, who, &wanted(needs, path), response);
}

/// The same of what never came to a route.
pub(crate) fn note_wanted(state: &AppState, who: Option<&Actor>, wanted: &str, response: &Response) {
    let Some(Refused(code)) = response.extensions().get::<Refused>().copied() else {
        return;
    };
    let refusal = Refusal {
        actor: who.map_or(STRANGER, |actor| actor.0.as_str()).to_owned(),
        action: wanted.to_owned(),
        code: code.to_owned(),
    };
    let after = state.clone();
    platform::after_answer(async move {
        // Each costs a request of the object: of many that are the same within a minute the first ones are enough.
        let key = format!("{}\n{}\n{}", refusal.actor, refusal.action, refusal.code);
        if Limit::Refusal.count(&after, &key).await.is_err() {
            return;
        }
        if let Err(error) = tell_refusal(&after, refusal).await {
            platform::log_error(&format!("a refusal was not counted: {error:?}"));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Door;
    use crate::error::{ApiError, PROOF_NEEDED};
    use axum::response::IntoResponse as _;
    use devflow_domain::access::Action;

    #[test]
    fn refusals_are_marked_and_other_errors_are_not() {
        let code = |error: ApiError| {
            let response = error.into_response();
            response.extensions().get::<Refused>().map(|refused| refused.0)
        };
        let text = String::new;
        assert_eq!(
            code(ApiError::Unauthenticated("wrong_key", text())),
            Some("wrong_key")
        );
        assert_eq!(
            code(ApiError::Forbidden("not_allowed", text())),
            Some("not_allowed")
        );
        assert_eq!(code(ApiError::Hidden(text())), Some("not_found"));
        assert_eq!(code(ApiError::RateLimited(1)), Some("rate_limited"));
        for none in [
            ApiError::NotFound(text()),
            ApiError::ClockSkew(1),
            ApiError::invalid("name", "too long"),
            ApiError::Conflict("busy", text()),
            ApiError::Forbidden(PROOF_NEEDED, text()),
        ] {
            assert_eq!(none.refusal(), None);
        }
    }

    #[test]
    fn wanted_is_an_action_or_the_pattern_of_an_open_route() {
        assert_eq!(
            wanted(Needs::project(Action::Deploy), "/projects/{id}/deploy"),
            "deploy"
        );
        assert_eq!(
            wanted(Needs::Open(Door::Provider), "/hooks/{provider}/{hook}"),
            "/hooks/{provider}/{hook}"
        );
    }
}
