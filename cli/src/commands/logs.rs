//! `logs`: what a deployment printed.

use super::Session;
use crate::answers::Project;
use crate::failure::Failure;
use crate::{find, follow};
use devflow_protocol::DeploymentId;

/// Shows the output of a deployment, of the project's newest where none is named.
pub(super) fn logs(
    mut session: Session,
    named: Option<&str>,
    deployment: Option<&DeploymentId>,
    follow: bool,
) -> Result<(), Failure> {
    let id = match deployment {
        Some(id) => id.clone(),
        None => newest(find::project(&session.edge, named)?)?,
    };
    if !follow {
        return follow::so_far(&session.edge, &mut session.out, &id, session.json);
    }
    let (end, body) = follow::to_the_end(&session.edge, &mut session.out, &id, session.json)?;
    follow::verdict(&mut session.out, &end, &body, session.json)
}

fn newest(project: Project) -> Result<DeploymentId, Failure> {
    let last = project.last_deployment.map(|last| last.id);
    last.ok_or_else(|| Failure::not_found(format!("{} was never deployed", project.slug)))
}
