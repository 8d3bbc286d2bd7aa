//! Where an installation's secrets and databases are.

use crate::deploy_edge::{Origin, Wrangler, folder_of, of_installation, template};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use devflow_tests::database;
use devflow_tests::places::Scratch;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Which installation a command is for.
#[derive(Args)]
pub(crate) struct Installation {
    /// Where browsers reach the edge.
    #[arg(long, required_unless_present = "local")]
    origin: Option<Origin>,
    /// The installation's folder, with its keys [default: ~/.config/devflow/edge/HOST].
    #[arg(long, required_unless_present = "origin")]
    folder: Option<PathBuf>,
    /// A worker on this machine, by its settings file (see xtask/node/edge.mjs).
    #[arg(long, value_name = "FILE", conflicts_with = "origin", requires = "folder")]
    local: Option<PathBuf>,
}

impl Installation {
    /// Where browsers reach it; None for a worker on this machine.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        match (&self.origin, self.folder.as_deref()) {
            (Some(origin), named) => folder_of(origin, named),
            (None, Some(named)) => Ok(std::path::absolute(named)?),
            (None, None) => {
                bail!("name the installation by --origin, or a worker on this machine by --local")
            }
        }
    }

    /// The place of the one in `folder`, or of the worker that was named.
    pub(crate) fn place(&self, folder: &Path) -> Result<Place> {
        Place::of(self.local.as_deref(), folder)
    }
}

pub(crate) enum Place {
    /// An account, by the installation's configuration.
    Cloudflare(Wrangler),
    /// A worker on this machine, by its settings file.
    Local(PathBuf),
}

impl Place {
    /// The place of the installation in `folder`, or of the worker whose settings file is `local`.
    fn of(local: Option<&Path>, folder: &Path) -> Result<Self> {
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
    pub(crate) fn setting(&self, name: &'static str) -> Result<Option<String>> {
        let sql = format!("SELECT value FROM settings WHERE name = '{name}'");
        Ok(self.column(&sql)?.pop())
    }

    /// The edge's id.
    pub(crate) fn edge(&self) -> Result<String> {
        self.setting("edge_id")?.context("the database names no edge")
    }

    /// The column `value` of the rows of a query on the database of the state.
    pub(crate) fn column(&self, sql: &str) -> Result<Vec<String>> {
        match self {
            Self::Cloudflare(wrangler) => wrangler.column(sql),
            Self::Local(file) => {
                let database = database::open(&persisted(file)?, "settings")?;
                let mut statement = database.prepare(sql)?;
                let values = statement.query_map([], |row| row.get(0))?;
                Ok(values.collect::<Result<_, _>>()?)
            }
        }
    }

    /// Whether there is no database of the state yet; asked of a worker on this machine.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        match self {
            Self::Cloudflare(wrangler) => Ok(wrangler.databases()?.is_empty()),
            Self::Local(file) => {
                let folder = persisted(file)?;
                Ok(!folder.exists() || database::open(&folder, "settings").is_err())
            }
        }
    }

    /// Writes a dump of a database.
    pub(crate) fn export(&self, database: &str, to: &Path) -> Result<()> {
        self.with_wrangler(|wrangler| wrangler.export(database, to))
    }

    /// Runs the statements of a file on a database.
    pub(crate) fn import(&self, database: &str, from: &Path) -> Result<()> {
        self.with_wrangler(|wrangler| wrangler.import(database, from))
    }

    /// Runs statements on the database of the state.
    pub(crate) fn execute(&self, sql: &str) -> Result<()> {
        self.with_wrangler(|wrangler| wrangler.execute(sql))
    }

    /// Puts a file into the bucket.
    pub(crate) fn put_object(&self, key: &str, file: &Path) -> Result<()> {
        self.with_wrangler(|wrangler| wrangler.put_object(key, file))
    }

    /// Wrangler for databases and bucket; those of a worker on this machine are where Wrangler looks for its own.
    fn with_wrangler(&self, work: impl FnOnce(&Wrangler) -> Result<()>) -> Result<()> {
        match self {
            Self::Cloudflare(wrangler) => work(wrangler),
            Self::Local(file) => {
                let scratch = Scratch::new()?;
                let state = scratch.path().join(".wrangler/state");
                let folder = persisted(file)?;
                fs::create_dir_all(&state)?;
                fs::create_dir_all(&folder)?;
                symlink(&folder, state.join("v3"))?;
                let wrangler = Wrangler::local(scratch.path().join("wrangler.toml"))?;
                let origin = "https://devflow.example.com"
                    .parse()
                    .map_err(anyhow::Error::msg)?;
                wrangler.configure(&of_installation(template()?, &origin, &[])?)?;
                work(&wrangler)
            }
        }
    }

    /// Whether the Worker has a secret of that name.
    pub(crate) fn has_secret(&self, name: &str) -> Result<bool> {
        match self {
            Self::Cloudflare(wrangler) => Ok(wrangler.secrets()?.iter().any(|secret| secret == name)),
            Self::Local(file) => Ok(read(file)?["vars"][name].is_string()),
        }
    }

    /// Gives the Worker these secrets, all at once.
    pub(crate) fn put_secrets(&self, secrets: &[(&str, String)]) -> Result<()> {
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
    pub(crate) fn delete_secret(&self, name: &str) -> Result<()> {
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

/// Where a worker on this machine has its databases.
fn persisted(file: &Path) -> Result<PathBuf> {
    let settings = read(file)?;
    let folder = settings["persist"]
        .as_str()
        .context("the settings name no folder")?;
    Ok(folder.into())
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
