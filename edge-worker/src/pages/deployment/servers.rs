//! A deployment on several servers: where each stands, and whose steps and output the page shows.

use crate::pages::look::{self, Badge};
use crate::pages::prose::Prose;
use crate::store::parts::PartRow;
use devflow_domain::targets::PartState;
use devflow_protocol::ServerId;
use devflow_protocol::event::DeploymentState;
use devflow_protocol::outcome::cause;

/// A server in the list.
pub(crate) struct PartView {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) badge: Badge,
    pub(crate) reason: Option<Prose>,
    pub(crate) shown: bool,
}

/// The server whose steps and output are shown.
pub(crate) struct Shown {
    pub(crate) server: String,
    pub(crate) name: String,
}

/// The parts of a deployment and the one that is shown; nothing where its project has one server.
pub(super) struct Several {
    pub(super) parts: Vec<PartRow>,
    pub(super) at: Option<usize>,
}

impl Several {
    /// Shows the server that was asked for, else the one at work, else the first that failed, else the first.
    pub(super) fn new(parts: Vec<PartRow>, asked: Option<&ServerId>) -> Self {
        let of = |wanted: &dyn Fn(&PartRow) -> bool| parts.iter().position(wanted);
        let at = of(&|part| asked == Some(&part.server))
            .or_else(|| of(&PartRow::is_at_work))
            .or_else(|| of(&|part| matches!(part.state, PartState::Failed | PartState::Stuck)))
            .or_else(|| of(&|_| true));
        Self { parts, at }
    }

    /// The server that is shown.
    pub(super) fn server(&self) -> Option<&ServerId> {
        Some(&self.parts.get(self.at?)?.server)
    }

    pub(super) fn shown(&self) -> Option<Shown> {
        let part = self.parts.get(self.at?)?;
        Some(Shown {
            server: part.server.to_string(),
            name: part.name.clone(),
        })
    }
}

/// The list of servers of a deployment that stands at `state`.
pub(super) fn views(several: &Several, state: DeploymentState) -> Vec<PartView> {
    let parts = several.parts.iter().enumerate();
    parts
        .map(|(index, part)| PartView {
            server: part.server.to_string(),
            name: part.name.clone(),
            badge: look::part(part.state_in(state)),
            reason: part
                .reason
                .as_deref()
                .map(|reason| Prose(cause(reason).to_owned())),
            shown: several.at == Some(index),
        })
        .collect()
}
