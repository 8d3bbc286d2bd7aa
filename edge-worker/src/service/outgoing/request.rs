//! One HTTP request to an endpoint: what it is made of, and how it is sent. It follows no redirect, ends after
//! [`TIMEOUT`], and of the answer no more than [`READ_BYTES`] are read.

use crate::platform::{self, USER_AGENT};
use crate::service::endpoints::Sealed;
use crate::store::outbox::{TakenRow, ToldRow};
use crate::store::projects::read_settings;
use devflow_domain::deployment::is_final;
use devflow_domain::outgoing::address::{Address, is_local};
use devflow_domain::outgoing::message::{self, Deployment, Project, Serving};
use devflow_domain::outgoing::{Event, Kind, notice, one_line, signature, status};
use devflow_domain::repository::place;
use devflow_domain::webhook::Provider;
use devflow_protocol::UnixMillis;
use devflow_protocol::text::GitSha;
use futures_util::StreamExt as _;
use std::time::Duration;
use wasm_bindgen::JsValue;
use worker::{Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response};

/// How long an endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is read, in bytes.
const READ_BYTES: usize = 2_048;

/// A request to send.
pub(super) struct Outgoing {
    address: Result<Address, String>,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Whose API it is, of a commit's status.
    provider: Option<Provider>,
}

/// What was answered.
pub(super) struct Answered {
    pub(super) status: u16,
    /// In seconds.
    pub(super) retry_after_s: Option<i64>,
    /// The beginning of the body, where the message was not taken.
    pub(super) said: Option<String>,
}

/// Makes the request of a message. An error says why there is nothing to tell any more.
pub(super) fn build(
    row: &TakenRow,
    sealed: &Sealed,
    origin: &str,
    now: UnixMillis,
) -> Result<Outgoing, &'static str> {
    if row.kind == Kind::Status {
        return commit_status(row, sealed, origin);
    }
    let body = match (row.kind, row.event, &row.told) {
        (Kind::Webhook, Event::Test, _) => message::test(row.at, row.endpoint.as_str()),
        (Kind::Slack, Event::Test, _) => notice::test(),
        (Kind::Webhook, event, Some(told)) => message::deployment(event, row.at, &deployment(told), origin),
        (Kind::Slack, event, Some(told)) => notice::deployment(event, &deployment(told), origin),
        (_, _, None) => return Err(GONE),
        (Kind::Status, ..) => return Err("A commit's status is told with the next deployment."),
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
        Kind::Slack | Kind::Status => {}
    }
    Ok(Outgoing {
        address: Address::parse(&sealed.address, is_local(origin)).map_err(|refused| refused.to_string()),
        headers,
        body,
        provider: None,
    })
}

const GONE: &str = "The deployment is no longer there.";

/// The request that sets a commit's status.
fn commit_status(row: &TakenRow, sealed: &Sealed, origin: &str) -> Result<Outgoing, &'static str> {
    let told = row.told.as_ref().ok_or(GONE)?;
    if row.event == Event::Queued && is_final(told.deployment_state) {
        return Err("The deployment was over before this was told.");
    }
    let nowhere = "The project's repository has no place at a Git provider.";
    let settings = read_settings(&told.settings).map_err(|_| nowhere)?;
    let (_, repository) = place(settings.repository.as_str()).ok_or(nowhere)?;
    let (provider, token) = sealed.provider.zip(sealed.token.as_deref()).ok_or(nowhere)?;
    let place = status::Place {
        provider,
        root: sealed.address.trim_end_matches('/'),
        repository: &repository,
        token,
    };
    let request = status::request(row.event, &deployment(told), place, origin)
        .ok_or("The commit was not known yet.")?;
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
    ];
    headers.extend(request.headers);
    Ok(Outgoing {
        address: Address::parse(&request.url, is_local(origin)).map_err(|refused| refused.to_string()),
        headers,
        body: request.body,
        provider: Some(provider),
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
        serving: match &told.live_deployment {
            Some(live) if *live == told.deployment => Serving::This,
            Some(_) => Serving::Before,
            None => Serving::Nothing,
        },
    }
}

/// Sends a request; an error is why there was no answer.
pub(super) async fn send(request: &Outgoing) -> Result<Answered, String> {
    let address = request.address.as_ref().map_err(Clone::clone)?;
    let prepared = prepare(request, address).map_err(|error| format!("It could not be sent: {error}"))?;
    // What is left of the answer is not waited for; a connection that stays open counts against the next ones.
    let answered = platform::within(TIMEOUT, async |signal| {
        let response = Fetch::Request(prepared)
            .send_with_signal(signal)
            .await
            .map_err(|error| format!("No answer: {error}"))?;
        let mut answered = read(response).await;
        let said = answered.said.as_deref().unwrap_or_default();
        if request
            .provider
            .is_some_and(|provider| status::is_set_already(provider, answered.status, said))
        {
            answered.status = 200;
        }
        Ok(answered)
    })
    .await;
    answered.unwrap_or_else(|| Err(format!("No answer within {} s.", TIMEOUT.as_secs())))
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
    let line = one_line(&String::from_utf8_lossy(&bytes));
    (!line.is_empty()).then_some(line)
}
