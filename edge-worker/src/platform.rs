//! The platform's clock, entropy and log, each behind one function, so that everything else stays pure.

use devflow_protocol::UnixMillis;
use js_sys::futures::future_to_promise;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

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
