//! Where things are: the checkout, the cache folder, scratch folders.

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The checkout that this runs for.
///
/// Asked of cargo at run time: a program in a target folder that several checkouts share may have been compiled from
/// another one of them.
pub fn workspace() -> PathBuf {
    let member = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    member.parent().unwrap_or(&member).to_owned()
}

/// The path that an environment variable names; an empty one names none.
pub fn named_by(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The folder for everything that is made once and used by every checkout: tools, npm packages, images, builds.
/// `DEVFLOW_CACHE`, else `$XDG_CACHE_HOME/devflow`, else `~/.cache/devflow`.
pub fn cache() -> Result<PathBuf> {
    if let Some(folder) = named_by("DEVFLOW_CACHE") {
        return std::path::absolute(&folder).with_context(|| format!("DEVFLOW_CACHE ({})", folder.display()));
    }
    if let Some(base) = named_by("XDG_CACHE_HOME") {
        return Ok(base.join("devflow"));
    }
    let home = named_by("HOME").context(
        "neither DEVFLOW_CACHE nor HOME is set: set DEVFLOW_CACHE to a folder that may grow to 10 GB",
    )?;
    Ok(home.join(".cache/devflow"))
}

/// Programs of npm packages, a fitting `node` among them.
pub fn npm_bin() -> Result<PathBuf> {
    Ok(cache()?.join("npm/node_modules/.bin"))
}

/// `PATH` with the npm programs first.
pub fn path_with_npm() -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    Ok(format!("{}:{path}:/usr/sbin:/sbin", npm_bin()?.display()))
}

/// A program of this workspace: the one that `variable` names, else the one beside the program that runs.
pub fn own_program(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let beside = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|file| file.exists());
    beside.with_context(|| {
        format!("{name} is not built; run `cargo build -p {name}`, or set {variable} to its path")
    })
}

/// A program of the system: from `PATH`, else from the places that a user's `PATH` often lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|file| {
            fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// A folder under `/tmp` that is removed on drop (kept with `DEVFLOW_KEEP=1`, to look at logs).
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes `/tmp/df-xxxxxx`, readable by the users that Nginx and MariaDB run as.
    pub fn new() -> Result<Self> {
        let mut random = [0u8; 3];
        getrandom::fill(&mut random).context("no random bytes from the system")?;
        let path = Path::new("/tmp").join(format!("df-{}", hex::encode(random)));
        fs::create_dir(&path)
            .with_context(|| format!("cannot make the scratch folder {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("DEVFLOW_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}
