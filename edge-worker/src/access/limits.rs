//! How often somebody may ask. The platform counts, for each of its locations and each minute; where it has no such
//! binding, as on a machine of one's own, there is no limit.

use super::{Door, Needs};
use crate::app::AppState;
use crate::error::ApiError;
use crate::platform;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use devflow_protocol::UserId;

/// Seconds over which is counted.
const WINDOW_S: u32 = 60;
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// What is counted. `wrangler.toml` has the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Attempts to come in, by address: forms of sign-in, set-up and invitations, and keys that are not taken.
    Door,
    /// Deliveries, by hook.
    Hook,
    /// Requests to the API, by key, or by person for all their sessions together.
    Api,
    /// Refusals that are the same: more are not counted, and nobody is told.
    Refusal,
}

impl Limit {
    /// What an open route is counted under.
    pub(super) fn of(needs: Needs, method: &Method) -> Option<Self> {
        match needs {
            Needs::Open(Door::Provider) => Some(Self::Hook),
            Needs::Open(Door::Anybody | Door::Token) if *method == Method::POST => Some(Self::Door),
            Needs::Open(_) | Needs::May(..) => None,
        }
    }

    /// What answers of a route of the API tell: under what it is counted.
    pub(crate) fn told(needs: Needs, method: &Method) -> Option<Self> {
        match needs {
            Needs::May(..) => Some(Self::Api),
            Needs::Open(_) => Self::of(needs, method),
        }
    }

    const fn binding(self) -> &'static str {
        match self {
            Self::Door => "DOOR_LIMIT",
            Self::Hook => "HOOK_LIMIT",
            Self::Api => "API_LIMIT",
            Self::Refusal => "REFUSAL_LIMIT",
        }
    }

    const fn per_window(self) -> u32 {
        match self {
            Self::Door => 30,
            Self::Hook => 300,
            Self::Api => 600,
            Self::Refusal => 60,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Door => "door",
            Self::Hook => "hook",
            Self::Api => "api",
            Self::Refusal => "refusal",
        }
    }

    /// Tells the limit with an answer that tells none yet, as the IETF's draft of `RateLimit` header fields has it.
    pub(super) fn tell(self, mut response: Response) -> Response {
        let policy = format!("\"{}\";q={};w={WINDOW_S}", self.name(), self.per_window());
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().entry(POLICY).or_insert(policy);
        }
        response
    }

    /// Counts a request of `key`; the answer to one that is too many.
    pub(super) async fn count(self, state: &AppState, key: &str) -> Result<(), Response> {
        let Some(limiter) = state.rate_limiter(self.binding()) else {
            return Ok(());
        };
        match limiter.limit(key.to_owned()).await {
            Ok(outcome) if outcome.success => Ok(()),
            Ok(_) => Err(self.too_many()),
            Err(error) => {
                // Who may come in is decided elsewhere: a platform that cannot count must not close the door.
                platform::log_error(&format!("{} cannot be counted: {error}", self.binding()));
                Ok(())
            }
        }
    }

    fn too_many(self) -> Response {
        let mut response = self.tell(ApiError::RateLimited(WINDOW_S.into()).into_response());
        let standing = format!("\"{}\";r=0;t={WINDOW_S}", self.name());
        if let Ok(standing) = HeaderValue::from_str(&standing) {
            response.headers_mut().insert(STANDING, standing);
        }
        response
    }
}

/// Counts a code of a login that somebody typed and that is none, so that nobody finds one by trying.
pub(crate) async fn count_wrong_code(state: &AppState, user: &UserId) -> Result<(), ApiError> {
    let counted = Limit::Door
        .count(state, &format!("code of a login, {user}"))
        .await;
    counted.map_err(|_| ApiError::RateLimited(WINDOW_S.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_domain::access::Action;

    #[test]
    fn limits_are_those_of_the_configuration() {
        let file = include_str!("../../../wrangler.toml");
        for limit in [Limit::Door, Limit::Hook, Limit::Api, Limit::Refusal] {
            let (_, rest) = file
                .split_once(&format!("name = \"{}\"", limit.binding()))
                .unwrap_or_else(|| panic!("{limit:?} is not in wrangler.toml"));
            let section = rest.split("[[").next().unwrap_or_default();
            let told = format!(
                "simple = {{ limit = {}, period = {WINDOW_S} }}",
                limit.per_window()
            );
            assert!(section.contains(&told), "{limit:?}: {section}");
        }
    }

    #[test]
    fn open_routes_are_counted_by_what_they_let_in() {
        let of = |door, method| Limit::of(Needs::Open(door), &method);
        assert_eq!(of(Door::Anybody, Method::POST), Some(Limit::Door));
        assert_eq!(of(Door::Token, Method::POST), Some(Limit::Door));
        assert_eq!(of(Door::Anybody, Method::GET), None);
        assert_eq!(of(Door::Provider, Method::POST), Some(Limit::Hook));
        assert_eq!(of(Door::Runner, Method::POST), None);
    }

    #[test]
    fn answers_of_the_api_tell_what_they_are_counted_under_once() {
        let told = |needs, method| Limit::told(needs, &method);
        assert_eq!(
            told(Needs::may(Action::Enter), Method::GET),
            Some(Limit::Api),
            "also where it is refused"
        );
        assert_eq!(told(Needs::Open(Door::Token), Method::POST), Some(Limit::Door));
        assert_eq!(told(Needs::Open(Door::Anybody), Method::GET), None);
        let response = Limit::Api.tell(Limit::Door.tell(().into_response()));
        let policies: Vec<_> = response.headers().get_all(POLICY).iter().collect();
        assert_eq!(policies, [r#""door";q=30;w=60"#]);
    }

    #[test]
    fn too_many_says_which_limit_and_when_to_come_again() {
        let response = Limit::Api.too_many();
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(header("ratelimit-policy"), r#""api";q=600;w=60"#);
        assert_eq!(header("ratelimit"), r#""api";r=0;t=60"#);
        assert_eq!(header("retry-after"), "60");
    }
}
