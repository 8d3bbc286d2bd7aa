//! `deploy` and `rollback`.

use super::Session;
use crate::answers::{Deployment, Project};
use crate::edge::decode;
use crate::failure::Failure;
use crate::{find, follow};
use devflow_domain::deployment::release_before;
use devflow_protocol::DeploymentId;
use devflow_protocol::text::GitSha;
use serde_json::{Value, json};

/// Deploys a commit or the branch's tip.
pub(super) fn deploy(
    session: Session,
    named: Option<&str>,
    commit: Option<&GitSha>,
    follow: bool,
) -> Result<(), Failure> {
    let project = find::project(&session.edge, named)?;
    let body = commit.map_or_else(|| json!({}), |commit| json!({ "commit": commit }));
    let what = format!("{} is being deployed", project.slug);
    queue(
        session,
        &format!("/projects/{}/deployments", project.id),
        &body,
        &what,
        follow,
    )
}

/// Goes back to a kept release.
pub(super) fn roll_back(
    session: Session,
    named: Option<&str>,
    to: Option<&DeploymentId>,
    force: bool,
    follow: bool,
) -> Result<(), Failure> {
    let target = match to {
        Some(target) => target.clone(),
        None => previous(&find::project(&session.edge, named)?)?,
    };
    let (release, _) = Deployment::get(&session.edge, &target)?;
    let what = format!(
        "going back to {} {}",
        release
            .commit
            .as_ref()
            .map_or(target.as_str(), |commit| commit.short()),
        release.subject.as_deref().unwrap_or_default()
    );
    let path = format!("/deployments/{target}/rollback");
    queue(
        session,
        &path,
        &json!({ "force": force }),
        what.trim_end(),
        follow,
    )
}

/// The release that a project had before the live one.
fn previous(project: &Project) -> Result<DeploymentId, Failure> {
    let release = release_before(project.live_deployment.as_ref(), &project.kept_releases);
    release.cloned().ok_or_else(|| {
        Failure::not_found(format!(
            "{} keeps no release that is older than the live one",
            project.slug
        ))
    })
}

/// Asks for a deployment, says so, and follows it where that is wanted.
fn queue(mut session: Session, path: &str, body: &Value, what: &str, follow: bool) -> Result<(), Failure> {
    let mut answer = session.edge.create(path, body)?;
    let body = answer["deployment"].take();
    let deployment: Deployment = decode(body.clone())?;
    let id = &deployment.id;
    match (session.json, follow) {
        (true, _) => session.out.json(&body)?,
        (false, true) => session.out.line(&format!("{what}: {id}"))?,
        (false, false) => session.out.line(&format!(
            "{what}: {id}\nfollow it with `devflow logs -f --deployment {id}`"
        ))?,
    }
    if !follow {
        return Ok(());
    }
    let (end, body) = follow::to_the_end(&session.edge, &mut session.out, id, session.json)?;
    follow::verdict(&mut session.out, &end, &body, session.json)
}
