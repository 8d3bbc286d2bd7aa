//! What a job works with on this server: configuration and the tools it names.

use crate::config::Config;

/// The server, as the jobs see it. Built once from the configuration.
#[derive(Debug)]
pub(crate) struct Host {
    /// The runner's configuration.
    pub(crate) config: Config,
}
