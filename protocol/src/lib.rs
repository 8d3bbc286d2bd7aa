//! What the edge and the runners say to each other: ids, signed jobs, events, results, requests and sealed
//! values.
//!
//! In scope: the shapes on the wire, how they are signed and sealed, and their size limits. Not in scope:
//! any decision (see `devflow-domain`), I/O, clocks and randomness; time and entropy are arguments.
//! The crate builds for wasm32 and natively, and the files in `vectors/` hold what both must produce.

pub mod audit;
pub mod dsse;
pub mod enrol;
pub mod event;
pub mod id;
pub mod inspection;
pub mod job;
pub mod keys;
pub mod limits;
pub mod outcome;
pub mod project;
pub mod release;
pub mod repository;
pub mod request;
pub mod runner_api;
pub mod seal;
pub mod text;
pub mod time;
pub mod witness;

pub use id::{
    ApiKeyId, DeliveryId, DeploymentId, EndpointId, HookId, InvitationId, JobId, LoginId, MessageId,
    PasskeyId, ProjectId, RunnerSessionId, ServerId, UserId,
};
pub use time::UnixMillis;

/// The version that both sides speak. A job or request of another version is refused by name.
pub const VERSION: u16 = 1;
