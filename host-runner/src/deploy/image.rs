//! The image of a Dockerfile project: what it may be made of, its build, its name.

use super::complaint::{Complaint, plain};
use super::layout::{Layout, ReleaseDir};
use super::run::{Run, blocking, step_name};
use crate::host::docker::{Build, Ended};
use crate::host::tree::Tree;
use crate::host::{Doing, Host, HostError, Result};
use crate::policy::Policy;
use devflow_domain::dockerfile;
use devflow_domain::dockerignore::Ignored;
use devflow_protocol::DeploymentId;
use devflow_protocol::project::{ContainerSpec, ProjectSpec};
use devflow_protocol::text::{RelPath, Slug};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Longest build.
const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// What the image of a release is called. Runners that share an engine have different networks, and so different images.
pub(crate) fn image_name(layout: &Layout, release: &DeploymentId) -> String {
    format!("{}:{release}", layout.network())
}

/// Whether the images that a release's Dockerfile names are allowed on this server; those without one are fine.
///
/// # Errors
/// One sentence: what is forbidden, or cannot be told from the file.
pub(crate) fn judge(
    policy: &Policy,
    spec: &ProjectSpec,
    release: &ReleaseDir,
    uid: u32,
) -> Result<(), String> {
    let Some(container) = &spec.container else {
        return Ok(());
    };
    let read = || {
        let text = dockerfile_of(&Tree::open(&release.app(), uid)?, container)?;
        dockerfile::read(&text).map_err(|error| HostError::new(error.to_string()))
    };
    let found = read().map_err(|error| error.to_string())?;
    policy.judge_images(&spec.slug, &found)
}

fn dockerfile_of(tree: &Tree, container: &ContainerSpec) -> Result<String> {
    let path = &container.dockerfile;
    tree.read(path)?.ok_or_else(|| {
        HostError::new(format!(
            "the repository has no file `{path}`, which the settings name as its Dockerfile; correct the setting"
        ))
    })
}

impl Run<'_> {
    /// Builds the release's image.
    ///
    /// # Errors
    /// The Dockerfile is not there, takes what the server's policy forbids, or its build fails.
    pub(crate) async fn build_image(&self, container: &ContainerSpec) -> Result<()> {
        // What passes requests on is of another image, which has to be here too.
        self.host().docker.image_id(self.spec.image.as_str()).await?;
        let (app, uid) = (self.release.app(), self.uid);
        judge(&self.job.policy, self.spec, &self.release, uid).map_err(HostError::new)?;
        let wanted = container.clone();
        let files = blocking(move || {
            let ignored = ignored(&Tree::open(&app, uid)?, &wanted)?;
            list(&app, &ignored, &wanted.dockerfile)
        })
        .await?;
        let tag = image_name(&self.layout, &self.release.id);
        let (app, step) = (self.release.app(), step_name("image"));
        let build = Build {
            folder: &app,
            files: &files,
            dockerfile: container.dockerfile.as_str(),
            tag: &tag,
            project: self.layout.slug().as_str(),
            release: self.release.id.as_str(),
            limit: BUILD_LIMIT,
        };
        let mut complaint = Complaint::default();
        let shown = |stream, line: &str| {
            let line = plain(line);
            complaint.take(stream, &line);
            self.job.events.output(&step, stream, &line);
        };
        match self.host().docker.build(build, self.cancel(), shown).await? {
            Ended::Exit(0) => Ok(()),
            Ended::Exit(code) => Err(HostError::new(format!(
                "the build of `{}` failed: {}",
                container.dockerfile,
                complaint.words(code)
            ))),
            Ended::TimedOut => Err(HostError::new(format!(
                "the build of `{}` took longer than {} min; make it need less, for example with cache mounts",
                container.dockerfile,
                BUILD_LIMIT.as_secs() / 60
            ))),
            Ended::Cancelled => Err(HostError::new("the job was cancelled")),
        }
    }
}

/// What is left out of a build: as the file beside the Dockerfile says, or the usual one.
fn ignored(tree: &Tree, container: &ContainerSpec) -> Result<Ignored> {
    let beside = format!("{}.dockerignore", container.dockerfile);
    for path in [beside.as_str(), ".dockerignore"] {
        let path: RelPath = path.parse().doing(|| format!("look for `{path}`"))?;
        if let Some(text) = tree.read(&path)? {
            return Ignored::read(&text).ok_or_else(|| {
                HostError::new(format!(
                    "`{path}` has more than 500 lines; name folders instead of files"
                ))
            });
        }
    }
    Ok(Ignored::default())
}

/// The paths of all files, folders and links below `app`, each ended by a NUL. The Dockerfile is among them whatever is
/// ignored.
fn list(app: &Path, ignored: &Ignored, dockerfile: &RelPath) -> Result<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = || {
            let mut entries = fs::read_dir(app.join(&folder))?.collect::<std::io::Result<Vec<_>>>()?;
            entries.sort_unstable_by_key(fs::DirEntry::file_name);
            Ok::<_, std::io::Error>(entries)
        };
        for entry in entries().doing(|| format!("list the files in `{folder}`"))? {
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                HostError::new(format!(
                    "a file in `{folder}` has a name that is no text; rename it"
                ))
            })?;
            let path = if folder.is_empty() {
                name.to_owned()
            } else {
                format!("{folder}/{name}")
            };
            if path == dockerfile.as_str() || !ignored.leaves_out(&path) {
                found.extend_from_slice(path.as_bytes());
                found.push(0);
            }
            // A line of the file may take back what is in a folder that is left out.
            if entry.file_type().doing(|| format!("look at `{path}`"))?.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(found)
}

/// Removes the images of a project.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn remove_images(host: &Host, slug: &Slug) -> Result<()> {
    for name in host.docker.images(slug.as_str()).await? {
        host.docker.remove_image(&name).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_names_what_is_built_from_and_no_more() {
        let app = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("Dockerfile", "FROM scratch"),
            ("src/a.php", ""),
            ("src/deep/b.php", ""),
            ("tests/t.php", ""),
            ("tests/keep/k.php", ""),
        ] {
            let path = app.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        std::os::unix::fs::symlink("/etc", app.path().join("link")).expect("a link");
        let ignored = Ignored::read("*file\ntests\n!tests/keep\n").expect("few lines");
        let found = list(app.path(), &ignored, &"Dockerfile".parse().expect("a path")).expect("a list");
        let text = String::from_utf8(found).expect("text");
        let mut names: Vec<&str> = text.split_terminator('\0').collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "Dockerfile",
                "link",
                "src",
                "src/a.php",
                "src/deep",
                "src/deep/b.php",
                "tests/keep",
                "tests/keep/k.php"
            ]
        );
    }
}
