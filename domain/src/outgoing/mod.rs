//! What leaves an installation: which events an endpoint can be told, where one may be ([`address`]), how a message
//! reads for a program ([`message`]), in a chat ([`notice`]) and beside a commit ([`status`]), how it is signed
//! ([`signature`]) and when it is tried again ([`retry`]).

pub mod address;
pub mod message;
pub mod notice;
pub mod retry;
pub mod signature;
pub mod status;

use serde::{Deserialize, Serialize};

/// A text in one line: its words with a space between them, without control characters.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// How an endpoint is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "EndpointKind")
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A signed request of Standard Webhooks.
    #[default]
    Webhook,
    /// A notice in a chat, by an incoming webhook of Slack or of one that takes the same.
    Slack,
    /// The status of a commit at a project's Git provider.
    Status,
}

impl Kind {
    /// The name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Status => "status",
        }
    }

    /// What it is told, where that cannot be chosen: people in a chat want to know what is wrong, and when it no longer
    /// is, and a commit has one status at a time.
    pub fn fixed_events(self) -> Option<&'static [Event]> {
        match self {
            Self::Webhook => None,
            Self::Slack => Some(&[Event::Failed, Event::RolledBack, Event::Recovered]),
            Self::Status => Some(&[
                Event::Queued,
                Event::Live,
                Event::Failed,
                Event::RolledBack,
                Event::Cancelled,
                Event::Superseded,
            ]),
        }
    }
}

/// What an endpoint is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "EndpointEvent")
)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person wants to see whether a message arrives.
    Test,
    /// A deployment waits for its server.
    Queued,
    /// A runner has begun a deployment.
    Started,
    /// A release is live.
    Live,
    /// A deployment failed; the release before serves on.
    Failed,
    /// A release turned bad after the switch; the one before serves again.
    RolledBack,
    /// A release is live after the deployment before failed or was rolled back.
    Recovered,
    /// A person ended a deployment before its switch.
    Cancelled,
    /// A newer push took a deployment's place.
    Superseded,
}

impl Event {
    /// Those that an endpoint can be asked to be told.
    pub const CHOICES: [Self; 7] = [
        Self::Started,
        Self::Live,
        Self::Failed,
        Self::RolledBack,
        Self::Recovered,
        Self::Cancelled,
        Self::Superseded,
    ];
    /// Those that an endpoint is told where nothing is chosen.
    pub const USUAL: [Self; 4] = [Self::Started, Self::Live, Self::Failed, Self::RolledBack];

    /// The name in the database, the API and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Live => "live",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Recovered => "recovered",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
        }
    }

    /// The event of that name, if it can be chosen.
    pub fn from_choice(name: &str) -> Option<Self> {
        Self::CHOICES.into_iter().find(|event| event.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_events_are_those_of_serde() {
        for event in Event::CHOICES.into_iter().chain([Event::Test, Event::Queued]) {
            assert_eq!(serde_json::to_value(event).ok(), Some(event.as_str().into()));
        }
        assert_eq!(Event::from_choice("rolled_back"), Some(Event::RolledBack));
        assert_eq!(Event::from_choice("test"), None);
    }
}
