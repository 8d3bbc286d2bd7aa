//! When a message that was not taken is tried again, and when nobody tries any more. The times are those that Standard
//! Webhooks recommends. A notice that comes a day late helps nobody, so that is tried for some hours only.

use super::Kind;

/// Waits after each attempt that failed, in seconds; after the last of them one more attempt is made.
const WAITS_S: [i64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3_600,
    5 * 3_600,
    10 * 3_600,
    14 * 3_600,
    20 * 3_600,
    24 * 3_600,
];
/// How many of them are made for a notice.
const NOTICE_WAITS: usize = 4;
/// The longest that a receiver may ask to be left alone, in seconds.
const LONGEST_S: i64 = 24 * 3_600;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status, with the seconds of `retry-after` where there is one.
    Status(u16, Option<i64>),
    /// None in time, or no connection.
    None,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It arrived.
    Delivered,
    /// It is tried again after so many milliseconds.
    Again(i64),
    /// It is given up.
    GiveUp,
    /// The receiver wants nothing any more (410): it is told nothing until a person says so.
    Gone,
}

/// Decides after the `attempts`th attempt, from 1. `random` is any number; it spreads what failed together by up to a
/// fifth.
pub fn next(kind: Kind, attempts: u32, answer: Answer, random: u32) -> Next {
    let waits = match kind {
        Kind::Webhook => WAITS_S.as_slice(),
        Kind::Slack | Kind::Status => &WAITS_S[..NOTICE_WAITS],
    };
    let asked = match answer {
        Answer::Status(200..=299, _) => return Next::Delivered,
        Answer::Status(410, _) => return Next::Gone,
        // A service that says that the request is wrong says so the next time too; a program is mended meanwhile.
        Answer::Status(400..=499, _) if kind != Kind::Webhook && !is_passing(answer) => return Next::GiveUp,
        Answer::Status(_, retry_after) => retry_after.unwrap_or(0).clamp(0, LONGEST_S),
        Answer::None => 0,
    };
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(wait) = waits.get(place) else {
        return Next::GiveUp;
    };
    let wait_ms = 1_000 * asked.max(*wait);
    let jitter = wait_ms / 5 * i64::from(random % 1_000) / 1_000;
    Next::Again(wait_ms + jitter)
}

/// Refusals that are about the moment and not about the request.
fn is_passing(answer: Answer) -> bool {
    matches!(answer, Answer::Status(408 | 425 | 429, _))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(attempts: u32, answer: Answer, random: u32) -> Next {
        super::next(Kind::Webhook, attempts, answer, random)
    }

    #[test]
    fn notice_is_tried_for_hours_and_not_where_it_is_refused() {
        let of_slack = |attempts, status| super::next(Kind::Slack, attempts, Answer::Status(status, None), 0);
        let waits: Vec<Next> = (1..=5).map(|attempt| of_slack(attempt, 503)).collect();
        let mut expected: Vec<Next> = [5, 300, 1_800, 7_200].map(|s| Next::Again(s * 1_000)).into();
        expected.push(Next::GiveUp);
        assert_eq!(waits, expected);
        for status in [400, 403, 404] {
            assert_eq!(of_slack(1, status), Next::GiveUp, "{status}");
        }
        assert_eq!(of_slack(1, 429), Next::Again(5_000));
        assert_eq!(of_slack(1, 410), Next::Gone);
    }

    #[test]
    fn waits_grow_and_end() {
        let failed = Answer::Status(500, None);
        let waits: Vec<Next> = (1..=10).map(|attempt| next(attempt, failed, 0)).collect();
        let mut expected: Vec<Next> = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
            .map(|seconds| Next::Again(seconds * 1_000))
            .into();
        expected.push(Next::GiveUp);
        assert_eq!(waits, expected);
        assert_eq!(next(11, failed, 0), Next::GiveUp);
    }

    #[test]
    fn jitter_adds_less_than_a_fifth() {
        assert_eq!(next(2, Answer::None, 999), Next::Again(300_000 + 59_940));
        assert_eq!(next(2, Answer::None, u32::MAX), Next::Again(300_000 + 60 * 295));
    }

    #[test]
    fn only_success_is_delivered_and_410_ends_it() {
        for status in [200, 202, 204] {
            assert_eq!(next(1, Answer::Status(status, None), 0), Next::Delivered);
        }
        for status in [100, 301, 302, 307, 400, 404, 429, 500] {
            assert_eq!(
                next(1, Answer::Status(status, None), 0),
                Next::Again(5_000),
                "{status}"
            );
        }
        assert_eq!(next(1, Answer::Status(410, None), 0), Next::Gone);
    }

    #[test]
    fn receiver_that_asks_for_time_gets_it_within_bounds() {
        let busy = |seconds| next(1, Answer::Status(429, Some(seconds)), 0);
        assert_eq!(busy(120), Next::Again(120_000));
        assert_eq!(busy(1), Next::Again(5_000));
        assert_eq!(busy(-5), Next::Again(5_000));
        assert_eq!(busy(i64::MAX), Next::Again(86_400_000));
    }
}
