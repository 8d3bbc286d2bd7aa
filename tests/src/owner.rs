//! Who owns an installation, at the checkout: its folder of keys and `cargo xtask`, for a worker on this machine.

use crate::places;
use crate::process::output;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The owner of a worker.
#[derive(Debug)]
pub struct Owner {
    settings: PathBuf,
    folder: PathBuf,
}

impl Owner {
    /// The owner of the worker in `edge`, who keeps its keys in `folder` as `deploy-edge` does.
    pub fn of(edge: &Path, folder: &Path) -> Result<Self> {
        let settings = edge.join("edge.json");
        let told: Value = serde_json::from_slice(&fs::read(&settings)?)?;
        fs::create_dir_all(folder)?;
        for (name, file) in [("JOB_KEY", "job.key"), ("DATA_KEY", "data.key")] {
            let file = folder.join(file);
            fs::write(&file, told["vars"][name].as_str().context("no key")?)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(Self {
            settings,
            folder: folder.to_owned(),
        })
    }

    /// Runs a command of `cargo xtask` for that worker; gives what it printed.
    pub fn xtask(&self, arguments: &[&str]) -> Result<String> {
        output(&mut self.command(arguments)?)
    }

    /// The same, to be run otherwise.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(places::own_program("xtask", "DEVFLOW_XTASK")?);
        command
            .args(arguments)
            .arg("--folder")
            .arg(&self.folder)
            .arg("--local")
            .arg(&self.settings);
        Ok(command)
    }
}
