//! The icons, drawn on a grid of 16. They are decoration: the words beside them say the same.

use askama::filters::HtmlSafe;
use std::fmt;

/// One icon, as the data of an SVG path.
#[derive(Clone, Copy)]
pub(crate) struct Icon(&'static str);

pub(crate) const PROJECTS: Icon = Icon("M2.5 3.5h4v4h-4zM9.5 3.5h4v4h-4zM2.5 10h4v3h-4zM9.5 10h4v3h-4z");
pub(crate) const SERVERS: Icon = Icon("M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01M8 5h3M8 11h3");
pub(crate) const PEOPLE: Icon = Icon(
    "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M10.5 2.8a2.5 2.5 0 0 1 0 4.4M12 9.9c1.6.6 2.5 1.9 2.5 3.6",
);
pub(crate) const PERSON: Icon =
    Icon("M8 7.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2.5 14.5c0-3 2.3-4.7 5.5-4.7s5.5 1.7 5.5 4.7");
pub(crate) const ACTIVITY: Icon = Icon("M1.5 8h3l2-5 3 10 2-5h3");
pub(crate) const BELL: Icon = Icon("M3 11.5h10l-1.5-2V7a3.5 3.5 0 0 0-7 0v2.5zM6.5 13.5h3");
pub(crate) const KEY: Icon =
    Icon("M9.5 6.5a3 3 0 1 0-2 2.8l1 1.2h1.5V12h1.5v1.5H14v-2.2L9.3 7.5a3 3 0 0 0 .2-1zM5.5 5.5h.01");
pub(crate) const DEPLOY: Icon = Icon("M8 13V3.5M4 7l4-4 4 4");
pub(crate) const RESTART: Icon = Icon("M13 8a5 5 0 1 1-1.6-3.7L13 5.8M13 2.5v3.3H9.7");
pub(crate) const SCALE: Icon = Icon("M2.5 13.5v-3M6.2 13.5v-5M9.8 13.5v-8M13.5 13.5v-11");
pub(crate) const STOP: Icon = Icon("M4 4h8v8H4z");
pub(crate) const ADD: Icon = Icon("M8 3v10M3 8h10");
pub(crate) const SEARCH: Icon = Icon("M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5l3 3");
pub(crate) const BACK_TO: Icon = Icon("M6 4 2.5 7.5 6 11M3 7.5h6.5a3.5 3.5 0 0 1 0 7H8");
pub(crate) const OK: Icon = Icon("M3 8.5l3.2 3L13 4.5");
pub(crate) const FAILED: Icon = Icon("M4 4l8 8M12 4l-8 8");
pub(crate) const RUNNING: Icon = Icon("M8 2.5A5.5 5.5 0 1 1 2.5 8");
pub(crate) const SKIPPED: Icon = Icon("M4 8h8");
pub(crate) const OPEN: Icon = Icon("M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5");
pub(crate) const COMPARE: Icon = Icon("M5 3 2 6l3 3M2.5 6h8M11 7l3 3-3 3M13.5 10h-8");
pub(crate) const INBOX: Icon = Icon("M2.5 9 4.5 3h7l2 6v4h-11zM2.5 9H6l1 1.5h2L10 9h3.5");
pub(crate) const LIGHT: Icon = Icon(
    "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1",
);
pub(crate) const DARK: Icon = Icon("M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z");
pub(crate) const SYSTEM: Icon = Icon("M2.5 3h11v7.5h-11zM6 13.5h4M8 10.5v3");

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="{}"/></svg>"#,
            self.0
        )
    }
}

impl HtmlSafe for Icon {}
