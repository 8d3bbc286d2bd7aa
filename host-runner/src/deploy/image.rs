//! The images of a project that is built from its repository: what they may be made of, their builds, their names.

use super::complaint::{Complaint, plain};
use super::layout::Layout;
use super::live::Old;
use super::run::{Run, blocking, step_name};
use super::services::save_compose;
use crate::host::docker::{Build, Ended};
use crate::host::tree::Tree;
use crate::host::{Doing, Host, HostError, Result};
use crate::policy::Policy;
use devflow_domain::compose::{self, Compose, Source};
use devflow_domain::dockerfile;
use devflow_domain::dockerignore::Ignored;
use devflow_protocol::DeploymentId;
use devflow_protocol::inspection::COMPOSE;
use devflow_protocol::project::{ComposeSpec, ContainerSpec, Environment};
use devflow_protocol::text::{ComposeName, RelPath, Slug};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Longest build.
const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// What an image of a release is called; `service` is the first one of a compose file that it is built for. Runners that
/// share an engine have different networks, and so different images.
pub(crate) fn image_name(layout: &Layout, release: &DeploymentId, service: Option<&ComposeName>) -> String {
    let network = layout.network();
    match service {
        Some(service) => format!("{network}:{release}-{service}"),
        None => format!("{network}:{release}"),
    }
}

/// Whether the images that a release is made of are allowed on this server; those that are not built from the repository
/// are fine.
///
/// # Errors
/// One sentence: what is forbidden, or cannot be told from the files.
pub(crate) fn judge(policy: &Policy, kept: &Old<'_>, compose: Option<&Compose>) -> Result<(), String> {
    let open = || Tree::open(&kept.release.app(), kept.uid);
    match (&kept.record.spec.container, compose) {
        (None, _) => Ok(()),
        (Some(container), None) => {
            let tree = open().map_err(|error| error.to_string())?;
            judge_build(policy, &kept.record.spec.slug, &tree, &build_of(container))
        }
        (Some(_), Some(compose)) => {
            let tree = open().map_err(|error| error.to_string())?;
            judge_services(policy, &kept.record.spec.slug, &tree, compose)
        }
    }
}

fn judge_services(policy: &Policy, slug: &Slug, tree: &Tree, compose: &Compose) -> Result<(), String> {
    for service in &compose.services {
        match &service.source {
            Source::Image(image) => policy.judge_service(slug, &service.name, image)?,
            Source::Build(build) => judge_build(policy, slug, tree, build)
                .map_err(|what| format!("service `{}`: {what}", service.name))?,
        }
    }
    Ok(())
}

fn judge_build(policy: &Policy, slug: &Slug, tree: &Tree, build: &compose::Build) -> Result<(), String> {
    let read = || {
        let path = build
            .dockerfile_path()
            .map_err(|error| HostError::new(error.to_string()))?;
        let text = tree.read(&path)?.ok_or_else(|| {
            HostError::new(format!(
                "the repository has no file `{path}`, which the settings name as its Dockerfile; correct the setting"
            ))
        })?;
        dockerfile::read_with(&text, &build.arguments).map_err(|error| HostError::new(error.to_string()))
    };
    let found = read().map_err(|error: HostError| error.to_string())?;
    policy.judge_images(slug, &found)
}

/// The build of a Dockerfile project.
fn build_of(container: &ContainerSpec) -> compose::Build {
    compose::Build {
        context: None,
        dockerfile: container.dockerfile.clone(),
        arguments: BTreeMap::new(),
        target: None,
    }
}

/// Reads the compose file of a release. `own` is what its variables are taken from.
fn read_compose(tree: &Tree, spec: &ComposeSpec, own: &Environment) -> Result<Compose> {
    let usual = || COMPOSE.iter().filter_map(|path| path.parse::<RelPath>().ok());
    let path = match &spec.file {
        Some(path) => path.clone(),
        None => usual().find(|path| tree.has(path)).ok_or_else(|| {
            HostError::new(format!(
                "the repository has none of {}; add one, or set the compose file's path",
                COMPOSE.join(", ")
            ))
        })?,
    };
    let text = tree.read(&path)?.ok_or_else(|| {
        HostError::new(format!(
            "the repository has no file `{path}`, which the settings name as its compose file; correct the setting"
        ))
    })?;
    let mut file = |path: &RelPath| tree.read(path).map_err(|error| error.to_string());
    compose::read(&text, &spec.service, own, &mut file)
        .map_err(|error| HostError::new(format!("`{path}` cannot be deployed: {error}")))
}

impl Run<'_> {
    /// Builds the images of the release, and gets those that its services take from elsewhere.
    ///
    /// # Errors
    /// A Dockerfile or the compose file is not there or cannot be deployed, takes what the server's policy forbids, or a build
    /// fails.
    pub(crate) async fn make_images(&self, container: &ContainerSpec) -> Result<()> {
        // What passes requests on is of another image, which has to be here too.
        self.host().docker.image_id(self.spec.image.as_str()).await?;
        let tree = Tree::open(&self.release.app(), self.uid)?;
        let Some(wanted) = &container.compose else {
            let build = build_of(container);
            judge_build(&self.job.policy, &self.spec.slug, &tree, &build).map_err(HostError::new)?;
            return self.build_image(&build, None).await;
        };
        let mut own = self.environment.clone();
        // It is another one for each release, and what is kept must not be.
        own.0.retain(|name, _| name.as_str() != "DEVFLOW_RELEASE");
        let compose = read_compose(&tree, wanted, &super::environment::runtime(&own))?;
        judge_services(&self.job.policy, &self.spec.slug, &tree, &compose).map_err(HostError::new)?;
        for note in &compose.notes {
            self.note(&step_name("image"), note);
        }
        save_compose(&self.release, &compose)?;
        for service in &compose.services {
            if let Source::Image(image) = &service.source
                && !self.host().docker.has_image(image.as_str()).await?
            {
                self.note(&step_name("image"), &format!("gets {image}"));
                tokio::select! {
                    pulled = self.host().docker.pull(image.as_str()) => pulled?,
                    () = self.cancel().cancelled() => return Err(HostError::new("the job was cancelled")),
                }
            }
        }
        for (service, build) in compose.builds() {
            self.build_image(build, Some(service)).await?;
        }
        self.set_compose(compose);
        Ok(())
    }

    async fn build_image(&self, build: &compose::Build, service: Option<&ComposeName>) -> Result<()> {
        let (app, uid, wanted) = (self.release.app(), self.uid, build.clone());
        let (folder, files) = blocking(move || {
            let tree = Tree::open(&app, uid)?;
            let folder = match &wanted.context {
                // Not through a link: it could lead anywhere.
                Some(context) if !tree.has_dir(context) => {
                    return Err(HostError::new(format!(
                        "the repository has no folder `{context}`, which an image is to be built from"
                    )));
                }
                Some(context) => app.join(context.as_str()),
                None => app,
            };
            let files = list(&folder, &ignored(&tree, &wanted)?, &wanted.dockerfile)?;
            Ok((folder, files))
        })
        .await?;
        let tag = image_name(&self.layout, &self.release.id, service);
        let step = step_name("image");
        let (dockerfile, what) = (
            &build.dockerfile,
            service.map(|name| format!(" for service `{name}`")),
        );
        let what = what.unwrap_or_default();
        let build = Build {
            folder: &folder,
            files: &files,
            dockerfile: dockerfile.as_str(),
            arguments: &build.arguments,
            target: build.target.as_deref(),
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
                "the build of `{dockerfile}`{what} failed: {}",
                complaint.words(code)
            ))),
            Ended::TimedOut => Err(HostError::new(format!(
                "the build of `{dockerfile}`{what} took longer than {} min; make it need less, for example with cache mounts",
                BUILD_LIMIT.as_secs() / 60
            ))),
            Ended::Cancelled => Err(HostError::new("the job was cancelled")),
        }
    }
}

/// What is left out of a build: as the file beside the Dockerfile says, or the usual one.
fn ignored(tree: &Tree, build: &compose::Build) -> Result<Ignored> {
    let beside = format!("{}.dockerignore", build.dockerfile);
    for name in [beside.as_str(), ".dockerignore"] {
        let path = match &build.context {
            Some(context) => format!("{context}/{name}"),
            None => name.to_owned(),
        };
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

/// Removes the images that were built for a project; for one release where `release` is given.
///
/// # Errors
/// The engine does not answer.
pub(crate) async fn remove_images(host: &Host, slug: &Slug, release: Option<&DeploymentId>) -> Result<()> {
    let release = release.map(DeploymentId::as_str);
    for name in host.docker.images(slug.as_str(), release).await? {
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
