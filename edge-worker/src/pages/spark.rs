//! How fast a project answered each time that it went live, as a line that is read at a glance.

use std::fmt::Write as _;

/// Units of the drawing.
const WIDTH: u32 = 100;
const HEIGHT: u32 = 24;
/// Above and below the line, so that its ends are whole.
const MARGIN: u32 = 2;

/// The line.
pub(crate) struct Spark {
    /// Points of an SVG polyline.
    pub(crate) points: String,
    /// The newest time, in milliseconds.
    pub(crate) newest: u32,
    /// The line in words.
    pub(crate) words: String,
}

impl Spark {
    /// Draws `times`, a JSON list of milliseconds with the newest last; None where there is nothing to compare.
    pub(crate) fn of(times: &str) -> Option<Self> {
        let times: Vec<u32> = serde_json::from_str(times).ok()?;
        let (low, high) = (*times.iter().min()?, *times.iter().max()?);
        let last = u32::try_from(times.len()).ok()?.checked_sub(1)?;
        let newest = *times.last()?;
        if last == 0 {
            return None;
        }
        // What varies by little is drawn as a calm line.
        let span = (high - low).max(high / 2).max(1);
        let base = low.saturating_sub((span - (high - low)) / 2);
        let mut points = String::new();
        for (place, time) in (0..).zip(&times) {
            let x = place * WIDTH / last;
            let up = u64::from(time - base) * u64::from(HEIGHT - 2 * MARGIN) / u64::from(span);
            let y = HEIGHT - MARGIN - u32::try_from(up).unwrap_or(0).min(HEIGHT - 2 * MARGIN);
            let _ = write!(points, "{x},{y} ");
        }
        points.pop();
        Some(Self {
            points,
            newest,
            words: format!(
                "Its health check answered in {newest} ms when it went live last; {low} to {high} ms the last {} times.",
                times.len()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spark_draws_the_newest_last_and_the_slowest_on_top() {
        let spark = Spark::of("[40, 80, 20]").unwrap();
        assert_eq!(spark.points, "0,16 50,2 100,22");
        assert_eq!(spark.newest, 20);
        assert_eq!(
            spark.words,
            "Its health check answered in 20 ms when it went live last; 20 to 80 ms the last 3 times."
        );
    }

    #[test]
    fn spark_is_calm_where_little_changes() {
        assert_eq!(Spark::of("[100, 102]").unwrap().points, "0,13 100,12");
        assert_eq!(Spark::of("[0, 0]").unwrap().points, "0,22 100,22");
        let high = format!("[{}, 0]", u32::MAX);
        assert_eq!(Spark::of(&high).unwrap().points, "0,2 100,22");
    }

    #[test]
    fn spark_is_left_out_where_there_is_nothing_to_compare() {
        for none in ["[]", "[7]", "", "nonsense", "[-1, 2]"] {
            assert!(Spark::of(none).is_none(), "{none}");
        }
    }
}
