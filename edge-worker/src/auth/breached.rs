//! Asks the service of the setting `BREACHED_PASSWORDS` whether a password is known from data breaches. What of it leaves,
//! and how answers are read, is in [`devflow_domain::breached`].

use crate::platform::{self, USER_AGENT};
use devflow_domain::breached::Digits;
use futures_util::StreamExt as _;
use std::time::Duration;
use worker::{AbortSignal, Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

/// How long the service may take: somebody waits for it.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much of an answer is read, in bytes; the usual ones have below 100,000.
const READ_BYTES: usize = 1 << 20;

/// Whether `password` is known; an error is why that was not found out.
pub(super) async fn is_known(root: &str, password: &str) -> Result<bool, String> {
    let digits = Digits::of(password);
    let answered = platform::within(TIMEOUT, async |signal| ask(digits.address(root), signal).await).await;
    let answer = answered.unwrap_or_else(|| Err(format!("no answer within {} s", TIMEOUT.as_secs())))?;
    digits.are_in(&answer).map_err(|error| error.to_string())
}

async fn ask(address: String, signal: &AbortSignal) -> Result<String, String> {
    let request = prepare(&address).map_err(|error| format!("it could not be asked: {error}"))?;
    let answered = Fetch::Request(request).send_with_signal(signal).await;
    let mut response = answered.map_err(|error| format!("no answer: {error}"))?;
    if response.status_code() != 200 {
        return Err(format!("it answered {}", response.status_code()));
    }
    let broken = |error: worker::Error| format!("the answer broke off: {error}");
    let mut stream = response.stream().map_err(broken)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(broken)?);
        if bytes.len() > READ_BYTES {
            return Err(format!("the answer is longer than {READ_BYTES} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|_| "the answer is no text".to_owned())
}

fn prepare(address: &str) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set("user-agent", USER_AGENT)?;
    // Else the length of the answer would tell who listens what was asked for.
    headers.set("add-padding", "true")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Get)
        .with_headers(headers)
        .with_redirect(RequestRedirect::Manual);
    Request::new_with_init(address, &init)
}
