//! Compiled PHP that the commands of a project's deployments share: Composer and a framework's console compile a thousand
//! files each time they are started.
//!
//! PHP trusts a compiled file as long as the time of its source is the same. Packages may come with the times of their
//! archive, so that two versions of a file can have one time: there is a folder for each set of packages and each image.
//! Files of the release itself are as old as its checkout, and PHP does not keep what is younger than two seconds, so
//! that what is written twice in one second is never taken for the same.

use super::prepare::rel;
use super::record::make_dir;
use super::run::{Run, blocking};
use crate::host::Result;
use crate::host::tree::Tree;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The folder below the release's `conf` that only commands read.
pub(crate) const CLI_CONF: &str = "cli.d";
/// Files that decide which packages a release has.
const PACKAGES: [&str; 2] = ["composer.json", "composer.lock"];

/// The settings. Those of the project come before them: what would make the folder's content wrong is set here again.
fn settings(folder: &Path) -> String {
    format!(
        "; Written by host-runner.\nopcache.enable_cli = 1\nopcache.file_cache = \"{}\"\n\
         opcache.file_cache_only = 1\nopcache.validate_timestamps = 1\nopcache.file_update_protection = 2\n\
         opcache.file_cache_consistency_checks = 1\nopcache.jit_buffer_size = 0\nopcache.preload =\n",
        folder.display()
    )
}

impl Run<'_> {
    /// Lets the commands of this release share compiled files with those of others that have the same packages.
    ///
    /// # Errors
    /// A folder cannot be read or written.
    pub(crate) async fn share_bytecode(&self, image: &str) -> Result<()> {
        if self.spec.container.is_some() {
            return Ok(());
        }
        let mut hash = Sha256::new();
        hash.update(format!("{image}\0"));
        let (app, cache, uid) = (self.release.app(), self.layout.cache(), self.uid);
        let name = blocking(move || {
            Tree::open(&app, uid)?.hash(&PACKAGES.map(rel), &mut hash)?;
            let name = hex::encode(&hash.finalize()[..12]);
            Tree::open(&cache, uid)?.keep_only(&rel("bytecode"), &name)?;
            Ok(name)
        })
        .await?;
        let folder = self.layout.cache().join("bytecode").join(name);
        make_dir(
            &self.release.conf().join(CLI_CONF),
            0o550,
            Some(self.uid),
            Some(self.uid),
        )?;
        self.write_conf("cli.d/bytecode.ini", &settings(&folder))
    }
}
