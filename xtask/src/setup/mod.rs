//! Finds what the other commands need, or installs it into the cache folder. Nothing is done twice. Debian packages
//! are listed before they are installed, and only root installs them.

mod apt;
mod engine;
mod image;
pub(crate) mod musl;
mod server;
mod tools;
pub(crate) mod wasm;

pub(crate) use tools::{WORKER_BUILD, node};

use anyhow::{Context, Result, ensure};
use devflow_tests::{docker::Engine, places};
use std::fs::{self, File};

/// What a command needs of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Servers, projects, deployments.
    Installation,
    /// Also a browser, a load generator and PHP on the machine itself.
    Stories,
    /// Also what others use, to be measured beside.
    Benches,
}

/// Everything; the engine ends with the value that is returned, where one had to be started.
pub(crate) fn everything() -> Result<Option<Engine>> {
    for_edge()?;
    for_servers(Need::Stories)
}

/// What building and running the worker needs.
pub(crate) fn for_edge() -> Result<()> {
    let _lock = lock("setup")?;
    wasm::install()?;
    tools::install()
}

/// Programs of the system alone.
pub(crate) fn packages(need: Need) -> Result<()> {
    let _lock = lock("setup")?;
    apt::install(need)
}

/// Refuses whoever is not root, in a sentence, before anything that takes long.
pub(crate) fn root() -> Result<()> {
    ensure!(
        nix::unistd::Uid::effective().is_root(),
        "this needs root, as a server does: each project's files belong to a system user of its own. With your own Rust:\n  \
         sudo -E env \"PATH=$PATH\" cargo xtask …"
    );
    Ok(())
}

/// What a server needs: root, Debian packages, an engine that answers, the PHP image.
pub(crate) fn for_servers(need: Need) -> Result<Option<Engine>> {
    root()?;
    let _lock = lock("setup")?;
    apt::install(need)?;
    let (docker, started) = engine::engine()?;
    image::install(&docker)?;
    if need >= Need::Stories {
        server::install()?;
    }
    Ok(started)
}

/// Two commands at once must not write into the same part of the cache folder; held as long as the value.
pub(crate) fn lock(part: &str) -> Result<File> {
    let cache = places::cache()?;
    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot make the cache folder {}", cache.display()))?;
    let path = cache.join(format!("{part}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!(
            "… waiting for another `cargo xtask` that writes into {}",
            cache.display()
        );
        file.lock().context("cannot lock the cache folder")?;
    }
    Ok(file)
}
