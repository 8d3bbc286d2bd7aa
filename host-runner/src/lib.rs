//! The daemon that does the work on a server: it asks the edge for signed jobs, keeps a journal of them, does
//! them with Docker, Nginx and git, and reports what happened.
//!
//! The binary is a thin wrapper around [`main`]; nothing else is meant for other crates.

mod agent;
mod cli;
mod clock;
mod config;
mod deploy;
mod doctor;
mod edge;
mod entropy;
mod facts;
mod fault;
mod files;
mod host;
mod identity;
mod inspect;
mod job;
mod journal;
mod mask;
mod policy;
mod relay;
#[cfg(test)]
mod samples;
mod table;
mod update;
mod version;

pub use cli::main;
