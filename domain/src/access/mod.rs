//! Who may do what: [roles](Role), [actions](Action), the [scopes](Scope) of API keys, and the one function that decides.
//!
//! Not in scope: who somebody is (a session, a key), and where roles are stored.

mod action;
mod grants;
mod role;
mod scope;

pub use action::{Action, Area};
pub use grants::{Grants, KeyLimits, Through, Verdict, decide};
pub use role::{Role, may_change_role};
pub use scope::Scope;
