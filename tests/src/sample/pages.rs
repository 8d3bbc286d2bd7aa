//! Where each page of the dashboard is looked at.

use super::Sample;
use crate::places;
use anyhow::{Result, ensure};
use std::fs;

/// Answers that a person never sees as a page.
const NO_PAGES: [(&str, &str); 7] = [
    ("/live", "a WebSocket"),
    ("/happened", "a part that a page fetches"),
    ("/deployments/{id}/output", "a part that a page fetches"),
    ("/projects/{id}/environment/file", "a file to keep"),
    ("/install", "a script for a server"),
    ("/runner/{version}/{target}", "a program for a server"),
    (
        "/set-up",
        "before there is an owner; looked at on an edge of its own",
    ),
];

impl Sample {
    /// The addresses of every page, in each state that looks another way.
    ///
    /// # Errors
    /// There is a page of which [`addresses`] does not say where to look at it.
    pub fn every_page(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for route in routes()? {
            paths.extend(addresses(&route, self)?);
        }
        Ok(paths)
    }
}

/// The paths of all `GET` routes outside the API, as `docs/ACCESS.md` lists them; a test of the edge keeps that list true.
fn routes() -> Result<Vec<String>> {
    let list = fs::read_to_string(places::workspace().join("docs/ACCESS.md"))?;
    let routes: Vec<String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `GET ")?.split('`').next())
        .filter(|path| !path.starts_with("/api/") && !NO_PAGES.iter().any(|(no, _)| no == path))
        .map(str::to_owned)
        .collect();
    ensure!(
        routes.len() > 20,
        "docs/ACCESS.md lists {} pages only",
        routes.len()
    );
    Ok(routes)
}

/// Where the page of a route is looked at, in each state that looks another way.
fn addresses(route: &str, sample: &Sample) -> Result<Vec<String>> {
    let project = |tab: &str| format!("/projects/{}{tab}", sample.project.id);
    let all = match route {
        "/" => [
            "/",
            "/?view=by_server",
            "/?view=by_tag",
            "/?view=failing",
            "/?view=stopped",
            "/?q=nothing",
        ]
        .map(str::to_owned)
        .into(),
        "/deployments/{id}" => [
            &sample.live,
            &sample.failed,
            &sample.running,
            &sample.several_live,
            &sample.several_failed,
        ]
        .map(|id| format!("/deployments/{id}"))
        .into(),
        "/projects/{id}" => vec![project(""), format!("/projects/{}", sample.several.id)],
        "/projects/{id}/settings" => {
            vec![
                project("/settings"),
                format!("/projects/{}/settings", sample.several.id),
            ]
        }
        "/projects/{id}/compare" => {
            let failed = format!("/compare?from={}&to={}", sample.live, sample.failed);
            vec![project("/compare"), project(&failed)]
        }
        "/projects/new" => vec![route.to_owned(), format!("{route}?by_hand=1")],
        "/servers/{id}" => vec![format!("/servers/{}", sample.server)],
        "/people/{id}" => vec![format!("/people/{}", sample.person)],
        "/endpoints/{id}" => vec![format!("/endpoints/{}", sample.endpoint)],
        "/join" => vec![sample.invitation.clone()],
        "/projects/{id}/environment" => vec![project("/environment"), project("/environment?reveal=1")],
        "/projects/{id}/hook" => vec![project("/hook"), project("/hook?reveal=1")],
        "/prove" => vec!["/prove?back=%2Fpeople%2Fnew".to_owned()],
        route => match route.strip_prefix("/projects/{id}") {
            Some(tab) => vec![project(tab)],
            None => vec![route.to_owned()],
        },
    };
    ensure!(
        all.iter().all(|path| !path.contains('{')),
        "the page {route} is new: say here where it is looked at"
    );
    Ok(all)
}
