//! Waiting between attempts: exponential with full jitter, so that a fleet does not come back as one.

use crate::entropy;
use std::time::Duration;

const FIRST_MS: u64 = 500;
const MOST_MS: u64 = 60_000;

/// How long to wait after failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and gives how long to wait.
    pub(crate) fn next(&mut self) -> Duration {
        let ceiling = ceiling_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        // Not below a tenth: a draw near zero would make two attempts out of one.
        Duration::from_millis(entropy::up_to(ceiling).max(ceiling / 10))
    }

    /// How many failures there were in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Starts again after a success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

fn ceiling_ms(failures: u32) -> u64 {
    FIRST_MS
        .checked_shl(failures.min(16))
        .map_or(MOST_MS, |ms| ms.min(MOST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceiling_doubles_up_to_a_minute() {
        let ceilings: Vec<u64> = (0..9).map(ceiling_ms).collect();
        assert_eq!(
            ceilings,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(ceiling_ms(u32::MAX), 60_000);
    }

    #[test]
    fn next_stays_within_its_bounds_and_starts_again_after_reset() {
        let mut backoff = Backoff::default();
        for failures in 0..50 {
            let wait = u64::try_from(backoff.next().as_millis()).expect("small");
            assert!(wait <= ceiling_ms(failures) && wait >= ceiling_ms(failures) / 10);
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(FIRST_MS));
    }
}
