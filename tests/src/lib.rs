//! The real parts of an installation, each started by hand in a folder of its own: the worker in workerd, runners,
//! Docker, Nginx, MariaDB, Redis, Git repositories, a browser, the command, a server that records. The stories in
//! `tests/`, `cargo xtask demo` and `cargo xtask bench` all use these, so that what is shown is what is tested.
//!
//! Everything ends when its value is dropped. Ports come from the OS. Scratch folders have short names, because a
//! Unix socket's path ends at 107 bytes.

pub mod alone;
pub mod api;
pub mod authenticator;
pub mod browser;
pub mod chaos;
pub mod cli;
pub mod conditional;
pub mod contract;
pub mod database;
pub mod docker;
#[cfg(test)]
mod documents;
pub mod edge;
pub mod git;
pub mod git_host;
pub mod house;
pub mod http;
pub mod line;
pub mod load;
pub mod long_output;
pub mod mariadb;
pub mod nginx;
pub mod owner;
mod page;
pub mod pair;
pub mod places;
pub mod plain;
pub mod process;
pub mod realistic;
pub mod recorder;
pub mod redis;
pub mod relay;
pub mod runner;
pub mod sample;
pub mod server;
pub mod session;
pub mod sshd;
pub mod terminal;
pub mod tls;
pub mod totp;
pub mod vps;
pub mod webhook;
