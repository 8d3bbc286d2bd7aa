//! Trees that a step makes and that are kept between deployments, `vendor` for example.
//!
//! A tree is named by the hash of all that made it. Copying thousands of files takes longer than most steps, so that a
//! copy for the next deployment, the *spare*, is made beside the observation and only has to be moved in.
//!
//! ```text
//! cache/trees/<step>/<hash>     as the step made it; the newest five of a step
//! cache/spares/<step>/<hash>    a copy for the next deployment; one of a step
//! ```

use super::run::{Run, blocking};
use crate::host::docker::Ended;
use crate::host::tree::Tree;
use crate::host::{HostError, Result};
use devflow_protocol::project::{Step, StepCache};
use devflow_protocol::text::RelPath;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest copy of a tree.
const COPY_LIMIT: Duration = Duration::from_mins(5);
/// Takes a tree from the cache. The copy runs as the project's user in its container: nothing that a hostile build
/// puts in its way leads out of there.
const RESTORE: &str = r#"rm -rf -- "$2" && mkdir -p -- "$(dirname -- "$2")" && cp -a --reflink=auto -- "$1" "$2" && touch -- "$1""#;
/// Keeps a tree, whole or not at all, and the newest five of its step.
const KEEP: &str = r#"[ -d "$1" ] || exit 0; dir=$(dirname -- "$2"); mkdir -p -- "$dir" && rm -rf -- "$2.part" && cp -a --reflink=auto -- "$1" "$2.part" && touch -- "$2.part" && mv -T -- "$2.part" "$2" && cd -- "$dir" && ls -1dt -- * | tail -n +6 | while read -r old; do rm -rf -- "$old"; done"#;
/// Makes the spare of a tree, whole or not at all, and removes what else is there for its step.
const SPARE: &str = r#"[ -d "$1" ] || exit 0; dir=$(dirname -- "$2"); mkdir -p -- "$dir" && cd -- "$dir" || exit 1; for old in *; do [ "$old" = "$(basename -- "$2")" ] || rm -rf -- "$old"; done; touch -- "$1"; [ -d "$2" ] || { nice -n 19 cp -a --reflink=auto -- "$1" "$2.part" && mv -T -- "$2.part" "$2"; }"#;

/// Where a tree is kept, relative to the project's cache.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    name: String,
    cache: PathBuf,
}

impl Kept {
    fn tree(&self) -> PathBuf {
        self.cache.join("trees").join(&self.name)
    }

    fn spare(&self) -> PathBuf {
        self.cache.join("spares").join(&self.name)
    }
}

impl Run<'_> {
    /// Names the tree that a step would make of the files in the release.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(crate) async fn kept(&self, step: &Step, cache: &StepCache, image: &str) -> Result<Kept> {
        let mut hash = Sha256::new();
        hash.update(format!("{image}\0{}\0{}\0", cache.path, step.argv.join("\0")));
        let (paths, app, uid) = (cache.key.clone(), self.release.app(), self.uid);
        let hash = blocking(move || Tree::open(&app, uid)?.hash(&paths, &mut hash).map(|()| hash)).await?;
        Ok(Kept {
            name: format!("{}/{}", step.name, hex::encode(&hash.finalize()[..12])),
            cache: self.layout.cache(),
        })
    }

    /// Puts a kept tree into the release; false where none is kept or it cannot be copied.
    ///
    /// # Errors
    /// The engine breaks off.
    pub(crate) async fn restore(
        &self,
        step: &Step,
        cache: &StepCache,
        kept: &Kept,
        container: &str,
    ) -> Result<bool> {
        if !kept.tree().is_dir() {
            return Ok(false);
        }
        self.use_tree(kept);
        let whole = self.move_spare(kept, &cache.path).await
            || self
                .script(RESTORE, &[&text(&kept.tree()), cache.path.as_str()], container)
                .await?;
        let words = if whole {
            "was taken from the cache"
        } else {
            "could not be copied from the cache"
        };
        self.note(&step.name, &format!("`{}` {words}", cache.path));
        Ok(whole)
    }

    /// Both folders are the project's own, so what is moved can be anything; it is only ever a name that moves.
    async fn move_spare(&self, kept: &Kept, to: &RelPath) -> bool {
        let Ok(spare) = format!("spares/{}", kept.name).parse::<RelPath>() else {
            return false;
        };
        let (cache, app, uid, to) = (self.layout.cache(), self.release.app(), self.uid, to.clone());
        let moved = blocking(move || {
            let (cache, app) = (Tree::open(&cache, uid)?, Tree::open(&app, uid)?);
            if app.has(&to) || !cache.has_dir(&spare) {
                return Err(HostError::new("there is no spare, or something is in its place"));
            }
            cache
                .move_to(&spare, &app, &to)
                .map_err(|error| HostError::because("move the spare", error))
        });
        match moved.await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "a tree is copied instead of moved");
                false
            }
        }
    }

    /// Keeps what a step made for the next deployments.
    ///
    /// # Errors
    /// The engine breaks off.
    pub(crate) async fn keep(
        &self,
        step: &Step,
        cache: &StepCache,
        kept: &Kept,
        container: &str,
    ) -> Result<()> {
        if self
            .script(KEEP, &[cache.path.as_str(), &text(&kept.tree())], container)
            .await?
        {
            self.use_tree(kept);
        } else {
            self.note(
                &step.name,
                &format!("`{}` could not be kept for the next deployment", cache.path),
            );
        }
        Ok(())
    }

    /// Makes the copies that the next deployment moves in. One that fails only makes that one slower.
    pub(crate) async fn make_spares(&self, container: &str) {
        for kept in self.used_trees() {
            let made = self
                .script(SPARE, &[&text(&kept.tree()), &text(&kept.spare())], container)
                .await;
            if !matches!(made, Ok(true)) {
                tracing::warn!(job.id = %self.job.job.id, tree = kept.name, ?made, "no spare copy was made");
            }
        }
    }

    async fn script(&self, script: &str, arguments: &[&str], container: &str) -> Result<bool> {
        let mut argv: Vec<String> = ["sh", "-c", script, "sh"].map(str::to_owned).into();
        argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let docker = &self.host().docker;
        Ok(docker
            .exec(container, &argv, COPY_LIMIT, self.cancel(), |_, _| {})
            .await?
            == Ended::Exit(0))
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
