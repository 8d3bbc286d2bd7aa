//! `status`: one project, or everything.

use super::{Session, list, now};
use crate::answers::{Deployment, Project, Server};
use crate::edge::decode;
use crate::failure::Failure;
use crate::find::{self, Clone};
use devflow_domain::moment::Age;
use devflow_protocol::text::GitSha;
use serde_json::json;
use std::fmt::Write as _;

/// How the named or found project stands; everything where none is named or found.
pub(super) fn status(session: Session, named: Option<&str>) -> Result<(), Failure> {
    if let Some(named) = named {
        let project = find::project(&session.edge, Some(named))?;
        return one(session, &project);
    }
    let found = match Clone::here() {
        Some(clone) => find::of_clone(&find::all(&session.edge)?, &clone).ok().cloned(),
        None => None,
    };
    match found {
        Some(project) => one(session, &project),
        None => everything(session),
    }
}

fn one(mut session: Session, project: &Project) -> Result<(), Failure> {
    if session.json {
        let body = session.edge.get(&format!("/projects/{}", project.id))?;
        return session.out.json(&body);
    }
    let live = match &project.live_deployment {
        Some(id) => Some(Deployment::get(&session.edge, id)?.0),
        None => None,
    };
    session.out.raw(&sheet(project, live.as_ref()))
}

/// What there is to know of a project, a line each.
fn sheet(project: &Project, live: Option<&Deployment>) -> String {
    let now = now();
    let mut text = String::new();
    let mut put = |name: &str, value: &str| {
        let value = crate::out::safe(value, false);
        let _ = writeln!(text, "{name:<9} {}", value.trim_end());
    };
    put("Project", &format!("{} ({})", project.slug, project.name));
    put("State", &project.state);
    put("Branch", &format!("{} of {}", project.branch, project.repository));
    let more = match project.further_servers {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    put(
        "Server",
        &format!("{}, {}{more}", project.server_name, project.server_state),
    );
    put("Domains", &project.domains.join(", "));
    let release = |commit: Option<&str>, subject: Option<&str>, age: Age, id: &str| {
        let commit = commit.unwrap_or("no commit yet");
        format!("{commit} {} ({age}, {id})", subject.unwrap_or_default())
    };
    match live {
        None => put("Live", "nothing yet"),
        Some(live) => {
            let at = live.finished_at.unwrap_or(live.queued_at);
            let commit = live.commit.as_ref().map(GitSha::short);
            put(
                "Live",
                &release(commit, live.subject.as_deref(), Age { at, now }, live.id.as_str()),
            );
        }
    }
    if let Some(last) = &project.last_deployment {
        let at = last.finished_at.unwrap_or(last.queued_at);
        let commit = last.commit.as_ref().map(GitSha::short);
        let told = release(commit, last.subject.as_deref(), Age { at, now }, last.id.as_str());
        put("Newest", &format!("{}: {told}", last.state.replace('_', " ")));
    }
    put("Kept", &format!("{} releases", project.kept_releases.len()));
    text
}

fn everything(mut session: Session) -> Result<(), Failure> {
    let servers = session.edge.all("/servers")?;
    let projects = session.edge.all("/projects")?;
    if session.json {
        return session
            .out
            .json(&json!({ "servers": servers, "projects": projects }));
    }
    let servers: Vec<Server> = servers.into_iter().map(decode).collect::<Result<_, _>>()?;
    let projects: Vec<Project> = projects.into_iter().map(decode).collect::<Result<_, _>>()?;
    let tables = [list::servers_table(&servers), list::projects_table(&projects)];
    session.out.raw(&tables.join("\n"))
}
