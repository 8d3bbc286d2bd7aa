//! A developer's clone and the bare repository that it pushes to.

use crate::process::output;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a push changed, for the webhook that tells of it.
#[derive(Clone, Debug)]
pub struct Push {
    /// `refs/heads/…`.
    pub ref_name: String,
    /// The commit before; zeros for a new branch.
    pub before: String,
    /// The commit after; zeros for a deletion.
    pub after: String,
    /// The head commit's message.
    pub message: String,
    /// Files that the push touched.
    pub files: Vec<String>,
    /// Whether history was rewritten.
    pub forced: bool,
}

/// A clone with its remote.
#[derive(Clone, Debug)]
pub struct Repository {
    clone: PathBuf,
    bare: PathBuf,
}

impl Repository {
    /// Makes `<folder>/<name>.git` and a clone `<folder>/<name>` that holds a copy of `template`, not yet pushed.
    pub fn new(folder: &Path, name: &str, template: Option<&Path>) -> Result<Self> {
        let bare = folder.join(format!("{name}.git"));
        let clone = folder.join(name);
        fs::create_dir_all(folder)?;
        let here = Self { clone, bare };
        output(
            Command::new("git")
                .args(["init", "-q", "--bare", "-b", "main"])
                .arg(&here.bare),
        )?;
        output(
            Command::new("git")
                .args(["init", "-q", "-b", "main"])
                .arg(&here.clone),
        )?;
        here.git(&["config", "user.name", "Ada"])?;
        here.git(&["config", "user.email", "ada@example.com"])?;
        here.git(&["config", "commit.gpgsign", "false"])?;
        here.git(&["remote", "add", "origin", &here.bare.display().to_string()])?;
        if let Some(template) = template {
            copy_tree(template, &here.clone)?;
        }
        Ok(here)
    }

    /// The developer's folder.
    pub fn path(&self) -> &Path {
        &self.clone
    }

    /// The bare repository's folder.
    pub fn bare(&self) -> &Path {
        &self.bare
    }

    /// Where the runner clones from.
    pub fn url(&self) -> String {
        format!("file://{}", self.bare.display())
    }

    /// Runs git in the clone.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        let text = output(Command::new("git").arg("-C").arg(&self.clone).args(arguments))?;
        Ok(text.trim_end().to_owned())
    }

    /// Writes a file of the clone, with its folders.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.clone.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads a file of the clone.
    pub fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.clone.join(file)).with_context(|| format!("cannot read {file} of the clone"))
    }

    /// Commits everything and pushes the branch that is checked out.
    pub fn push(&self, message: &str) -> Result<Push> {
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", message])?;
        self.push_head(false)
    }

    /// Pushes the branch that is checked out as it is.
    pub fn push_head(&self, forced: bool) -> Result<Push> {
        let branch = self.git(&["symbolic-ref", "--short", "HEAD"])?;
        let before = self
            .git(&[
                "rev-parse",
                "-q",
                "--verify",
                &format!("refs/remotes/origin/{branch}"),
            ])
            .unwrap_or_else(|_| "0".repeat(40));
        // With an upstream, so that a person in this folder pushes by `git push`.
        let mut arguments = vec!["push", "-q", "-u", "origin", branch.as_str()];
        if forced {
            arguments.insert(1, "--force");
        }
        self.git(&arguments)?;
        let after = self.git(&["rev-parse", "HEAD"])?;
        Ok(Push {
            ref_name: format!("refs/heads/{branch}"),
            forced,
            ..self.describe(&before, &after)?
        })
    }

    /// The tip of `main` in the bare repository.
    pub fn tip(&self) -> Result<String> {
        let text = output(
            Command::new("git")
                .arg("-C")
                .arg(&self.bare)
                .args(["rev-parse", "refs/heads/main"]),
        )?;
        Ok(text.trim_end().to_owned())
    }

    /// What a provider would say of a push to `main` from one commit to another.
    pub fn describe(&self, before: &str, after: &str) -> Result<Push> {
        let files = self.git(&["show", "--pretty=format:", "--name-only", after])?;
        Ok(Push {
            ref_name: "refs/heads/main".to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            message: self.git(&["log", "-1", "--format=%B", after])?,
            files: files
                .lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            forced: false,
        })
    }
}

/// Copies files, folders and links, modes included.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
            fs::set_permissions(
                &target,
                fs::Permissions::from_mode(entry.metadata()?.permissions().mode()),
            )?;
        }
    }
    Ok(())
}
