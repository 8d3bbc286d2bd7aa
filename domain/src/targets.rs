//! A project on several servers: one after the other, the first one whole before any other begins.
//!
//! They share one database, so the first server migrates it and the others leave that out: they start on a schema that a
//! release has been live and well on. One at a time means that a bad release meets one server, that nothing is decided on two
//! ends at once, and that a deployment stands in one place at any moment, also after a kill.

use crate::deployment::End;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::project::{Phase, ProcessKind, ProjectSpec};
use serde::{Deserialize, Serialize};

/// Servers that a project may have.
pub const MOST: usize = 10;

/// What becomes of the others where a server fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "ServerPolicy")
)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// All servers have the release or none: those that were switched go back to the release before.
    #[default]
    All,
    /// The others keep the release, and those that wait get it.
    KeepGoing,
}

impl Policy {
    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::KeepGoing => "keep_going",
        }
    }
}

/// Where a deployment stands on one server. The names are those of the database and of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// Its turn has not come.
    Waiting,
    /// At work.
    Working,
    /// It was switched, and another server failed: it goes back to the release before.
    GoingBack,
    /// The release is live there.
    Live,
    /// It failed before the switch; the old release serves.
    Failed,
    /// The old release serves again.
    RolledBack,
    /// A person ended it.
    Cancelled,
    /// A newer push took its place.
    Superseded,
    /// It was to go back and could not: the release serves there.
    Stuck,
}

impl PartState {
    /// All states.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Working,
        Self::GoingBack,
        Self::Live,
        Self::Failed,
        Self::RolledBack,
        Self::Cancelled,
        Self::Superseded,
        Self::Stuck,
    ];

    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Working => "working",
            Self::GoingBack => "going_back",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Stuck => "stuck",
        }
    }

    /// True where the new release serves there.
    pub fn has_release(self) -> bool {
        matches!(self, Self::Live | Self::Stuck | Self::GoingBack)
    }

    fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::RolledBack | Self::Stuck)
    }

    /// After the job of this part has ended.
    fn after(self, end: End) -> Self {
        match (self, end) {
            (Self::GoingBack, End::Live) => Self::RolledBack,
            (Self::GoingBack, _) => Self::Stuck,
            (_, End::Live) => Self::Live,
            (_, End::Failed) => Self::Failed,
            (_, End::RolledBack) => Self::RolledBack,
            (_, End::Cancelled) => Self::Cancelled,
            (_, End::Superseded) => Self::Superseded,
        }
    }
}

/// One server's part of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The server's name.
    pub name: String,
    /// Where it stands.
    pub state: PartState,
    /// Why it stands there, where it is not well.
    pub reason: Option<String>,
    /// False while its runner is silent.
    pub online: bool,
    /// True where another release was live there before.
    pub has_before: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This part is at work next.
    Begin(usize),
    /// This part goes back to the release before next.
    GoBack(usize),
    /// The deployment is over.
    End(DeploymentState, Option<String>),
}

/// Why a server that is silent has failed.
const SILENT: &str = "The server was silent when its turn came.";

/// What follows where the part `at` ended with `end` and why: changes the parts, and says what is next.
pub fn advance(policy: Policy, parts: &mut [Part], at: usize, end: End, reason: Option<String>) -> Next {
    if let Some(part) = parts.get_mut(at) {
        part.state = part.state.after(end);
        // Of a server that went back it stays why, if there was anything.
        if part.state != PartState::RolledBack || reason.is_some() {
            part.reason = reason;
        }
    }
    loop {
        if let Some(next) = decide(policy, parts) {
            return next;
        }
    }
}

/// The next thing, or None where a part was ended without having begun.
fn decide(policy: Policy, parts: &mut [Part]) -> Option<Next> {
    let first = parts.first()?.state;
    let ended = parts.iter().any(|part| {
        matches!(part.state, PartState::Cancelled | PartState::Superseded)
            || (policy == Policy::All && part.state.is_bad())
    });
    // Nobody has migrated where the first did not go live.
    let goes_on = !ended && first == PartState::Live;
    let wanted = if goes_on {
        PartState::Waiting
    } else {
        PartState::Live
    };
    let mut open = parts.iter().enumerate();
    let turn = if goes_on {
        open.find(|(_, part)| part.state == wanted)
    } else if policy == Policy::All {
        open.rfind(|(_, part)| part.state == wanted && part.has_before)
    } else {
        None
    };
    let Some((at, online)) = turn.map(|(at, part)| (at, part.online)) else {
        return Some(over(parts));
    };
    let part = parts.get_mut(at)?;
    let (ended, working, next) = if goes_on {
        (PartState::Failed, PartState::Working, Next::Begin(at))
    } else {
        (PartState::Stuck, PartState::GoingBack, Next::GoBack(at))
    };
    part.state = if online { working } else { ended };
    if online {
        return Some(next);
    }
    part.reason = Some(SILENT.to_owned());
    None
}

/// How a deployment ended whose parts are over.
fn over(parts: &[Part]) -> Next {
    let state = if parts.iter().all(|part| part.state == PartState::Live) {
        return Next::End(DeploymentState::Live, None);
    } else if parts.iter().any(|part| part.state == PartState::Superseded) {
        DeploymentState::Superseded
    } else if parts.iter().any(|part| part.state == PartState::Cancelled) {
        DeploymentState::Cancelled
    } else if parts.iter().any(|part| part.state == PartState::RolledBack)
        && !parts.iter().any(|part| part.state.has_release())
    {
        DeploymentState::RolledBack
    } else {
        DeploymentState::Failed
    };
    Next::End(state, Some(words(parts)))
}

/// Who failed and why, and who serves what now.
fn words(parts: &[Part]) -> String {
    let mut sentences: Vec<String> = parts
        .iter()
        .filter_map(|part| Some(format!("{}: {}", part.name, sentence(part.reason.as_deref()?))))
        .collect();
    let mut tell = |which: &dyn Fn(&Part) -> bool, one: &str, many: &str| {
        let names: Vec<&str> = parts
            .iter()
            .filter(|part| which(part))
            .map(|part| part.name.as_str())
            .collect();
        match names.as_slice() {
            [] => {}
            [name] => sentences.push(format!("{name} {one}.")),
            _ => sentences.push(format!("{} {many}.", names.join(", "))),
        }
    };
    tell(
        &|part| part.state == PartState::RolledBack && part.reason.is_none(),
        "went back to the release before",
        "went back to the release before",
    );
    tell(
        &|part| part.state.has_release(),
        "serves the new release",
        "serve the new release",
    );
    tell(
        &|part| part.state == PartState::Waiting,
        "was not begun",
        "were not begun",
    );
    sentences.join(" ")
}

/// Ends as a sentence does.
fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

/// What a server gets of `spec` that is not the project's first: the database is migrated, and scheduled commands run, on one.
#[must_use]
pub fn of_follower(mut spec: ProjectSpec) -> ProjectSpec {
    spec.steps.retain(|step| step.phase != Phase::Migrate);
    spec.processes
        .retain(|process| process.kind != ProcessKind::Scheduler);
    spec.follower = true;
    spec
}

/// What is wrong with the servers of a project; None where nothing is.
pub fn problem<S: Ord>(servers: &[S], makes_services: bool) -> Option<&'static str> {
    let mut sorted: Vec<&S> = servers.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    if servers.is_empty() {
        Some("name at least one server")
    } else if servers.len() > MOST {
        Some("at most 10 servers")
    } else if sorted.len() < servers.len() {
        Some("a server is named twice")
    } else if servers.len() > 1 && makes_services {
        Some(
            "a project on several servers needs a database and Redis that all of them reach: turn off those that its server \
             makes, and name others in the environment",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
