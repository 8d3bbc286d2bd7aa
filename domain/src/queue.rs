//! The job queue's rules: how long a lease holds, when a runner counts as missing, what its journal's word means.
//! The rules that have to be atomic live in the SQL of the edge's store and are tested there.

use devflow_protocol::JobId;
use devflow_protocol::UnixMillis;
use devflow_protocol::runner_api::OpenJob;

/// An unacknowledged lease goes back to the queue after this time, in milliseconds.
pub const LEASE_MS: i64 = 30_000;
/// A job that was not started this long after its lease is not started any more, in milliseconds.
pub const JOB_LIFE_MS: i64 = 5 * 60_000;
/// A runner that has not polled for this long is missing, in milliseconds.
pub const MISSING_AFTER_MS: i64 = 90_000;
/// How long a poll is held, in milliseconds.
pub const POLL_HOLD_MS: u32 = 50_000;

/// The state of a job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits.
    Queued,
    /// Handed out, not acknowledged.
    Leased,
    /// In the runner's journal.
    Running,
    /// In the journal of a runner that is silent.
    OutOfContact,
    /// Ended.
    Done,
    /// Given up by a person.
    Abandoned,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Leased,
        Self::Running,
        Self::OutOfContact,
        Self::Done,
        Self::Abandoned,
    ];

    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Running => "running",
            Self::OutOfContact => "out_of_contact",
            Self::Done => "done",
            Self::Abandoned => "abandoned",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// The next sequence number of a server: past what the edge stored, past what the runner has seen and not behind
/// the clock, so that an edge restored from a backup does not fall behind its fleet.
pub fn next_sequence(stored: i64, last_seen_by_runner: i64, now: UnixMillis) -> i64 {
    stored.max(last_seen_by_runner).max(now.0).saturating_add(1)
}

/// How long a runner waits before it polls again where the edge cannot hold the poll: 5 to 30 s. `random` is any
/// number; it spreads the fleet.
pub fn unheld_wait_ms(random: u32) -> u32 {
    5_000 + random % 25_000
}

/// A job that the edge holds for acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldJob {
    /// The job.
    pub job: JobId,
    /// Its attempt.
    pub attempt: u32,
}

/// Which of the jobs that the edge holds for acknowledged the runner does not have: its journal was lost, they may
/// be tried again. `held` must have been acknowledged before the poll was sent.
pub fn unknown_to_journal(held: Vec<HeldJob>, journal: &[OpenJob]) -> Vec<HeldJob> {
    held.into_iter()
        .filter(|job| {
            !journal
                .iter()
                .any(|open| open.job == job.job && open.attempt == job.attempt)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_sequence_is_past_everything_known() {
        assert_eq!(next_sequence(5, 3, UnixMillis(4)), 6);
        assert_eq!(next_sequence(5, 9, UnixMillis(4)), 10);
        assert_eq!(next_sequence(5, 9, UnixMillis(1_000)), 1_001);
    }

    #[test]
    fn unheld_wait_is_between_5_and_30_seconds() {
        for random in [0, 1, 24_999, 25_000, u32::MAX] {
            assert!((5_000..30_000).contains(&unheld_wait_ms(random)));
        }
    }

    #[test]
    fn unknown_to_journal_compares_job_and_attempt() {
        let job = |n: u8| JobId::new(UnixMillis(1), [n; 10]);
        let held = vec![
            HeldJob {
                job: job(1),
                attempt: 1,
            },
            HeldJob {
                job: job(2),
                attempt: 2,
            },
        ];
        let journal = [
            OpenJob {
                job: job(1),
                attempt: 1,
            },
            OpenJob {
                job: job(2),
                attempt: 1,
            },
        ];
        assert_eq!(
            unknown_to_journal(held, &journal),
            vec![HeldJob {
                job: job(2),
                attempt: 2
            }]
        );
    }
}
