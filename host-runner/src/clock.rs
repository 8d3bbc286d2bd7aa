//! The edge's time as this machine knows it: its own clock plus the offset that the edge's answers show.

use devflow_protocol::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that all parts of the process share. Cloning shares the offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Now, by the edge's clock.
    pub(crate) fn now(&self) -> UnixMillis {
        local().plus(self.offset_ms())
    }

    /// How far the edge's clock is ahead of this machine's, in milliseconds.
    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Takes over what the edge said its time is.
    pub(crate) fn learn(&self, edge_now: UnixMillis) {
        self.offset_ms.store(edge_now.since(local()), Ordering::Relaxed);
    }
}

/// Now, by this machine's clock.
pub(crate) fn local() -> UnixMillis {
    // A clock before 1970 counts as 1970: the edge then answers `clock_skew` and the offset is learnt.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learn_moves_every_copy_of_the_clock() {
        let clock = Clock::default();
        let copy = clock.clone();
        clock.learn(local().plus(-3_600_000));
        assert!(
            (copy.offset_ms() + 3_600_000).abs() < 1000,
            "{}",
            copy.offset_ms()
        );
        assert!((copy.now().since(local()) + 3_600_000).abs() < 1000);
    }
}
