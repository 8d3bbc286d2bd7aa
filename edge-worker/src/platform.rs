//! The platform's clock, entropy and log, each behind one function, so that everything else stays pure.

use axum::response::Response;
use devflow_protocol::UnixMillis;
use futures_util::future::{Either, select};
use js_sys::futures::future_to_promise;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::send::SendWrapper;
use worker::web_sys::ReadableStream;
use worker::{AbortController, AbortSignal, Delay, ResponseBody, ResponseBuilder};

/// How the edge names itself to those that it asks or tells.
pub(crate) const USER_AGENT: &str = concat!("DevFlow-Pro/", env!("CARGO_PKG_VERSION"));

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    /// Keeps the request alive that runs at the moment, until the promise is settled.
    #[wasm_bindgen(js_name = waitUntil)]
    fn wait_until(promise: &js_sys::Promise);
}

/// Goes on with `work` after the answer to the request that runs at the moment was sent.
pub(crate) fn after_answer(work: impl Future<Output = ()> + 'static) {
    wait_until(&future_to_promise(AssertUnwindSafe(async {
        work.await;
        Ok(JsValue::UNDEFINED)
    })));
}

/// Asks somebody else, with a signal that ends the request and what is left of its answer afterwards; None where that was not
/// over within `limit`.
pub(crate) async fn within<T>(limit: Duration, asked: impl AsyncFnOnce(&AbortSignal) -> T) -> Option<T> {
    let abort = AbortController::default();
    let signal = abort.signal();
    let ended = match select(pin!(asked(&signal)), pin!(Delay::from(limit))).await {
        Either::Left((ended, _)) => Some(ended),
        Either::Right(_) => None,
    };
    abort.abort();
    ended
}

/// A body that goes from the platform to the caller without coming through here: reading some megabytes would cost more time
/// than a request has. It is an extension of an answer whose own body is empty.
#[derive(Clone)]
pub(crate) struct Passed(Arc<SendWrapper<ReadableStream>>);

impl Passed {
    pub(crate) fn new(stream: ReadableStream) -> Self {
        Self(Arc::new(SendWrapper(stream)))
    }
}

/// An answer as the platform takes it.
pub(crate) fn answer(mut answer: Response) -> worker::Result<worker::web_sys::Response> {
    let Some(passed) = answer.extensions_mut().remove::<Passed>() else {
        return worker::response_to_wasm(answer);
    };
    let head = ResponseBuilder::new()
        .with_status(answer.status().as_u16())
        .with_headers(answer.headers().into());
    Ok(head.body(ResponseBody::Stream(passed.0.0.clone())).into())
}

/// The time now.
pub(crate) fn now() -> UnixMillis {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds since 1970 are whole numbers far below 2^53"
    )]
    UnixMillis(js_sys::Date::now() as i64)
}

/// `N` fresh random bytes.
pub(crate) fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the runtime always has entropy");
    bytes
}

/// A new id of any kind: `new_id(ProjectId::new)`.
pub(crate) fn new_id<T>(make: fn(UnixMillis, [u8; 10]) -> T) -> T {
    make(now(), entropy())
}

/// Logs what an operator has to know.
pub(crate) fn log_error(message: &str) {
    worker::console_error!("{message}");
}

/// Logs what an operator may want to know.
pub(crate) fn log_info(message: &str) {
    worker::console_log!("{message}");
}
