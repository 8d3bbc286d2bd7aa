//! The JSON API over HTTP: one connection, problem details as failures, and what may be sent again is.

use crate::failure::Failure;
use crate::settings::{ApiKey, Origin};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use ureq::http::{Request, Response};
use ureq::tls::{RootCerts, TlsConfig};

/// Pauses between attempts of a request that may be sent again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
];
const TIMEOUT: Duration = Duration::from_secs(30);
const LARGEST_ANSWER: u64 = 64 << 20;

/// An installation, and who asks.
pub(crate) struct Edge {
    agent: ureq::Agent,
    origin: Origin,
    /// None before there is one.
    key: Option<ApiKey>,
}

/// An answer.
pub(crate) struct Answer {
    /// The JSON; null where there was none.
    pub(crate) body: Value,
    /// The version of what was answered, for a conditional change.
    pub(crate) etag: Option<String>,
}

/// What the edge says of a refusal.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

/// One request.
struct Ask<'a> {
    method: &'static str,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// True where it does no harm when it arrives twice.
    repeatable: bool,
}

impl Edge {
    /// Speaks to `origin` with `key`. Nothing is sent yet.
    pub(crate) fn new(origin: Origin, key: ApiKey) -> Self {
        Self::speaking(origin, Some(key))
    }

    /// Speaks to `origin` as nobody.
    pub(crate) fn without_key(origin: Origin) -> Self {
        Self::speaking(origin, None)
    }

    fn speaking(origin: Origin, key: Option<ApiKey>) -> Self {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // An answer elsewhere would be given the key as well.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("devflow/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self {
            agent: config.into(),
            origin,
            key,
        }
    }

    /// Where it is.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Asks for something.
    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        Ok(self.fetch(path)?.body)
    }

    /// Asks for something with its version.
    pub(crate) fn fetch(&self, path: &str) -> Result<Answer, Failure> {
        self.send(&Ask {
            method: "GET",
            path,
            headers: vec![],
            body: None,
            repeatable: true,
        })
    }

    /// All items of a list, page after page.
    pub(crate) fn all(&self, path: &str) -> Result<Vec<Value>, Failure> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Value>,
            next: Option<String>,
        }
        let mut items = Vec::new();
        let mut asked = path.to_owned();
        loop {
            let page: Page = decode(self.get(&asked)?)?;
            items.extend(page.items);
            let Some(next) = page.next else {
                return Ok(items);
            };
            asked = format!("{path}?cursor={next}");
        }
    }

    /// Asks for something new, once: the edge knows by the key when the request comes again.
    pub(crate) fn create(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut once = [0; 16];
        getrandom::fill(&mut once)
            .map_err(|error| Failure::Usage(format!("no random bytes from the system: {error}")))?;
        let answer = self.send(&Ask {
            method: "POST",
            path,
            headers: vec![("idempotency-key", hex::encode(once))],
            body: Some(body.to_string().into_bytes()),
            repeatable: true,
        })?;
        Ok(answer.body)
    }

    /// Sends something that is not sent again by itself.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.send(&Ask {
            method: "POST",
            path,
            headers: vec![],
            body: Some(body.to_string().into_bytes()),
            repeatable: false,
        })?;
        Ok(answer.body)
    }

    /// Changes the given fields, `null` removing one.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.send(&Ask {
            method: "PATCH",
            path,
            headers: vec![],
            body: Some(body.to_string().into_bytes()),
            repeatable: true,
        })?;
        Ok(answer.body)
    }

    /// Replaces what has the version `etag`, and nothing newer.
    pub(crate) fn replace(&self, path: &str, etag: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.send(&Ask {
            method: "PUT",
            path,
            headers: vec![("if-match", etag.to_owned())],
            body: Some(body.to_string().into_bytes()),
            // Had the first one arrived, the second would be refused as out of date.
            repeatable: false,
        })?;
        Ok(answer.body)
    }

    fn send(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let mut pauses = PAUSES.into_iter().filter(|_| ask.repeatable);
        loop {
            match (self.once(ask), pauses.next()) {
                (Err(Failure::Unreachable(_)), Some(pause)) => std::thread::sleep(pause),
                (outcome, _) => return outcome,
            }
        }
    }

    fn once(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{}/api/v1{}", self.origin, ask.path))
            .header("accept", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.0));
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if ask.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request
            .body(ask.body.as_deref().unwrap_or_default())
            .map_err(|error| Failure::Usage(format!("the request cannot be sent: {error}")))?;
        let unreachable = |error: ureq::Error| {
            Failure::Unreachable(format!(
                "{} does not answer: {error}; check the address and the network, then try again",
                self.origin
            ))
        };
        let (parts, body) = self.agent.run(request).map_err(unreachable)?.into_parts();
        let bytes = body
            .into_with_config()
            .limit(LARGEST_ANSWER)
            .read_to_vec()
            .map_err(unreachable)?;
        self.read(&Response::from_parts(parts, bytes))
    }

    /// A refusal, with what to do about a key that is not taken any more.
    fn refusal(&self, problem: Problem) -> Failure {
        let Problem { code, mut detail } = problem;
        if ["key_expired", "wrong_key"].contains(&code.as_str()) {
            let _ = write!(
                detail,
                " {}/keys is that page; `devflow login` then keeps the new key.",
                self.origin
            );
        }
        Failure::Refused { code, detail }
    }

    fn read(&self, response: &Response<Vec<u8>>) -> Result<Answer, Failure> {
        let status = response.status();
        let body: Option<Value> = if response.body().is_empty() {
            Some(Value::Null)
        } else {
            serde_json::from_slice(response.body()).ok()
        };
        let problem = body.clone().and_then(|body| Problem::deserialize(body).ok());
        match (body, problem) {
            (Some(body), _) if status.is_success() => Ok(Answer {
                body,
                etag: response
                    .headers()
                    .get("etag")
                    .and_then(|etag| etag.to_str().ok())
                    .map(str::to_owned),
            }),
            (_, Some(problem)) if status.is_client_error() => Err(self.refusal(problem)),
            (_, Some(problem)) => Err(Failure::Unreachable(format!(
                "{}: {}",
                self.origin, problem.detail
            ))),
            _ => Err(Failure::Unreachable(format!(
                "{} answers {status}, but not as DevFlow Pro does; check the address",
                self.origin
            ))),
        }
    }
}

/// Reads an answer as what it should be.
pub(crate) fn decode<T: DeserializeOwned>(body: Value) -> Result<T, Failure> {
    T::deserialize(body).map_err(|error| {
        Failure::Unreachable(format!(
            "the answer is not what this version of devflow expects ({error}); update devflow or the installation"
        ))
    })
}
