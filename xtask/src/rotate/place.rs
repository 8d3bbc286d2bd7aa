//! Where an installation's secrets and databases are.

use crate::deploy_edge::Wrangler;
use anyhow::{Context, Result, ensure};
use devflow_tests::database;
use rusqlite::OptionalExtension as _;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) enum Place {
    /// An account, by the installation's configuration.
    Cloudflare(Wrangler),
    /// A worker on this machine, by its settings file.
    Local(PathBuf),
}

impl Place {
    /// The place of the installation in `folder`, or of the worker whose settings file is `local`.
    pub(super) fn of(local: Option<&Path>, folder: &Path) -> Result<Self> {
        if let Some(file) = local {
            return Ok(Self::Local(file.to_owned()));
        }
        let config = folder.join("wrangler.toml");
        ensure!(
            config.exists(),
            "{} is not there: name the folder that `cargo xtask deploy-edge` made with --folder",
            config.display()
        );
        let wrangler = Wrangler::new(config)?;
        wrangler.check_account()?;
        Ok(Self::Cloudflare(wrangler))
    }

    /// A fact of the installation, from its database.
    pub(super) fn setting(&self, name: &'static str) -> Result<Option<String>> {
        match self {
            Self::Cloudflare(wrangler) => wrangler.setting(name),
            Self::Local(file) => {
                let settings = read(file)?;
                let folder = settings["persist"]
                    .as_str()
                    .context("the settings name no folder")?;
                let database = database::open(Path::new(folder), "settings")?;
                let sql = "SELECT value FROM settings WHERE name = ?1";
                Ok(database.query_row(sql, [name], |row| row.get(0)).optional()?)
            }
        }
    }

    /// Whether the Worker has a secret of that name.
    pub(super) fn has_secret(&self, name: &str) -> Result<bool> {
        match self {
            Self::Cloudflare(wrangler) => Ok(wrangler.secrets()?.iter().any(|secret| secret == name)),
            Self::Local(file) => Ok(read(file)?["vars"][name].is_string()),
        }
    }

    /// Gives the Worker these secrets, all at once.
    pub(super) fn put_secrets(&self, secrets: &[(&str, String)]) -> Result<()> {
        match self {
            Self::Cloudflare(wrangler) => wrangler.put_secrets(secrets),
            Self::Local(file) => {
                let mut settings = read(file)?;
                for (name, value) in secrets {
                    settings["vars"][*name] = Value::from(value.as_str());
                }
                write(file, &settings)
            }
        }
    }

    /// Takes a secret away from the Worker.
    pub(super) fn delete_secret(&self, name: &str) -> Result<()> {
        match self {
            Self::Cloudflare(wrangler) => wrangler.delete_secret(name),
            Self::Local(file) => {
                let mut settings = read(file)?;
                if let Some(vars) = settings["vars"].as_object_mut() {
                    vars.remove(name);
                }
                write(file, &settings)
            }
        }
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}

fn write(file: &Path, settings: &Value) -> Result<()> {
    let staged = file.with_extension("new");
    fs::write(&staged, settings.to_string())
        .and_then(|()| fs::rename(&staged, file))
        .with_context(|| format!("cannot write {}", file.display()))
}
