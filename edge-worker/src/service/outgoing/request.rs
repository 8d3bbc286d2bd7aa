//! One HTTP request to an endpoint: what it is made of, and how it is sent. It follows no redirect, ends after
//! [`TIMEOUT`], and of the answer no more than [`READ_BYTES`] are read.

use crate::service::endpoints::Sealed;
use crate::store::outbox::{TakenRow, ToldRow};
use devflow_domain::outgoing::address::{Address, is_local};
use devflow_domain::outgoing::message::{self, Deployment, Project};
use devflow_domain::outgoing::{Event, Kind, notice, signature};
use devflow_protocol::UnixMillis;
use devflow_protocol::text::GitSha;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use wasm_bindgen::JsValue;
use worker::{
    AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response,
};

/// How long an endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes.
const READ_BYTES: usize = 2_048;
const USER_AGENT: &str = concat!("DevFlow-Pro/", env!("CARGO_PKG_VERSION"));

/// A request to send.
#[derive(Debug)]
pub(super) struct Outgoing {
    address: Result<Address, String>,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// What was answered.
pub(super) struct Answered {
    pub(super) status: u16,
    /// In seconds.
    pub(super) retry_after_s: Option<i64>,
    /// The beginning of the body, where the message was not taken.
    pub(super) said: Option<String>,
}

/// Makes the request of a message; None where what it tells of is gone.
pub(super) fn build(row: &TakenRow, sealed: &Sealed, origin: &str, now: UnixMillis) -> Option<Outgoing> {
    let body = match (row.kind, row.event, &row.told) {
        (Kind::Webhook, Event::Test, _) => message::test(row.at, row.endpoint.as_str()),
        (Kind::Slack, Event::Test, _) => notice::test(),
        (Kind::Webhook, event, Some(told)) => message::deployment(event, row.at, &deployment(told), origin),
        (Kind::Slack, event, Some(told)) => notice::deployment(event, &deployment(told), origin),
        (_, _, None) => return None,
    };
    let seconds = now.0.div_euclid(1_000);
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
    ];
    match row.kind {
        Kind::Webhook => headers.extend([
            ("webhook-id", row.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            (
                "webhook-signature",
                signature::header(&sealed.secrets(now), &row.id, seconds, &body),
            ),
        ]),
        Kind::Slack => {}
    }
    Some(Outgoing {
        address: Address::parse(&sealed.address, is_local(origin)).map_err(|refused| refused.to_string()),
        headers,
        body,
    })
}

fn deployment(told: &ToldRow) -> Deployment<'_> {
    Deployment {
        id: told.deployment.as_str(),
        kind: &told.deployment_kind,
        trigger: &told.trigger_kind,
        ref_name: told.ref_name.as_str(),
        commit: told.commit_sha.as_ref().map(GitSha::as_str),
        subject: told.subject.as_deref(),
        author: told.author.as_deref(),
        reason: told.reason.as_deref(),
        queued_at: told.queued_at,
        started_at: told.started_at,
        finished_at: told.finished_at,
        project: Project {
            id: told.project.as_str(),
            slug: &told.slug,
            name: &told.project_name,
        },
        server: (&told.server, told.server_name.as_deref()),
        serving: told.live_deployment.is_some(),
    }
}

/// Sends a request; an error is why there was no answer.
pub(super) async fn send(request: &Outgoing) -> Result<Answered, String> {
    let address = request.address.as_ref().map_err(Clone::clone)?;
    let prepared = prepare(request, address).map_err(|error| format!("It could not be sent: {error}"))?;
    let abort = AbortController::default();
    let signal = abort.signal();
    let fetch = Fetch::Request(prepared);
    let answered = async {
        let response = fetch
            .send_with_signal(&signal)
            .await
            .map_err(|error| format!("No answer: {error}"))?;
        Ok(read(response).await)
    };
    let ended = match select(pin!(answered), pin!(Delay::from(TIMEOUT))).await {
        Either::Left((answered, _)) => answered,
        Either::Right(_) => Err(format!("No answer within {} s.", TIMEOUT.as_secs())),
    };
    // What is left of the answer is not waited for; a connection that stays open counts against the next ones.
    abort.abort();
    ended
}

fn prepare(request: &Outgoing, address: &Address) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual)
        .with_body(Some(JsValue::from_str(&request.body)));
    Request::new_with_init(address.as_str(), &init)
}

async fn read(mut response: Response) -> Answered {
    let status = response.status_code();
    let header = |name| response.headers().get(name).ok().flatten();
    let retry_after_s = header("retry-after").and_then(|text| text.trim().parse().ok());
    let said = match status {
        200..=299 => None,
        300..=399 => {
            Some("It answers with a redirect, which is not followed; give its final address.".to_owned())
        }
        _ => beginning(&mut response).await,
    };
    Answered {
        status,
        retry_after_s,
        said,
    }
}

/// The first characters of a body as one line of text.
async fn beginning(response: &mut Response) -> Option<String> {
    let mut stream = response.stream().ok()?;
    let mut bytes = Vec::new();
    while let Some(Ok(chunk)) = stream.next().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= READ_BYTES {
            bytes.truncate(READ_BYTES);
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .collect();
    let line = words
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    (!line.is_empty()).then_some(line)
}
