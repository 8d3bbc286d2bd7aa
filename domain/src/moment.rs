//! Times and durations as people read them.

use devflow_protocol::UnixMillis;
use std::fmt;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A duration in milliseconds, in two units at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub i64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.max(0);
        match ms {
            _ if ms < SECOND => write!(f, "{ms} ms"),
            _ if ms < 10 * SECOND => write!(f, "{}.{} s", ms / SECOND, ms % SECOND / 100),
            _ if ms < MINUTE => write!(f, "{} s", ms / SECOND),
            _ if ms < HOUR => write!(f, "{} min {} s", ms / MINUTE, ms % MINUTE / SECOND),
            _ => write!(f, "{} h {} min", ms / HOUR, ms % HOUR / MINUTE),
        }
    }
}

/// How long ago a moment was; its date where that is long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// The moment.
    pub at: UnixMillis,
    /// The present.
    pub now: UnixMillis,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let age = self.now.since(self.at).max(0);
        match age {
            _ if age < 5 * SECOND => f.write_str("now"),
            _ if age < MINUTE => write!(f, "{} s ago", age / SECOND),
            _ if age < HOUR => write!(f, "{} min ago", age / MINUTE),
            _ if age < DAY => write!(f, "{} h ago", age / HOUR),
            _ if age < 2 * DAY => f.write_str("yesterday"),
            _ if age < 30 * DAY => write!(f, "{} days ago", age / DAY),
            _ => f.write_str(&calendar(self.at).0),
        }
    }
}

/// Date and time of day in UTC: days since the epoch to a date by Howard Hinnant's `civil_from_days`.
pub fn calendar(at: UnixMillis) -> (String, String) {
    let days = at.0.div_euclid(DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let of_day = at.0.rem_euclid(DAY);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!(
            "{:02}:{:02}:{:02}",
            of_day / HOUR,
            of_day % HOUR / MINUTE,
            of_day % MINUTE / SECOND
        ),
    )
}

/// A moment as RFC 3339 writes it, in UTC with milliseconds.
pub fn rfc3339(at: UnixMillis) -> String {
    let (date, time) = calendar(at);
    format!("{date}T{time}.{:03}Z", at.0.rem_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_matches_known_moments() {
        // `date -u -d @SECONDS +'%F %T'`
        for (seconds, date, time) in [
            (0, "1970-01-01", "00:00:00"),
            (951_782_400, "2000-02-29", "00:00:00"),
            (1_709_251_199, "2024-02-29", "23:59:59"),
            (1_763_843_209, "2025-11-22", "20:26:49"),
            (4_102_444_800, "2100-01-01", "00:00:00"),
        ] {
            assert_eq!(
                calendar(UnixMillis(seconds * 1_000)),
                (date.to_owned(), time.to_owned())
            );
        }
    }

    #[test]
    fn age_is_told_in_the_largest_unit() {
        let now = UnixMillis(1_763_843_209_000);
        for (age, expected) in [
            (-HOUR, "now"),
            (0, "now"),
            (59 * SECOND, "59 s ago"),
            (MINUTE, "1 min ago"),
            (23 * HOUR, "23 h ago"),
            (DAY, "yesterday"),
            (3 * DAY, "3 days ago"),
            (40 * DAY, "2025-10-13"),
        ] {
            let at = now.plus(-age);
            assert_eq!(Age { at, now }.to_string(), expected);
        }
    }

    #[test]
    fn length_has_two_units_at_most() {
        let shown: Vec<String> = [-5, 0, 999, 1_234, 59_999, 61_000, 3_725_000]
            .map(|ms| Length(ms).to_string())
            .to_vec();
        assert_eq!(
            shown,
            [
                "0 ms",
                "0 ms",
                "999 ms",
                "1.2 s",
                "59 s",
                "1 min 1 s",
                "1 h 2 min"
            ]
        );
    }
}
