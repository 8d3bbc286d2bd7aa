//! Bodies and signatures that runners send to the edge.

#![no_main]

#[path = "../../protocol/tests/checks/bodies.rs"]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bodies::read_or_refused(bytes));
