//! `servers update`.

use super::Session;
use crate::answers::{Job, Server};
use crate::edge::{Edge, decode};
use crate::failure::Failure;
use serde_json::json;
use std::thread::sleep;
use std::time::Duration;

/// Between two looks at the job.
const LOOK: Duration = Duration::from_secs(1);

/// Has a server replace its runner by the published one, and waits for the end of it.
pub(super) fn update(mut session: Session, named: &str) -> Result<(), Failure> {
    let server = find(&session.edge, named)?;
    let asked = session
        .edge
        .create(&format!("/servers/{}/update", server.id), &json!({}))?;
    let mut job: Job = decode(asked["job"].clone())?;
    session.out.remark(&format!(
        "{} updates its runner; jobs that run there come to their end first",
        server.name
    ));
    let path = format!("/jobs/{}", job.id);
    let mut body = asked["job"].clone();
    while !job.is_over() {
        sleep(LOOK);
        body = session.edge.get(&path)?;
        job = decode(body.clone())?;
    }
    if session.json {
        session.out.json(&body)?;
    }
    verdict(&mut session, &server, job)
}

fn verdict(session: &mut Session, server: &Server, job: Job) -> Result<(), Failure> {
    let (outcome, reason) = match job.outcome {
        Some(end) => (end.outcome, end.reason),
        None => (job.state, None),
    };
    if outcome != "succeeded" {
        let reason = reason.unwrap_or_else(|| "the job was ended".to_owned());
        return Err(Failure::Refused {
            code: outcome,
            detail: format!("the runner of {} is not updated: {reason}", server.name),
        });
    }
    if session.json {
        return Ok(());
    }
    let facts = find(&session.edge, &server.id)?.facts.unwrap_or_default();
    let line = format!("{} runs runner {}", server.name, facts.runner_version);
    session.out.line(&line)
}

/// The server of that name or id.
fn find(edge: &Edge, named: &str) -> Result<Server, Failure> {
    let servers = edge.all("/servers")?;
    let servers: Vec<Server> = servers.into_iter().map(decode).collect::<Result<_, _>>()?;
    servers
        .into_iter()
        .find(|server| server.name == named || server.id == named)
        .ok_or_else(|| Failure::not_found(format!("there is no server {named}")))
}
