//! `host-runner run`: the agent in the foreground, one at a time on a state folder.

use crate::agent::{self, Ending, Parts};
use crate::config::Config;
use crate::facts;
use crate::files;
use crate::host::Host;
use crate::identity::{Identity, deploy_key};
use crate::journal::Journal;
use crate::policy::Policy;
use crate::update;
use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

pub(super) fn execute(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let identity = Identity::load(&config.state_dir)?;
    files::private_dir(&config.state_dir)
        .with_context(|| format!("cannot use {}", config.state_dir.display()))?;
    let _alone = lock(config)?;
    // Before all that another version could fail at.
    let program = std::env::current_exe().context("cannot find the runner's own program")?;
    if update::begin(&config.state_dir, &program) {
        return Err(begin_anew(&program));
    }
    let host = Arc::new(Host::new(config.clone()).context("the server's tools cannot be used")?);
    let journal = Journal::open(&config.state_dir)?;
    let policy = Policy::load(&config.policy_file)?.unwrap_or_else(|| {
        tracing::info!(path = %config.policy_file.display(), "there is no policy file; the built-in policy holds");
        Policy::default()
    });
    let deploy_key = deploy_key::ensure(&config.state_dir, &facts::hostname())
        .context("cannot read the key for repositories")?;
    let parts = Parts {
        host,
        identity,
        policy,
        journal,
        deploy_key: Some(deploy_key),
        config_file: file.to_owned(),
    };
    match super::runtime()?.block_on(agent::run(config, parts))? {
        Ending::Stopped => Ok(ExitCode::SUCCESS),
        Ending::Replaced => Err(begin_anew(&program)),
        Ending::Superseded => {
            tracing::error!(
                "another runner with this server's keys has taken over; if that is a copy of this machine, enrol \
                 one of the two as a new server"
            );
            Ok(ExitCode::from(super::SUPERSEDED))
        }
    }
}

/// Goes on as the program that is in place now, in this process; gives why that is not possible.
fn begin_anew(program: &Path) -> anyhow::Error {
    let error = Command::new(program).args(std::env::args_os().skip(1)).exec();
    anyhow::Error::new(error).context(format!("cannot start {}", program.display()))
}

/// Two runners on one journal would do every job twice.
fn lock(config: &Config) -> anyhow::Result<File> {
    let path = config.state_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another host-runner uses {}; stop it first (systemctl stop devflow-runner)",
            config.state_dir.display()
        );
    }
    Ok(file)
}
