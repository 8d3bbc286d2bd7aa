//! Bodies of webhooks, of every provider.

#![no_main]

#[path = "../../domain/tests/checks/webhook.rs"]
mod webhook;

use devflow_domain::webhook::Provider;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for provider in Provider::ALL {
        webhook::read_or_refused(provider, body);
    }
});
