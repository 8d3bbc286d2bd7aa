//! Steps that run once for each tenant of an application: several at a time, with a result for each. Where a deployment
//! stopped in the middle, the next one of the same commit goes on behind those that are done.

use super::record::ReleaseRecord;
use super::run::Run;
use crate::host::{Doing, HostError, Result};
use devflow_protocol::project::{Phase, Step, Tenants};
use devflow_protocol::text::GitSha;
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Tenants that are worked on at a time.
const AT_ONCE: usize = 4;
/// Most tenants of one project.
const MOST: usize = 10_000;
/// Failed tenants that are named in a reason.
const NAMED: usize = 5;

/// What stands in a step's arguments for the tenant's key.
const PLACE: &str = "{tenant}";

impl Run<'_> {
    /// Runs a step for all tenants.
    ///
    /// # Errors
    /// The tenants cannot be listed, more of them fail than may, or the job was cancelled.
    pub(crate) async fn each_tenant(
        &self,
        step: &Step,
        tenants: &Tenants,
        container: &str,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let all = self.tenants(step, tenants, container, cancel).await?;
        let mut progress = self.progress(step)?;
        let waiting: Vec<&String> = all.iter().filter(|key| !progress.done.contains(*key)).collect();
        let before = all.len() - waiting.len();
        let most = usize::from(self.spec.release.tenant_failures);
        let enough = AtomicBool::new(false);
        let mut ended = stream::iter(waiting)
            .take_while(|_| std::future::ready(!enough.load(Ordering::Relaxed)))
            .map(|key| async move { (key, self.one_tenant(step, key, container, cancel).await) })
            .buffer_unordered(AT_ONCE);
        let (mut done, mut failed) = (0, Vec::new());
        while let Some((key, result)) = ended.next().await {
            match result {
                Ok(()) => {
                    done += 1;
                    progress.add(key)?;
                }
                Err(error) => failed.push((key, error)),
            }
            enough.store(failed.len() > most || cancel.is_cancelled(), Ordering::Relaxed);
        }
        drop(ended);
        if cancel.is_cancelled() {
            return Err(HostError::new("the job was cancelled"));
        }
        let left = all.len() - before - done - failed.len();
        let summary = summary(done, before, left, &failed);
        self.note(&step.name, &summary);
        match failed.first() {
            Some((_, error)) if failed.len() > most => Err(HostError::new(format!(
                "{summary}; {error}; put it right and deploy again: the same commit goes on where this stopped"
            ))),
            _ => progress.end(),
        }
    }

    async fn one_tenant(
        &self,
        step: &Step,
        key: &str,
        container: &str,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let argv: Vec<String> = step.argv.iter().map(|word| word.replace(PLACE, key)).collect();
        let show = |stream, line: &str| {
            self.job
                .events
                .output(&step.name, stream, &format!("{key}: {line}"));
        };
        let result = self
            .run_command(None, container, &argv, step.timeout_s, cancel, show)
            .await;
        if let Err(error) = &result {
            self.note(&step.name, &format!("{key}: failed: {error}"));
        }
        result
    }

    /// The keys of all tenants.
    async fn tenants(
        &self,
        step: &Step,
        tenants: &Tenants,
        container: &str,
        cancel: &CancellationToken,
    ) -> Result<BTreeSet<String>> {
        let mut keys = BTreeSet::new();
        let mut odd = None;
        self.run_command(
            None,
            container,
            &tenants.list,
            step.timeout_s,
            cancel,
            |stream, line| {
                let line = line.trim();
                if stream != devflow_protocol::event::Stream::Out || line.is_empty() {
                    return;
                }
                if is_key(line) && keys.len() < MOST {
                    keys.insert(line.to_owned());
                } else {
                    odd.get_or_insert_with(|| line.chars().take(200).collect::<String>());
                }
            },
        )
        .await
        .map_err(|error| HostError::new(format!("cannot list the tenants: {error}")))?;
        match odd {
            None => Ok(keys),
            Some(line) => Err(HostError::new(format!(
                "cannot list the tenants: `{line}` is no key of a tenant (at most {MOST} of 1 to 128 letters, digits and \
                 - _ . : @)"
            ))),
        }
    }

    fn progress(&self, step: &Step) -> Result<Progress> {
        let record = ReleaseRecord::load(&self.release)?
            .ok_or_else(|| HostError::new("the release does not say which commit it is of"))?;
        Progress::open(&self.layout.dir().join("tenants"), step, &record.commit)
    }
}

fn is_key(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b))
}

fn summary(done: usize, before: usize, left: usize, failed: &[(&String, HostError)]) -> String {
    let counts = [
        (before, "done before"),
        (left, "left out"),
        (failed.len(), "failed"),
    ];
    let mut parts = vec![format!("tenants: {done} done")];
    parts.extend(
        counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    let text = parts.join(", ");
    let mut names: Vec<&str> = failed.iter().take(NAMED).map(|(key, _)| key.as_str()).collect();
    if failed.len() > NAMED {
        names.push("and others");
    }
    if names.is_empty() {
        text
    } else {
        format!("{text}: {}", names.join(", "))
    }
}

/// Tenants for which a step of a commit is done. On disk: the commit, then their keys, one a line.
#[derive(Debug)]
struct Progress {
    path: PathBuf,
    /// None where a step is done for all of them each time.
    file: Option<File>,
    done: BTreeSet<String>,
}

impl Progress {
    fn open(folder: &Path, step: &Step, commit: &GitSha) -> Result<Self> {
        let path = folder.join(step.name.as_str());
        let nothing = Self {
            path: path.clone(),
            file: None,
            done: BTreeSet::new(),
        };
        if step.phase != Phase::Migrate {
            return Ok(nothing);
        }
        let open = || {
            fs::create_dir_all(folder)?;
            let kept = match fs::read_to_string(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
                other => other?,
            };
            let done = done(&kept, commit);
            let mut file = File::create(&path)?;
            writeln!(file, "{commit}")?;
            for key in &done {
                writeln!(file, "{key}")?;
            }
            Ok::<_, std::io::Error>((file, done))
        };
        let (file, done) = open().doing(|| format!("keep the progress in {}", path.display()))?;
        Ok(Self {
            file: Some(file),
            done,
            ..nothing
        })
    }

    fn add(&mut self, key: &str) -> Result<()> {
        match &mut self.file {
            None => Ok(()),
            Some(file) => {
                writeln!(file, "{key}").doing(|| format!("keep the progress in {}", self.path.display()))
            }
        }
    }

    fn end(self) -> Result<()> {
        match self.file {
            None => Ok(()),
            Some(_) => fs::remove_file(&self.path).doing(|| format!("remove {}", self.path.display())),
        }
    }
}

/// What is kept of a commit; a last line that was not written whole is not of it.
fn done(kept: &str, commit: &GitSha) -> BTreeSet<String> {
    let whole = kept.rfind('\n').map_or("", |end| &kept[..end]);
    let mut lines = whole.lines();
    if lines.next() != Some(commit.as_str()) {
        return BTreeSet::new();
    }
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_is_what_was_written_whole_for_the_same_commit() {
        let commit: GitSha = "a".repeat(40).parse().expect("a commit");
        let other: GitSha = "b".repeat(40).parse().expect("a commit");
        let kept = format!("{commit}\nacme\nbeta\ngam");
        assert_eq!(Vec::from_iter(done(&kept, &commit)), ["acme", "beta"]);
        assert!(done(&kept, &other).is_empty());
        assert!(done("", &commit).is_empty());
        assert!(done(&commit.to_string(), &commit).is_empty());
    }

    #[test]
    fn keys_that_could_be_options_or_paths_are_none() {
        for key in ["1", "acme", "9b2c7e40-5a0e-4d8e-8f0a-1c1d7a3e2b11", "shop@eu.1"] {
            assert!(is_key(key), "{key}");
        }
        for key in ["", "--all", "a b", "a/b", "a$b", "ä", &"x".repeat(129)] {
            assert!(!is_key(key), "{key}");
        }
    }
}
