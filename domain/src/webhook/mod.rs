//! Incoming webhooks: who sent it ([`authenticate`]), what it says ([`read`]) and what follows ([`decide`]).
//!
//! The provider is fixed by the hook's URL and never guessed from headers: Gitea sends GitHub's headers too.

mod authenticate;
mod bitbucket;
mod decide;
mod found;
mod generic;
mod gitea;
mod github;
mod gitlab;
mod push;
mod trial;

pub use authenticate::{AuthError, Authentic, authenticate};
pub use decide::{Action, Follower, ProjectDecision, Verdict, decide};
pub use found::{Known, found};
pub use push::{Event, Push, concerning};
pub use trial::Trial;

use serde::{Deserialize, Serialize};

/// Who sends the webhooks of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// GitHub, and GitHub Enterprise.
    Github,
    /// GitLab, both signature schemes.
    Gitlab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Gitea and Forgejo, Codeberg among them.
    Gitea,
    /// CI systems and scripts, by Standard Webhooks (<https://www.standardwebhooks.com>).
    Generic,
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 5] = [
        Self::Github,
        Self::Gitlab,
        Self::Bitbucket,
        Self::Gitea,
        Self::Generic,
    ];

    /// The name in URLs, database and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Gitea => "gitea",
            Self::Generic => "generic",
        }
    }

    /// The provider of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

/// A delivery as it arrived. `header` looks a header up by its lower-case name.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// From the hook's URL.
    pub provider: Provider,
    /// Looks up a header.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The raw body.
    pub body: &'a [u8],
}

/// Why an authentic body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not the provider's JSON.
    #[error("the body is not a {provider} event that can be read: {problem}")]
    Body {
        /// The provider's name.
        provider: &'static str,
        /// What the parser says.
        problem: String,
    },
}

/// Reads an authentic delivery into the one form that decisions are made on: an event for each ref that it tells of.
pub fn read(delivery: Delivery<'_>) -> Result<Vec<Event>, ReadError> {
    let parsed = match delivery.provider {
        Provider::Github => github::read(delivery).map(|event| vec![event]),
        Provider::Gitlab => gitlab::read(delivery).map(|event| vec![event]),
        Provider::Bitbucket => bitbucket::read(delivery),
        Provider::Gitea => gitea::read(delivery).map(|event| vec![event]),
        Provider::Generic => generic::read(delivery).map(|event| vec![event]),
    };
    parsed.map_err(|problem| ReadError::Body {
        provider: delivery.provider.as_str(),
        problem,
    })
}
