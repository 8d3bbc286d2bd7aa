//! Passkeys: adding and removing them, signing in with one alone or after the password, and as a proof in a session.
//! What makes an answer a right one is in [`devflow_domain::passkey`].

mod adding;
mod answer;
mod challenge;
mod options;
mod using;

pub(crate) use adding::{add, ask_new, list, own, remove, rename};
pub(crate) use answer::Answer;
pub(super) use using::prove;
pub(crate) use using::{ask_after_password, ask_alone, ask_proof, sign_in};

use crate::app::AppState;
use devflow_domain::passkey::host_of;

/// True where browsers offer passkeys for this installation: it has a host name, and https.
pub(crate) fn are_possible(state: &AppState) -> bool {
    host_of(&state.config.public_origin).is_some()
}
