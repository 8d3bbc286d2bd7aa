//! How long an API key lasts, and how long the one before still works when it is rotated.

use devflow_protocol::UnixMillis;

/// Days that a key lasts where nothing else is asked for.
pub const DEFAULT_DAYS: u16 = 90;
/// Most days: a leap year.
pub const MAX_DAYS: u16 = 366;
/// Hours that the key before still works after it was rotated, where nothing else is asked for.
pub const DEFAULT_OVERLAP_HOURS: u16 = 24;
/// Most hours: a week.
pub const MAX_OVERLAP_HOURS: u16 = 168;
/// Keys that one person may have.
pub const KEYS_EACH: usize = 50;
/// A key that ends within this time is said to end soon, in milliseconds.
const SOON_MS: i64 = 7 * DAY_MS;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A number that is not allowed; the message says which are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{least} to {most} {unit}")]
pub struct OutOfRange {
    least: u16,
    most: u16,
    unit: &'static str,
}

/// When a key ends that is made now and lasts `days`.
pub fn ends_at(now: UnixMillis, days: Option<u16>) -> Result<UnixMillis, OutOfRange> {
    match days.unwrap_or(DEFAULT_DAYS) {
        days @ 1..=MAX_DAYS => Ok(now.plus(i64::from(days) * DAY_MS)),
        _ => Err(OutOfRange {
            least: 1,
            most: MAX_DAYS,
            unit: "days",
        }),
    }
}

/// When a key ends that is rotated now: after `hours`, 0 being at once, and never later than it would have.
pub fn old_ends_at(
    now: UnixMillis,
    hours: Option<u16>,
    would_end: Option<UnixMillis>,
) -> Result<UnixMillis, OutOfRange> {
    match hours.unwrap_or(DEFAULT_OVERLAP_HOURS) {
        hours @ 0..=MAX_OVERLAP_HOURS => {
            let end = now.plus(i64::from(hours) * HOUR_MS);
            Ok(would_end.map_or(end, |would_end| end.min(would_end)))
        }
        _ => Err(OutOfRange {
            least: 0,
            most: MAX_OVERLAP_HOURS,
            unit: "hours",
        }),
    }
}

/// How a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be used.
    Good,
    /// It can be used for a week at most.
    EndsSoon,
    /// It ended.
    Over,
}

/// How a key stands that ends at `end`; keys of earlier versions have none.
pub fn standing(end: Option<UnixMillis>, now: UnixMillis) -> Standing {
    match end.map(|end| end.since(now)) {
        Some(left) if left <= 0 => Standing::Over,
        Some(left) if left <= SOON_MS => Standing::EndsSoon,
        _ => Standing::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000);

    #[test]
    fn ends_at_has_a_default_and_a_most() {
        let days = |days| ends_at(NOW, days).map(|end| end.since(NOW) / DAY_MS);
        assert_eq!(days(None), Ok(90));
        assert_eq!((days(Some(1)), days(Some(366))), (Ok(1), Ok(366)));
        for wrong in [0, 367] {
            assert_eq!(days(Some(wrong)).unwrap_err().to_string(), "1 to 366 days");
        }
    }

    #[test]
    fn old_ends_at_never_makes_a_key_last_longer() {
        let end = |hours, would_end| old_ends_at(NOW, hours, would_end);
        assert_eq!(end(None, None), Ok(NOW.plus(24 * HOUR_MS)));
        assert_eq!(end(Some(0), None), Ok(NOW));
        assert_eq!(end(Some(1), Some(NOW.plus(5))), Ok(NOW.plus(5)));
        assert_eq!(end(Some(0), Some(NOW.plus(-5))), Ok(NOW.plus(-5)));
        assert!(end(Some(169), None).is_err());
    }

    #[test]
    fn standing_tells_a_week_ahead() {
        let left = |ms| standing(Some(NOW.plus(ms)), NOW);
        assert_eq!(
            [left(-1), left(0), left(1), left(SOON_MS), left(SOON_MS + 1)],
            [
                Standing::Over,
                Standing::Over,
                Standing::EndsSoon,
                Standing::EndsSoon,
                Standing::Good
            ]
        );
        assert_eq!(standing(None, NOW), Standing::Good);
    }
}
