//! Randomness of the system.

use crate::clock;
use devflow_protocol::RunnerSessionId;

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel has a random source");
    bytes
}

/// Names a run of this process.
pub(crate) fn session() -> RunnerSessionId {
    RunnerSessionId::new(clock::local(), bytes())
}

/// A number from 0 to `most`, both included. The bias of the remainder does not matter for waiting times.
pub(crate) fn up_to(most: u64) -> u64 {
    u64::from_le_bytes(bytes()) % most.saturating_add(1)
}
