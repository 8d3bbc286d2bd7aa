//! Which project is meant: the one that is named, or the one whose repository this folder is a clone of.

use crate::answers::Project;
use crate::edge::{Edge, decode};
use crate::failure::Failure;
use devflow_domain::repository;
use devflow_protocol::ProjectId;
use std::process::{Command, Stdio};

/// The project of that slug or id, else the one of this folder.
pub(crate) fn project(edge: &Edge, named: Option<&str>) -> Result<Project, Failure> {
    if let Some(named) = named {
        return match named.parse::<ProjectId>() {
            Ok(id) => decode(edge.get(&format!("/projects/{id}"))?),
            Err(_) => of_slug(&all(edge)?, named).cloned(),
        };
    }
    let clone = Clone::here().ok_or_else(|| {
        Failure::Usage("which project? Name it, or come from a clone of its repository".to_owned())
    })?;
    of_clone(&all(edge)?, &clone).cloned()
}

/// All projects, by slug.
pub(crate) fn all(edge: &Edge) -> Result<Vec<Project>, Failure> {
    edge.all("/projects")?.into_iter().map(decode).collect()
}

/// The project of that slug.
fn of_slug<'p>(projects: &'p [Project], slug: &str) -> Result<&'p Project, Failure> {
    let found = projects.iter().find(|project| project.slug == slug);
    found.ok_or_else(|| {
        Failure::not_found(format!(
            "there is no project `{slug}`; there is {}",
            slugs(projects.iter())
        ))
    })
}

fn slugs<'p>(projects: impl Iterator<Item = &'p Project>) -> String {
    let slugs: Vec<&str> = projects.take(20).map(|project| project.slug.as_str()).collect();
    if slugs.is_empty() {
        "none that this key may see".to_owned()
    } else {
        slugs.join(", ")
    }
}

/// What git knows of the folder.
pub(crate) struct Clone {
    remotes: Vec<String>,
    branch: Option<String>,
}

impl Clone {
    /// Of the current folder; None where it belongs to no repository with a remote.
    pub(crate) fn here() -> Option<Self> {
        let remotes = git(&["config", "--get-regexp", r"^remote\..*\.url$"])?;
        let remotes = remotes.lines().filter_map(|line| line.split_once(' '));
        Some(Self {
            remotes: remotes.map(|(_, url)| url.to_owned()).collect(),
            branch: git(&["symbolic-ref", "--quiet", "--short", "HEAD"]).map(|name| name.trim().to_owned()),
        })
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The project that deploys the repository of `clone`; of several, the one that follows its branch.
pub(crate) fn of_clone<'p>(projects: &'p [Project], clone: &Clone) -> Result<&'p Project, Failure> {
    let places: Vec<_> = clone
        .remotes
        .iter()
        .filter_map(|remote| repository::place(remote))
        .collect();
    let same: Vec<&Project> = projects
        .iter()
        .filter(|project| repository::place(&project.repository).is_some_and(|place| places.contains(&place)))
        .collect();
    let of_branch: Vec<&Project> = same
        .iter()
        .copied()
        .filter(|project| clone.branch.as_ref() == Some(&project.branch))
        .collect();
    match (same.as_slice(), of_branch.as_slice()) {
        ([only], _) | (_, [only]) => Ok(only),
        ([], _) => Err(Failure::not_found(format!(
            "no project deploys this folder's repository; there is {}",
            slugs(projects.iter())
        ))),
        _ => Err(Failure::Usage(format!(
            "several projects deploy this folder's repository; name one: {}",
            slugs(same.iter().copied())
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn projects(list: &[(&str, &str, &str)]) -> Vec<Project> {
        let project = |(slug, repository, branch): &(&str, &str, &str)| {
            let body = json!({
                "id": "prj_01h455vb4pex5vsknk084sn02q", "slug": slug, "name": slug, "state": "active",
                "branch": branch, "repository": repository, "domains": [], "server_name": "one",
                "server_state": "online", "live_deployment": null, "kept_releases": [], "last_deployment": null,
            });
            decode(body).unwrap()
        };
        list.iter().map(project).collect()
    }

    #[test]
    fn of_clone_finds_by_remote_then_by_branch() {
        let shop = "git@github.com:acme/shop.git";
        let projects = projects(&[
            ("blog", "https://github.com/acme/blog", "main"),
            ("shop", shop, "main"),
            ("shop-copy", shop, "main"),
            ("shop-next", shop, "next"),
        ]);
        let found = |remotes: &[&str], branch: Option<&str>| {
            let clone = Clone {
                remotes: remotes.iter().map(|&remote| remote.to_owned()).collect(),
                branch: branch.map(str::to_owned),
            };
            of_clone(&projects, &clone)
                .map(|project| project.slug.clone())
                .map_err(|failure| failure.to_string())
        };
        let own = "https://github.com/acme/shop";
        assert_eq!(
            found(&["https://github.com/acme/blog.git"], Some("wip")),
            Ok("blog".into())
        );
        assert_eq!(
            found(&["git@fork.test:me/shop.git", own], Some("next")),
            Ok("shop-next".into())
        );
        assert_eq!(
            found(&[own], Some("main")),
            Err(
                "several projects deploy this folder's repository; name one: shop, shop-copy, shop-next"
                    .into()
            )
        );
        assert_eq!(
            found(&["git@fork.test:me/shop.git"], None),
            Err(
                "no project deploys this folder's repository; there is blog, shop, shop-copy, shop-next (not_found)"
                    .into()
            )
        );
    }

    #[test]
    fn of_slug_names_what_there_is() {
        let some = projects(&[("blog", "/srv/blog", "main")]);
        assert_eq!(
            of_slug(&some, "blog").map(|project| project.slug.as_str()),
            Ok("blog")
        );
        let message = |projects: &[Project]| of_slug(projects, "shop").unwrap_err().to_string();
        assert_eq!(
            message(&some),
            "there is no project `shop`; there is blog (not_found)"
        );
        assert_eq!(
            message(&[]),
            "there is no project `shop`; there is none that this key may see (not_found)"
        );
    }
}
