//! Times and durations as people read them, with the exact time at hand.

use askama::filters::HtmlSafe;
use devflow_domain::moment::{self, Age, calendar, rfc3339};
use devflow_protocol::time::UnixMillis;
use std::fmt;

/// A moment, shown relative to the time of the page.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: UnixMillis,
    pub(crate) now: UnixMillis,
    /// True shows how long ago it was as a duration that goes on, such as `12 s`.
    pub(crate) running: bool,
}

impl Moment {
    pub(crate) fn new(at: UnixMillis, now: UnixMillis) -> Self {
        Self {
            at,
            now,
            running: false,
        }
    }

    pub(crate) fn running(at: UnixMillis, now: UnixMillis) -> Self {
        Self {
            at,
            now,
            running: true,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = calendar(self.at);
        let running = if self.running { " data-running" } else { "" };
        write!(
            f,
            r#"<time datetime="{}" title="{date} {time} UTC"{running}>"#,
            rfc3339(self.at)
        )?;
        if self.running {
            write!(f, "{}", Length(self.now.since(self.at)))?;
        } else {
            let (at, now) = (self.at, self.now);
            write!(f, "{}", Age { at, now })?;
        }
        f.write_str("</time>")
    }
}

impl HtmlSafe for Moment {}

/// A duration in milliseconds, in two units at most.
#[derive(Clone, Copy)]
pub(crate) struct Length(pub(crate) i64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        moment::Length(self.0).fmt(f)
    }
}

impl HtmlSafe for Length {}

/// A moment in full, such as one that is to come; a page's script says it in the reader's own time zone.
#[derive(Clone, Copy)]
pub(crate) struct Exact(pub(crate) UnixMillis);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = calendar(self.0);
        write!(
            f,
            r#"<time datetime="{}" data-exact>{date} {time} UTC</time>"#,
            rfc3339(self.0)
        )
    }
}

impl HtmlSafe for Exact {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_names_the_age_and_keeps_the_exact_time() {
        let now = UnixMillis(1_763_843_209_000);
        assert_eq!(
            Moment::new(now.plus(-125_000), now).to_string(),
            r#"<time datetime="2025-11-22T20:24:44.000Z" title="2025-11-22 20:24:44 UTC">2 min ago</time>"#
        );
        assert_eq!(
            Exact(now).to_string(),
            r#"<time datetime="2025-11-22T20:26:49.000Z" data-exact>2025-11-22 20:26:49 UTC</time>"#
        );
    }
}
