//! Refusals, counted: who wanted what and was not let. They go on record a minute at a time and never one by one, so that
//! nobody fills a table by being refused, or hides what others try behind what they try themselves.

use devflow_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

/// The actor of the row for what is beyond [`Bounds::kinds`].
pub const OTHERS: &str = "others";
/// The code of that row.
pub const MORE: &str = "more";
/// Between two records once the day's rows are used up, in milliseconds.
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The id of who was refused.
    pub actor: String,
    /// What they wanted: an action, or a path that needs nobody.
    pub action: String,
    /// Why, as the answer's stable code.
    pub code: String,
}

/// A refusal as it goes on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was refused.
    pub refusal: Refusal,
    /// How often.
    pub times: u32,
}

/// How much goes on record at most.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Different refusals of one record; the others are counted in one row together.
    kinds: usize,
    /// Rows a day in records of a minute each; from then on a record is of an hour.
    rows_a_day: u32,
}

/// Strangers cannot be told apart, and there can be any number of them.
const STRANGERS: Bounds = Bounds {
    kinds: 8,
    rows_a_day: 200,
};
/// People, keys and servers that are known.
const KNOWN: Bounds = Bounds {
    kinds: 24,
    rows_a_day: 600,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    /// When the first of them was refused.
    since: Option<UnixMillis>,
    counts: Vec<(Refusal, u32)>,
    beyond: u32,
    /// Which day (since 1970, UTC) `rows` are of.
    day: i64,
    rows: u32,
}

fn day(now: UnixMillis) -> i64 {
    now.0.div_euclid(DAY_MS)
}

impl Tally {
    /// True where what is kept elsewhere of it should be renewed: for a new kind, and each time that a count has doubled.
    fn add(&mut self, bounds: Bounds, refusal: &Refusal, times: u32, now: UnixMillis) -> bool {
        self.since.get_or_insert(now);
        let known = self.counts.iter().position(|(known, _)| known == refusal);
        let count = match known {
            Some(index) => &mut self.counts[index].1,
            None if self.counts.len() < bounds.kinds => {
                self.counts.push((refusal.clone(), times));
                return true;
            }
            None => &mut self.beyond,
        };
        *count = count.saturating_add(times);
        count.is_power_of_two()
    }

    fn due(&self, bounds: Bounds, minute_ms: i64) -> Option<UnixMillis> {
        let since = self.since?;
        if self.day == day(since) && self.rows >= bounds.rows_a_day {
            return Some(UnixMillis((since.0.div_euclid(HOUR_MS) + 1) * HOUR_MS));
        }
        Some(since.plus(minute_ms))
    }

    fn close(&mut self, bounds: Bounds, minute_ms: i64, now: UnixMillis) -> Vec<Record> {
        if self.due(bounds, minute_ms).is_none_or(|due| due > now) {
            return vec![];
        }
        let beyond = (self.beyond > 0).then(|| {
            let refusal = Refusal {
                actor: OTHERS.to_owned(),
                action: String::new(),
                code: MORE.to_owned(),
            };
            (refusal, self.beyond)
        });
        let counts = std::mem::take(&mut self.counts).into_iter().chain(beyond);
        let records: Vec<Record> = counts.map(|(refusal, times)| Record { refusal, times }).collect();
        let before = if self.day == day(now) { self.rows } else { 0 };
        *self = Self {
            day: day(now),
            rows: before + u32::try_from(records.len()).unwrap_or(u32::MAX),
            ..Self::default()
        };
        records
    }
}

/// What has been refused and is not on record yet. Strangers are counted apart from who is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    strangers: Tally,
    known: Tally,
}

impl Refusals {
    /// Counts one. True where what is kept of all this should be renewed.
    pub fn add(&mut self, refusal: &Refusal, is_stranger: bool, now: UnixMillis) -> bool {
        if is_stranger {
            self.strangers.add(STRANGERS, refusal, 1, now)
        } else {
            self.known.add(KNOWN, refusal, 1, now)
        }
    }

    /// When something is to go on record next; `minute_ms` is how long is counted.
    pub fn due(&self, minute_ms: i64) -> Option<UnixMillis> {
        let dues = [
            self.strangers.due(STRANGERS, minute_ms),
            self.known.due(KNOWN, minute_ms),
        ];
        dues.into_iter().flatten().min()
    }

    /// Takes what is to go on record now.
    pub fn close(&mut self, minute_ms: i64, now: UnixMillis) -> Vec<Record> {
        let mut records = self.strangers.close(STRANGERS, minute_ms, now);
        records.extend(self.known.close(KNOWN, minute_ms, now));
        records
    }

    /// Takes back records that could not be written.
    pub fn reopen(&mut self, records: &[Record], is_stranger: impl Fn(&str) -> bool, now: UnixMillis) {
        for record in records {
            let (tally, bounds) = if is_stranger(&record.refusal.actor) {
                (&mut self.strangers, STRANGERS)
            } else {
                (&mut self.known, KNOWN)
            };
            tally.add(bounds, &record.refusal, record.times, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn refusal(actor: &str, action: &str) -> Refusal {
        Refusal {
            actor: actor.to_owned(),
            action: action.to_owned(),
            code: "not_allowed".to_owned(),
        }
    }

    fn told(records: Vec<Record>) -> Vec<(String, String, u32)> {
        let told = records
            .into_iter()
            .map(|record| (record.refusal.actor, record.refusal.action, record.times));
        told.collect()
    }

    #[test]
    fn refusals_of_a_minute_are_one_row_for_each_actor_action_and_code() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.due(MINUTE), None);
        for second in 0..50 {
            refusals.add(&refusal("usr_1", "deploy"), false, UnixMillis(second * 1_000));
        }
        refusals.add(&refusal("usr_1", "see_people"), false, UnixMillis(1));
        refusals.add(&refusal("stranger", "enter"), true, UnixMillis(2));
        assert_eq!(refusals.due(MINUTE), Some(UnixMillis(MINUTE)));
        assert_eq!(refusals.close(MINUTE, UnixMillis(MINUTE - 1)), []);
        let row = |actor: &str, action: &str, times| (actor.to_owned(), action.to_owned(), times);
        assert_eq!(
            told(refusals.close(MINUTE, UnixMillis(MINUTE + 2))),
            [
                row("stranger", "enter", 1),
                row("usr_1", "deploy", 50),
                row("usr_1", "see_people", 1)
            ]
        );
        assert_eq!(
            (
                refusals.due(MINUTE),
                refusals.close(MINUTE, UnixMillis(9 * MINUTE))
            ),
            (None, vec![])
        );
    }

    #[test]
    fn strangers_hide_nobody_who_is_known_and_are_counted_all_the_same() {
        let mut refusals = Refusals::default();
        for number in 0..100 {
            refusals.add(&refusal("stranger", &number.to_string()), true, UnixMillis(0));
        }
        refusals.add(&refusal("key_1", "deploy"), false, UnixMillis(0));
        let rows = told(refusals.close(MINUTE, UnixMillis(MINUTE)));
        assert_eq!(rows.len(), 8 + 1 + 1);
        assert_eq!(rows[8], (OTHERS.to_owned(), String::new(), 92));
        assert_eq!(rows[9].0, "key_1");
    }

    #[test]
    fn attack_of_a_whole_day_writes_a_bounded_number_of_rows() {
        let mut refusals = Refusals::default();
        let (mut rows, mut times) = (0, 0);
        for second in 0..24 * 3_600_i64 {
            let now = UnixMillis(second * 1_000);
            for number in 0..20 {
                refusals.add(&refusal("stranger", &number.to_string()), true, now);
            }
            let records = refusals.close(MINUTE, now);
            rows += records.len();
            times += records.iter().map(|record| record.times).sum::<u32>();
        }
        assert!(rows <= 200 + 9 + 24 * 9, "{rows}");
        let left: u32 = told(refusals.close(MINUTE, UnixMillis(2 * DAY_MS)))
            .iter()
            .map(|row| row.2)
            .sum();
        assert_eq!(times + left, 20 * 24 * 3_600, "none is forgotten");
        // The day after, it is minutes again.
        let later = UnixMillis(3 * DAY_MS);
        refusals.add(&refusal("stranger", "enter"), true, later);
        assert_eq!(refusals.due(MINUTE), Some(later.plus(MINUTE)));
    }

    #[test]
    fn add_asks_to_be_kept_for_what_is_new_and_when_a_count_doubled() {
        let mut refusals = Refusals::default();
        let mut kept = 0;
        for _ in 0..1_000 {
            kept += usize::from(refusals.add(&refusal("usr_1", "deploy"), false, UnixMillis(0)));
        }
        assert_eq!(kept, 10, "1, 2, 4 and so on to 512");
        let text = serde_json::to_string(&refusals).unwrap();
        assert_eq!(serde_json::from_str::<Refusals>(&text).unwrap(), refusals);
    }

    #[test]
    fn reopen_loses_nothing_that_could_not_be_written() {
        let mut refusals = Refusals::default();
        refusals.add(&refusal("usr_1", "deploy"), false, UnixMillis(0));
        let records = refusals.close(MINUTE, UnixMillis(MINUTE));
        refusals.add(&refusal("usr_1", "deploy"), false, UnixMillis(MINUTE));
        refusals.reopen(&records, |actor| actor == "stranger", UnixMillis(MINUTE));
        assert_eq!(
            told(refusals.close(MINUTE, UnixMillis(2 * MINUTE))),
            [("usr_1".to_owned(), "deploy".to_owned(), 2)]
        );
    }
}
