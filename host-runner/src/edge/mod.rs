//! The way to the edge: signed requests over one kept connection, answers read up to their cap.

mod backoff;
mod error;
mod program;

pub(crate) use backoff::Backoff;
pub(crate) use error::EdgeError;

use crate::clock::Clock;
use crate::config::Config;
use crate::entropy;
use crate::identity::Identity;
use devflow_protocol::enrol::EnrolRequest;
use devflow_protocol::request::{HEADER, RequestClaims, body_sha256};
use devflow_protocol::runner_api::{
    ACK, Accepted, AckRequest, COMPLETE, CompleteRequest, ENROL, EVENTS, EnrolAnswer, EventsRequest, HEADS,
    HeadFound, POLL, PollAnswer, PollRequest, Problem, code,
};
use devflow_protocol::{RunnerSessionId, UnixMillis, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

const FRESH: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(30);
/// The longest that the edge holds a poll (50 s) and 20 s for the way.
const HELD: Duration = Duration::from_secs(70);

/// Answers that carry the edge's time.
trait Timed {
    fn now(&self) -> UnixMillis;
}

macro_rules! timed {
    ($($answer:ty),*) => {$(
        impl Timed for $answer {
            fn now(&self) -> UnixMillis {
                self.now
            }
        }
    )*};
}

timed!(PollAnswer, Accepted);

/// The edge, as an enrolled runner speaks to it.
#[derive(Debug)]
pub(crate) struct EdgeClient {
    http: reqwest::Client,
    base: String,
    identity: Identity,
    session: RunnerSessionId,
    clock: Clock,
}

impl EdgeClient {
    /// A client for one run of the runner.
    pub(crate) fn new(
        config: &Config,
        identity: Identity,
        session: RunnerSessionId,
        clock: Clock,
    ) -> Result<Self, EdgeError> {
        let base = config.edge.clone().unwrap_or_else(|| identity.edge_url.clone());
        Ok(Self {
            http: http(&base, config.ca_file.as_deref())?,
            base,
            identity,
            session,
            clock,
        })
    }

    /// The edge's address.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// Asks for a job; held by the edge.
    pub(crate) async fn poll(&self, request: &PollRequest) -> Result<PollAnswer, EdgeError> {
        self.post(POLL, request, HELD).await
    }

    /// Tells that a job is in the journal.
    pub(crate) async fn ack(&self, request: &AckRequest) -> Result<Accepted, EdgeError> {
        self.post(ACK, request, SHORT).await
    }

    /// Sends a batch of events.
    pub(crate) async fn events(&self, request: &EventsRequest) -> Result<Accepted, EdgeError> {
        self.post(EVENTS, request, SHORT).await
    }

    /// Tells of a push that was found in a repository.
    pub(crate) async fn head_found(&self, request: &HeadFound) -> Result<Accepted, EdgeError> {
        self.post(HEADS, request, SHORT).await
    }

    /// Tells how a job ended.
    pub(crate) async fn complete(&self, request: &CompleteRequest) -> Result<Accepted, EdgeError> {
        self.post(COMPLETE, request, SHORT).await
    }

    async fn post<A: DeserializeOwned + Timed>(
        &self,
        route: &'static str,
        request: &impl Serialize,
        timeout: Duration,
    ) -> Result<A, EdgeError> {
        let body = serde_json::to_vec(request).map_err(EdgeError::Shape)?;
        let asked = Instant::now();
        let mut answer = self.send(route, &body, timeout).await?;
        if let Some(edge_now) = skew(&answer) {
            self.clock.learn(edge_now);
            tracing::warn!(
                clock.offset_ms = self.clock.offset_ms(),
                "this machine's clock is off; the edge's time is used, set up time synchronisation"
            );
            answer = self.send(route, &body, timeout).await?;
        }
        if !(200..300).contains(&answer.status) {
            return Err(EdgeError::of_answer(answer.status, &answer.body));
        }
        let parsed: A = serde_json::from_slice(&answer.body).map_err(EdgeError::Shape)?;
        // The time in an answer that was held or was long on its way is too old to learn from.
        if asked.elapsed() < FRESH {
            self.clock.learn(parsed.now());
        }
        Ok(parsed)
    }

    async fn send(&self, route: &'static str, body: &[u8], timeout: Duration) -> Result<Answer, EdgeError> {
        let claims = RequestClaims {
            audience: self.identity.pins.edge.clone(),
            server: self.identity.server.clone(),
            session: self.session.clone(),
            method: "POST".to_owned(),
            route: route.to_owned(),
            request_id: request_id(),
            created: self.clock.now(),
            body_sha256: body_sha256(body),
        };
        let header = claims
            .to_header(&self.identity.keys.signing)
            .map_err(EdgeError::Shape)?;
        let request = self
            .http
            .post(format!("{}{route}", self.base))
            .header(HEADER, header)
            .timeout(timeout);
        answer(request, body.to_vec()).await
    }
}

/// Presents the runner's keys, signed with a one-time token.
pub(crate) async fn enrol(
    base: &str,
    ca_file: Option<&Path>,
    request: &EnrolRequest,
) -> Result<EnrolAnswer, EdgeError> {
    let body = serde_json::to_vec(request).map_err(EdgeError::Shape)?;
    let request = http(base, ca_file)?.post(format!("{base}{ENROL}")).timeout(SHORT);
    let answer = answer(request, body).await?;
    if !(200..300).contains(&answer.status) {
        return Err(EdgeError::of_answer(answer.status, &answer.body));
    }
    serde_json::from_slice(&answer.body).map_err(EdgeError::Shape)
}

/// Whether anything answers at the edge's address, and its `Date`. Unsigned: a signed poll would push out the
/// runner that runs.
pub(crate) async fn probe(base: &str, ca_file: Option<&Path>) -> Result<Option<UnixMillis>, EdgeError> {
    let response = http(base, ca_file)?
        .get(format!("{base}/"))
        .timeout(CONNECT)
        .send()
        .await
        .map_err(|error| unreachable(&error))?;
    let date = response
        .headers()
        .get(reqwest::header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| httpdate::parse_http_date(text).ok())
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    Ok(date.map(UnixMillis))
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// The edge's time, when it refused because of this machine's clock.
fn skew(answer: &Answer) -> Option<UnixMillis> {
    if answer.status != 401 {
        return None;
    }
    let problem: Problem = serde_json::from_slice(&answer.body).ok()?;
    problem.now.filter(|_| problem.code == code::CLOCK_SKEW)
}

async fn answer(request: reqwest::RequestBuilder, body: Vec<u8>) -> Result<Answer, EdgeError> {
    let mut response = request
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .map_err(|error| unreachable(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > limits::ANSWER_BYTES {
            return Err(EdgeError::TooLarge(limits::ANSWER_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// The innermost cause: it says `connection refused` where the outer ones say that a request failed.
fn unreachable(error: &reqwest::Error) -> EdgeError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if error.is_timeout() {
        EdgeError::Unreachable("no answer in time".to_owned())
    } else if is_about_certificate(cause) {
        EdgeError::Certificate(cause.to_string())
    } else {
        EdgeError::Unreachable(cause.to_string())
    }
}

/// An I/O error does not name what it wraps as its source, and may wrap another one.
fn is_about_certificate(cause: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    cause
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| is_about_certificate(inner))
}

fn request_id() -> String {
    use std::fmt::Write as _;
    entropy::bytes::<8>()
        .iter()
        .fold(String::with_capacity(16), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn http(base: &str, ca_file: Option<&Path>) -> Result<reqwest::Client, EdgeError> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that one is set already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("devflow-runner/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_max_idle_per_host(2);
    if let Some(path) = ca_file {
        let setup = |reason: String| EdgeError::Setup(format!("{}: {reason}", path.display()));
        let pem = std::fs::read(path).map_err(|error| setup(error.to_string()))?;
        let certificates =
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| setup(error.to_string()))?;
        if certificates.is_empty() {
            return Err(setup("there is no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    } else if base.starts_with("http://") {
        // Nothing here is encrypted, so the system's roots need not be read and kept in memory.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| EdgeError::Setup(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn refused_certificate_is_found_inside_an_io_error() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_about_certificate(&tls));
        assert!(is_about_certificate(&io::Error::other(io::Error::other(tls))));
        assert!(!is_about_certificate(&rustls::Error::DecryptError));
        assert!(!is_about_certificate(&io::Error::from(
            io::ErrorKind::ConnectionRefused
        )));
    }
}
