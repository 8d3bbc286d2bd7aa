//! What this server allows, whoever signed: repositories, images, verbs and limits, for all projects and for single ones.
//!
//! A pure parse and pure decisions. The repository pins of projects are in the journal; [`Policy::judge`] gets
//! the pin as an argument.

mod caps;
mod commands;
pub(crate) mod glob;

use crate::table::{Problems, Reader};
use caps::Caps;
use devflow_domain::dockerfile::Dockerfile;
use devflow_protocol::job::Work;
use devflow_protocol::project::ProjectSpec;
use devflow_protocol::text::{ComposeName, ImageRef, Slug};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Every verb that a policy can name.
pub(crate) const VERBS: [&str; 10] = [
    "deploy",
    "rollback",
    "cancel",
    "stop",
    "restart",
    "scale",
    "remove_project",
    "ping",
    "inspect",
    "update",
];

/// What is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// For projects without rules of their own.
    pub(crate) general: Rules,
    /// By slug: complete rules, made of the general ones where the project's table says nothing.
    pub(crate) projects: BTreeMap<String, Rules>,
}

/// Why the policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// It is there and cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It says something that is not known.
    #[error("{0} has problems:\n{1}")]
    Problems(PathBuf, Problems),
}

/// Patterns (see [`glob`]) and verbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Where code may come from.
    pub(crate) repositories: Vec<String>,
    /// Images that containers may be made of.
    pub(crate) images: Vec<String>,
    /// What may be asked for.
    pub(crate) verbs: Vec<String>,
    /// False where only the commands of the built-in pipelines may run: no hooks, no changed steps or processes.
    pub(crate) own_commands: bool,
    /// How much of the server a project may use.
    pub(crate) caps: Caps,
}

impl Default for Rules {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            repositories: texts(&["https://**", "ssh://**", "*@*:**"]),
            images: texts(&["devflow/php:*"]),
            verbs: texts(&VERBS),
            own_commands: true,
            caps: Caps::default(),
        }
    }
}

impl Default for Policy {
    /// What holds without a policy file: official images and repositories that are fetched over a protected way.
    fn default() -> Self {
        Self {
            general: Rules::default(),
            projects: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// All problems of the text at once.
    pub(crate) fn parse(text: &str) -> Result<Self, Problems> {
        let table = text
            .parse::<Table>()
            .map_err(|error| Problems(vec![format!("this is not valid TOML: {error}")]))?;
        let mut problems = Vec::new();
        let mut top = Reader::new(table, "", &mut problems);
        let allow = top.table("allow").unwrap_or_default();
        let projects = top.table("projects").unwrap_or_default();
        top.finish();
        let general = rules(allow, "allow", &Rules::default(), &mut problems);
        let mut own = BTreeMap::new();
        for (slug, value) in projects {
            let path = format!("projects.{slug}");
            if let Err(error) = slug.parse::<Slug>() {
                problems.push(format!("`{path}` names no project: {error}"));
            }
            match value {
                Value::Table(table) => {
                    own.insert(slug, rules(table, &path, &general, &mut problems));
                }
                other => problems.push(format!("`{path}` must be a table, found {}", other.type_str())),
            }
        }
        if problems.is_empty() {
            Ok(Self {
                general,
                projects: own,
            })
        } else {
            Err(Problems(problems))
        }
    }

    /// Reads the policy file; None when there is none.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, PolicyError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PolicyError::Read(path.to_owned(), error)),
        };
        Self::parse(&text)
            .map(Some)
            .map_err(|problems| PolicyError::Problems(path.to_owned(), problems))
    }

    /// The rules that hold for a project.
    pub(crate) fn of(&self, slug: Option<&str>) -> &Rules {
        slug.and_then(|slug| self.projects.get(slug))
            .unwrap_or(&self.general)
    }

    /// Whether code of a project may come from `repository`.
    pub(crate) fn allows_repository(&self, slug: &str, repository: &str) -> bool {
        fits_repository(self.of(Some(slug)), repository)
    }

    /// Whether `work` may be done. `pin` is the repository that its project's folder is pinned to.
    ///
    /// # Errors
    /// One sentence: what is forbidden and where it is set.
    pub(crate) fn judge(&self, work: &Work, pin: Option<&str>) -> Result<(), String> {
        let slug = crate::journal::slug_of(work);
        let rules = self.of(slug);
        let verb = work.verb();
        if !rules.verbs.iter().any(|allowed| allowed == verb) {
            return Err(format!(
                "this server's policy does not allow `{verb}`{}; see `verbs` in its policy.toml",
                slug.map(|slug| format!(" for {slug}")).unwrap_or_default()
            ));
        }
        match work {
            Work::Deploy(deploy) => judge_spec(rules, &deploy.spec, pin),
            // It belongs to no project yet, so what holds for all of them does.
            Work::Inspect(inspect) => judge_repository(rules, inspect.repository.as_str()),
            // A kept release is on the server already; nothing is fetched for it. What it was deployed with is judged
            // when its record is read: [`Self::judge_kept`].
            Work::Rollback(rollback) => {
                judge_image(rules, &rollback.spec)?;
                rules.caps.judge(&rollback.spec.limits)
            }
            // The commands stay those of the live release; it is judged whole once its record is read: [`Self::judge_kept`].
            Work::Scale(scale) => rules.caps.judge(&scale.limits),
            // What program it may be is signed outside of the edge: [`crate::update`].
            Work::Update(_)
            | Work::Cancel(_)
            | Work::Stop(_)
            | Work::Restart(_)
            | Work::RemoveProject(_)
            | Work::Ping(_) => Ok(()),
        }
    }

    /// Whether a project's image may be made of what its Dockerfile names.
    ///
    /// # Errors
    /// One sentence: what is forbidden and where it is set.
    pub(crate) fn judge_images(&self, slug: &Slug, dockerfile: &Dockerfile) -> Result<(), String> {
        let rules = self.of(Some(slug.as_str()));
        let mut images = dockerfile.images.iter();
        match images.find(|(_, image)| !fits_image(rules, image.as_str())) {
            None => Ok(()),
            Some((line, image)) => Err(format!(
                "line {line} of the Dockerfile takes the image {image}, which this server's policy does not allow; see \
                 `images` in its policy.toml"
            )),
        }
    }

    /// Whether a service of a project may be made of an image.
    ///
    /// # Errors
    /// One sentence: what is forbidden and where it is set.
    pub(crate) fn judge_service(
        &self,
        slug: &Slug,
        service: &ComposeName,
        image: &ImageRef,
    ) -> Result<(), String> {
        if fits_image(self.of(Some(slug.as_str())), image.as_str()) {
            return Ok(());
        }
        Err(format!(
            "service `{service}` takes the image {image}, which this server's policy does not allow; see `images` in its \
             policy.toml"
        ))
    }

    /// Whether a kept release may serve again. `spec` is what it was deployed with: its image, commands and limits are
    /// those that run, whatever the project's settings say by now. Where its code came from does not matter any more.
    ///
    /// # Errors
    /// One sentence: what is forbidden and where it is set.
    pub(crate) fn judge_kept(&self, spec: &ProjectSpec) -> Result<(), String> {
        judge_runs(self.of(Some(spec.slug.as_str())), spec)
    }
}

fn judge_spec(rules: &Rules, spec: &ProjectSpec, pin: Option<&str>) -> Result<(), String> {
    let repository = spec.repository.as_str();
    judge_repository(rules, repository)?;
    judge_runs(rules, spec)?;
    match pin {
        Some(pin) if pin != repository => Err(format!(
            "{slug} is pinned to {pin} on this server, and the job names {repository}; if that is wanted, run \
             `host-runner policy pin {slug} {repository}` on the server",
            slug = spec.slug
        )),
        _ => Ok(()),
    }
}

/// What containers are made of, what they run, and how much they may use.
fn judge_runs(rules: &Rules, spec: &ProjectSpec) -> Result<(), String> {
    judge_image(rules, spec)?;
    if !rules.own_commands {
        commands::judge(spec)?;
    }
    rules.caps.judge(&spec.limits)
}

fn judge_repository(rules: &Rules, repository: &str) -> Result<(), String> {
    if fits_repository(rules, repository) {
        return Ok(());
    }
    Err(format!(
        "this server's policy does not allow the repository {repository}; see `repositories` in its policy.toml"
    ))
}

fn fits_repository(rules: &Rules, repository: &str) -> bool {
    // `..` and percent signs could make a path fit a pattern and still lead elsewhere.
    let plain = !repository.contains('%') && !repository.split(['/', ':']).any(|part| part == "..");
    plain
        && rules
            .repositories
            .iter()
            .any(|pattern| glob::fits(pattern, repository))
}

fn judge_image(rules: &Rules, spec: &ProjectSpec) -> Result<(), String> {
    let image = spec.image.as_str();
    if fits_image(rules, image) {
        Ok(())
    } else {
        Err(format!(
            "this server's policy does not allow the image {image}; see `images` in its policy.toml"
        ))
    }
}

/// By its name as it is written, or as Docker's own registry has it: without the registry, with the tag.
fn fits_image(rules: &Rules, image: &str) -> bool {
    let short = image.strip_prefix("docker.io/").unwrap_or(image);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let tagged = image
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains([':', '@']));
    let whole = if tagged {
        short.to_owned()
    } else {
        format!("{short}:latest")
    };
    let mut patterns = rules.images.iter();
    patterns.any(|pattern| glob::fits(pattern, image) || glob::fits(pattern, &whole))
}

fn rules(table: Table, path: &str, inherited: &Rules, problems: &mut Vec<String>) -> Rules {
    let mut section = Reader::new(table, path, problems);
    let repositories = section.texts("repositories");
    let images = section.texts("images");
    let verbs = section.texts("verbs");
    let own_commands = section.flag("own_commands");
    let caps = Caps::read(&mut section, inherited.caps);
    let unknown: Vec<String> = verbs
        .iter()
        .flatten()
        .filter(|verb| !VERBS.contains(&verb.as_str()))
        .cloned()
        .collect();
    for verb in unknown {
        section.problem(
            "verbs",
            &format!("names the unknown verb `{verb}`; known: {}", VERBS.join(", ")),
        );
    }
    section.finish();
    Rules {
        repositories: repositories.unwrap_or_else(|| inherited.repositories.clone()),
        images: images.unwrap_or_else(|| inherited.images.clone()),
        verbs: verbs.unwrap_or_else(|| inherited.verbs.clone()),
        own_commands: own_commands.unwrap_or(inherited.own_commands),
        caps,
    }
}

#[cfg(test)]
mod tests;
