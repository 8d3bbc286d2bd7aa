//! Follows what the edge hands on of its keys: only what a pinned key signed counts, and what counts is on disk before
//! anything is taken by it.

use super::Agent;
use crate::fault;
use crate::identity::{Identity, IdentityError};
use devflow_protocol::dsse::{Envelope, fingerprint};
use std::rc::Rc;

/// Follows `statements`, oldest first. From then on jobs of the new key are taken and those of the one before are not: what was
/// accepted goes on, what was not comes again, signed anew.
///
/// # Errors
/// The identity cannot be written; the pins stay as they were then.
pub(super) fn follow(agent: &Agent, statements: &[Envelope]) -> Result<(), IdentityError> {
    let identity = agent.identity();
    let (pins, reason) = identity.pins.follow_all(statements);
    if let Some(reason) = reason {
        tracing::error!(%reason, "the edge has keys that this server does not trust; jobs signed with them are dropped");
    }
    if pins == identity.pins {
        return Ok(());
    }
    let state_dir = &agent.host.config.state_dir;
    let next = Identity {
        pins,
        ..Identity::clone(&identity)
    };
    fault::reach(state_dir, "before", "pin-keys");
    next.save(state_dir)?;
    fault::reach(state_dir, "after", "pin-keys");
    let recovery = next.pins.recovery_key.as_ref().map(fingerprint);
    tracing::warn!(
        job_key.was = fingerprint(&identity.pins.job_key),
        job_key.is = fingerprint(&next.pins.job_key),
        recovery_key = recovery,
        "the edge's keys changed, signed by one that this server trusts"
    );
    agent.identity.replace(Rc::new(next));
    Ok(())
}
