//! How states look: a tone and a word, the same on every page.

use crate::store::projects::ProjectState;
use crate::store::servers::ServerState;
use askama::filters::HtmlSafe;
use devflow_domain::deployment::is_running;
use devflow_domain::targets::PartState;
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

/// The look of a deployment on one of several servers.
pub(crate) fn part(state: PartState) -> Badge {
    let (tone, word) = match state {
        PartState::Waiting => (Tone::Idle, "Waits"),
        PartState::Working => (Tone::Busy, "At work"),
        PartState::GoingBack => (Tone::Busy, "Going back"),
        PartState::Live => (Tone::Good, "Live"),
        PartState::Failed => (Tone::Bad, "Failed"),
        PartState::RolledBack => (Tone::Bad, "Rolled back"),
        PartState::Cancelled => (Tone::Idle, "Cancelled"),
        PartState::Superseded => (Tone::Idle, "Superseded"),
        PartState::Stuck => (Tone::Bad, "Could not go back"),
    };
    Badge { tone, word }
}

/// The look of a server's state.
pub(crate) fn server(state: ServerState) -> Badge {
    let (tone, word) = match state {
        ServerState::Pending => (Tone::Idle, "Not connected"),
        ServerState::Online => (Tone::Good, "Online"),
        ServerState::Missing => (Tone::Warn, "Out of contact"),
    };
    Badge { tone, word }
}

/// The look of a job's state, by its name in the database.
pub(crate) fn job(state: &str) -> Badge {
    let (tone, word) = match state {
        "queued" => (Tone::Idle, "Waits"),
        "leased" => (Tone::Busy, "Handed out"),
        "running" => (Tone::Busy, "Running"),
        "out_of_contact" => (Tone::Warn, "Out of contact"),
        "abandoned" => (Tone::Idle, "Abandoned"),
        _ => (Tone::Good, "Done"),
    };
    Badge { tone, word }
}

/// What a project's look depends on.
#[derive(Clone, Copy)]
pub(crate) struct ProjectFacts {
    pub(crate) state: ProjectState,
    pub(crate) server: ServerState,
    pub(crate) live: bool,
    /// The newest deployment that went to its end failed.
    pub(crate) failing: bool,
    pub(crate) last: Option<DeploymentState>,
}

/// The look of a project: what a person would want to know first.
pub(crate) fn project(facts: ProjectFacts) -> Badge {
    use DeploymentState as S;
    match facts.state {
        ProjectState::Removing => {
            return Badge {
                tone: Tone::Warn,
                word: "Removing",
            };
        }
        ProjectState::Stopped => {
            return Badge {
                tone: Tone::Idle,
                word: "Stopped",
            };
        }
        ProjectState::Active => {}
    }
    let (tone, word) = match facts.last {
        Some(state) if is_running(state) => return deployment(state),
        _ if facts.server == ServerState::Missing => (Tone::Warn, "Out of contact"),
        _ if facts.live && facts.failing => (Tone::Warn, "Deployment failed"),
        _ if facts.live => (Tone::Good, "Online"),
        Some(S::Queued) => (Tone::Idle, "Queued"),
        _ if facts.failing => (Tone::Bad, "Failed"),
        _ => (Tone::Idle, "Not deployed"),
    };
    Badge { tone, word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_look_tells_the_most_urgent_first() {
        use DeploymentState as S;
        let look = |state, server, live, last| {
            let facts = ProjectFacts {
                state,
                server,
                live,
                failing: matches!(last, Some(S::Failed | S::RolledBack)),
                last,
            };
            project(facts).word
        };
        let (active, online, missing) = (ProjectState::Active, ServerState::Online, ServerState::Missing);
        let cases = [
            (look(active, online, false, None), "Not deployed"),
            (look(active, online, false, Some(S::Queued)), "Queued"),
            (look(active, online, false, Some(S::Failed)), "Failed"),
            (look(active, online, true, Some(S::Live)), "Online"),
            (look(active, online, true, Some(S::Queued)), "Online"),
            (look(active, online, true, Some(S::Building)), "Building"),
            (
                look(active, online, true, Some(S::RolledBack)),
                "Deployment failed",
            ),
            (look(active, online, true, Some(S::Cancelled)), "Online"),
            (look(active, missing, true, Some(S::Live)), "Out of contact"),
            (
                look(ProjectState::Stopped, online, true, Some(S::Live)),
                "Stopped",
            ),
            (
                look(ProjectState::Removing, missing, true, Some(S::Live)),
                "Removing",
            ),
        ];
        for (shown, expected) in cases {
            assert_eq!(shown, expected);
        }
    }
}
