//! The edge's side: verifies every request, offers jobs, records what it is told.

mod enrolment;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use devflow_protocol::dsse::{self, Envelope};
use devflow_protocol::job::{Job, Ping, Work};
use devflow_protocol::request::{HEADER, RequestError, Seen, UnverifiedRequest};
use devflow_protocol::runner_api::{
    ACK, Accepted, AckRequest, COMPLETE, CompleteRequest, ENROL, EVENTS, EventsRequest, POLL, PollAnswer,
    PollRequest, Problem, code,
};
use devflow_protocol::{JobId, ProjectId, ServerId, UnixMillis, VERSION};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The token of 32 zeros.
pub(crate) const TOKEN: &str = "dfe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const AUDIENCE: &str = "edge-test";
/// How long a test waits for something before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What the runner told, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Poll(PollRequest),
    Ack(AckRequest),
    Events(EventsRequest),
    Complete(CompleteRequest),
}

/// What goes wrong on purpose.
#[expect(
    clippy::struct_excessive_bools,
    reason = "faults are on or off, each by itself"
)]
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Every request is answered by something that is no edge.
    pub(crate) away: bool,
    /// Go away as soon as an acknowledgement was answered.
    pub(crate) away_after_ack: bool,
    /// So many acknowledgements are recorded and then not answered properly.
    pub(crate) lost_acks: u32,
    /// So many event batches are recorded and then not answered properly.
    pub(crate) lost_events: u32,
    /// So many polls are answered with 200 MB.
    pub(crate) floods: u32,
    /// Polls are told that a newer session has polled.
    pub(crate) superseded: bool,
    /// Acknowledgements are told that the lease is lost.
    pub(crate) lease_lost: bool,
    /// How far this edge's clock is ahead.
    pub(crate) ahead_ms: i64,
    /// Enrolments are answered by somebody on the way, with this edge's key and whatever they hold.
    pub(crate) impostor: bool,
}

#[derive(Debug)]
struct Inner {
    key: SigningKey,
    server: ServerId,
    /// Keys of the enrolled runner: Ed25519, X25519.
    runner: Mutex<Option<(VerifyingKey, [u8; 32])>>,
    /// With the job where it is offered until its acknowledgement.
    offers: Mutex<VecDeque<(Envelope, Option<JobId>)>>,
    told: Mutex<Vec<Told>>,
    faults: Mutex<Faults>,
    skews: Mutex<u32>,
    missed: Mutex<u32>,
    /// Bodies of enrolments.
    enrolments: Mutex<Vec<Bytes>>,
    /// What every poll is told about keys.
    statements: Mutex<Vec<Envelope>>,
    /// What is handed out as the runner.
    program: Mutex<Vec<u8>>,
}

/// A running edge.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) address: String,
    inner: Arc<Inner>,
}

impl Edge {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let inner = Arc::new(Inner {
            key: SigningKey::from_bytes(&[9; 32]),
            server: ServerId::new(UnixMillis(1), [1; 10]),
            runner: Mutex::default(),
            offers: Mutex::default(),
            told: Mutex::default(),
            faults: Mutex::default(),
            skews: Mutex::default(),
            missed: Mutex::default(),
            enrolments: Mutex::default(),
            statements: Mutex::default(),
            program: Mutex::default(),
        });
        let routes = Router::new()
            .route(ENROL, post(enrolment::enrol))
            .route(POLL, post(signed))
            .route(ACK, post(signed))
            .route(EVENTS, post(signed))
            .route(COMPLETE, post(signed))
            .route("/runner/{version}/{target}", get(program))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, inner }
    }

    pub(crate) fn fingerprint(&self) -> String {
        dsse::fingerprint(&self.inner.key.verifying_key())
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.inner.key
    }

    pub(crate) fn server(&self) -> ServerId {
        self.inner.server.clone()
    }

    /// The enrolled runner's key for sealed values.
    pub(crate) fn sealing_key(&self) -> [u8; 32] {
        self.inner
            .runner
            .lock()
            .expect("sound")
            .expect("an enrolled runner")
            .1
    }

    /// A job for the enrolled server, valid for an hour.
    pub(crate) fn job(&self, number: u8, work: Work) -> Job {
        Job {
            version: VERSION,
            id: JobId::new(UnixMillis(1), [number; 10]),
            server: self.server(),
            project: Some(ProjectId::new(UnixMillis(1), [2; 10])),
            sequence: i64::from(number),
            attempt: 1,
            lease: format!("lease-{number}"),
            not_before: UnixMillis(0),
            expires_at: self.now().plus(3_600_000),
            segment: None,
            work,
        }
    }

    pub(crate) fn ping(&self, number: u8) -> Job {
        self.job(number, Work::Ping(Ping {}))
    }

    pub(crate) fn now(&self) -> UnixMillis {
        now(&self.inner)
    }

    /// Offers a job to every poll until it is acknowledged.
    pub(crate) fn offer(&self, job: &Job) {
        let envelope = job.sign(&self.inner.key).expect("signed");
        self.inner
            .offers
            .lock()
            .expect("sound")
            .push_back((envelope, Some(job.id.clone())));
    }

    /// Offers an envelope to one poll only.
    pub(crate) fn offer_once(&self, envelope: Envelope) {
        self.inner
            .offers
            .lock()
            .expect("sound")
            .push_back((envelope, None));
    }

    /// Tells every poll from now on these statements about keys.
    pub(crate) fn tell_keys(&self, statements: &[Envelope]) {
        *self.inner.statements.lock().expect("sound") = statements.to_vec();
    }

    /// Hands this out as the runner.
    pub(crate) fn publish(&self, program: &[u8]) {
        *self.inner.program.lock().expect("sound") = program.to_vec();
    }

    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.inner.faults.lock().expect("sound"));
    }

    pub(crate) fn skews(&self) -> u32 {
        *self.inner.skews.lock().expect("sound")
    }

    /// Requests that came while this edge was away.
    pub(crate) fn missed(&self) -> u32 {
        *self.inner.missed.lock().expect("sound")
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.inner.told.lock().expect("sound").clone()
    }

    pub(crate) fn acks(&self) -> Vec<AckRequest> {
        let pick = |told| {
            if let Told::Ack(ack) = told {
                Some(ack)
            } else {
                None
            }
        };
        self.told().into_iter().filter_map(pick).collect()
    }

    pub(crate) fn completions(&self) -> Vec<CompleteRequest> {
        let pick = |told| {
            if let Told::Complete(end) = told {
                Some(end)
            } else {
                None
            }
        };
        self.told().into_iter().filter_map(pick).collect()
    }

    pub(crate) fn polls(&self) -> Vec<PollRequest> {
        let pick = |told| {
            if let Told::Poll(poll) = told {
                Some(poll)
            } else {
                None
            }
        };
        self.told().into_iter().filter_map(pick).collect()
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}; told so far: {:#?}",
                self.told()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn program(State(inner): State<Arc<Inner>>) -> Vec<u8> {
    inner.program.lock().expect("sound").clone()
}

fn now(inner: &Inner) -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let ahead = inner.faults.lock().expect("sound").ahead_ms;
    UnixMillis(i64::try_from(since.as_millis()).expect("small")).plus(ahead)
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("JSON");
    (status, [("content-type", "application/json")], body).into_response()
}

fn problem(status: u16, code: &str, detail: String, now: Option<UnixMillis>) -> Response {
    let body = Problem {
        kind: format!("about:blank#{code}"),
        title: "refused".into(),
        status,
        code: code.into(),
        detail,
        now,
    };
    json(StatusCode::from_u16(status).expect("a status"), &body)
}

fn no_edge() -> Response {
    (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response()
}

/// JSON of 200 MB that never needs to be in memory as a whole.
fn flood() -> Response {
    let part = Bytes::from(vec![b' '; 1_000_000]);
    let parts = futures_util::stream::iter((0..200).map(move |_| Ok::<_, std::io::Error>(part.clone())));
    axum::body::Body::from_stream(parts).into_response()
}

async fn signed(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if inner.faults.lock().expect("sound").away {
        *inner.missed.lock().expect("sound") += 1;
        return no_edge();
    }
    let header = headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (key, _) = inner.runner.lock().expect("sound").expect("an enrolled runner");
    let seen = Seen {
        audience: AUDIENCE,
        route: uri.path(),
        body: &body,
        now: now(&inner),
    };
    match UnverifiedRequest::from_header(header).and_then(|request| request.verify(&key, seen)) {
        Ok(_) => {}
        Err(error @ RequestError::ClockSkew(_)) => {
            *inner.skews.lock().expect("sound") += 1;
            return problem(401, code::CLOCK_SKEW, error.to_string(), Some(now(&inner)));
        }
        Err(error) => return problem(401, "unauthenticated", error.to_string(), None),
    }
    if uri.path() == POLL && take_one(&mut inner.faults.lock().expect("sound").floods) {
        return flood();
    }
    match uri.path() {
        POLL => poll(&inner, &body).await,
        ACK => ack(&inner, &body),
        EVENTS => {
            let events: EventsRequest = serde_json::from_slice(&body).expect("events");
            inner.told.lock().expect("sound").push(Told::Events(events));
            if take_one(&mut inner.faults.lock().expect("sound").lost_events) {
                return no_edge();
            }
            accepted(&inner)
        }
        _ => {
            let end: CompleteRequest = serde_json::from_slice(&body).expect("a completion");
            inner.told.lock().expect("sound").push(Told::Complete(end));
            accepted(&inner)
        }
    }
}

fn accepted(inner: &Inner) -> Response {
    json(
        StatusCode::OK,
        &Accepted {
            now: now(inner),
            watched: false,
        },
    )
}

fn take_one(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

async fn poll(inner: &Inner, body: &[u8]) -> Response {
    let request: PollRequest = serde_json::from_slice(body).expect("a poll");
    inner.told.lock().expect("sound").push(Told::Poll(request));
    if inner.faults.lock().expect("sound").superseded {
        let detail = "a newer session has polled".into();
        return problem(409, code::SESSION_SUPERSEDED, detail, None);
    }
    // Held for a moment, as a real edge does for longer.
    let mut job = None;
    for _ in 0..20 {
        job = next_offer(inner);
        if job.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = PollAnswer {
        segment: None,
        tell_projects: false,
        keys: inner.statements.lock().expect("sound").clone(),
        now: now(inner),
        job,
        wait_ms: 0,
    };
    json(StatusCode::OK, &answer)
}

fn next_offer(inner: &Inner) -> Option<Envelope> {
    let mut offers = inner.offers.lock().expect("sound");
    match offers.front() {
        Some((_, None)) => offers.pop_front().map(|(envelope, _)| envelope),
        Some((envelope, Some(_))) => Some(envelope.clone()),
        None => None,
    }
}

fn ack(inner: &Inner, body: &[u8]) -> Response {
    let request: AckRequest = serde_json::from_slice(body).expect("an acknowledgement");
    let job = Some(request.job.clone());
    inner.told.lock().expect("sound").push(Told::Ack(request));
    let mut faults = inner.faults.lock().expect("sound");
    if take_one(&mut faults.lost_acks) {
        return no_edge();
    }
    inner.offers.lock().expect("sound").retain(|offer| offer.1 != job);
    if faults.lease_lost {
        return problem(409, code::LEASE_LOST, "the lease is over".into(), None);
    }
    faults.away = faults.away_after_ack;
    drop(faults);
    accepted(inner)
}
