//! Every decision of `DevFlow` Pro, as pure functions and closed state machines.
//!
//! In scope: what a webhook means, what a deployment's next state is, which steps a framework's pipeline has, what
//! is pruned, how an environment is written, what a Dockerfile takes from outside, what a compose file may
//! ask for, what others are told, how a time reads,
//! who may do what, also to whom.
//! Input: state, event, now, settings. Output: a decision. Not in scope: anything that reads a clock, draws randomness,
//! waits, or speaks SQL, HTTP or Docker.

pub mod access;
pub mod api_key;
pub mod attempts;
pub mod breached;
pub mod command_line;
pub mod compare;
pub mod compose;
pub mod deployment;
pub mod dockerfile;
pub mod dockerignore;
pub mod dotenv;
pub mod env_file;
pub mod environment;
pub mod etag;
pub mod hooks;
pub mod idempotency;
pub mod inspection;
pub mod load;
pub mod login;
pub mod migrations;
pub mod moment;
pub mod outgoing;
pub mod packages;
pub mod passkey;
pub mod people;
pub mod pipeline;
pub mod plan;
pub mod prune;
pub mod queue;
pub mod refusals;
pub mod repository;
pub mod search;
pub mod second_factor;
pub mod settings;
pub mod standing;
pub mod targets;
pub mod webhook;
