//! How states look: a tone and a word, the same on every page.

use askama::filters::HtmlSafe;
use devflow_protocol::event::DeploymentState;
use std::fmt;

/// The meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Idle,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Idle => "idle",
        }
    }
}

/// A state as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) tone: Tone,
    pub(crate) word: &'static str,
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<span class="state {}">{}</span>"#,
            self.tone.class(),
            self.word
        )
    }
}

impl HtmlSafe for Badge {}

/// The look of a deployment's state.
pub(crate) fn deployment(state: DeploymentState) -> Badge {
    use DeploymentState as S;
    let (tone, word) = match state {
        S::Queued => (Tone::Idle, "Queued"),
        S::Preparing => (Tone::Busy, "Preparing"),
        S::Building => (Tone::Busy, "Building"),
        S::Starting => (Tone::Busy, "Starting"),
        S::Migrating => (Tone::Busy, "Migrating"),
        S::Checking => (Tone::Busy, "Checking"),
        S::Switching => (Tone::Busy, "Switching"),
        S::Observing => (Tone::Busy, "Observing"),
        S::Live => (Tone::Good, "Live"),
        S::Failed => (Tone::Bad, "Failed"),
        S::RolledBack => (Tone::Bad, "Rolled back"),
        S::Cancelled => (Tone::Idle, "Cancelled"),
        S::Superseded => (Tone::Idle, "Superseded"),
        S::OutOfContact => (Tone::Warn, "Out of contact"),
    };
    Badge { tone, word }
}
