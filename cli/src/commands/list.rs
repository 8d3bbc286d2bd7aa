//! `projects` and `servers`.

use super::{Session, now};
use crate::answers::{Project, Server};
use crate::edge::decode;
use crate::failure::Failure;
use crate::table;
use devflow_domain::moment::Age;

/// All projects, a line each.
pub(super) fn projects(mut session: Session) -> Result<(), Failure> {
    let items = session.edge.all("/projects")?;
    if session.json {
        return session.out.json(&items);
    }
    let rows: Vec<Project> = items.into_iter().map(decode).collect::<Result<_, _>>()?;
    session.out.raw(&projects_table(&rows))
}

/// Projects with how they stand.
pub(super) fn projects_table(projects: &[Project]) -> String {
    let now = now();
    let rows: Vec<[String; 6]> = projects
        .iter()
        .map(|project| {
            let last = project.last_deployment.as_ref();
            [
                project.slug.clone(),
                standing(project),
                last.map_or_else(String::new, |last| {
                    let at = last.finished_at.unwrap_or(last.queued_at);
                    Age { at, now }.to_string()
                }),
                project.branch.clone(),
                project.server_name.clone(),
                project.domains.first().cloned().unwrap_or_default(),
            ]
        })
        .collect();
    table::render(["PROJECT", "STATE", "SINCE", "BRANCH", "SERVER", "DOMAIN"], &rows)
}

/// What counts most: what the project is, then what its last deployment came to, then whether its server is there.
fn standing(project: &Project) -> String {
    let own = match &project.last_deployment {
        _ if project.state != "active" => project.state.clone(),
        None => "not deployed".to_owned(),
        Some(last) => last.state.replace('_', " "),
    };
    if project.server_state == "missing" {
        format!("{own}, server missing")
    } else {
        own
    }
}

/// All servers, a line each.
pub(super) fn servers(mut session: Session) -> Result<(), Failure> {
    let items = session.edge.all("/servers")?;
    if session.json {
        return session.out.json(&items);
    }
    let rows: Vec<Server> = items.into_iter().map(decode).collect::<Result<_, _>>()?;
    session.out.raw(&servers_table(&rows))
}

/// Servers with what they are.
pub(super) fn servers_table(servers: &[Server]) -> String {
    let now = now();
    let rows: Vec<[String; 7]> = servers
        .iter()
        .map(|server| {
            let facts = server.facts.as_ref();
            let fact = |show: &dyn Fn(&crate::answers::Facts) -> String| facts.map_or_else(String::new, show);
            [
                server.name.clone(),
                server.state.clone(),
                Age {
                    at: server.state_at,
                    now,
                }
                .to_string(),
                server.projects.to_string(),
                fact(&|facts| facts.os.clone()),
                fact(&|facts| format!("{} CPU, {} MiB", facts.cpus, facts.memory_mib)),
                fact(&|facts| facts.runner_version.clone()),
            ]
        })
        .collect();
    table::render(
        [
            "SERVER", "STATE", "SINCE", "PROJECTS", "SYSTEM", "MACHINE", "RUNNER",
        ],
        &rows,
    )
}
