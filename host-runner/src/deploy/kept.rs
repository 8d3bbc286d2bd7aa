//! Services that go on from release to release: a container each, made anew only where its definition changed. Their
//! volumes are folders of the project, which no release takes away.
//!
//! They are always those of the release that serves. A deployment that changes one does so before its own containers start,
//! and whatever ends it otherwise puts back what the release before it had.

use super::layout::Layout;
use super::live::Old;
use super::run::Run;
use super::services::ensure_volumes;
use crate::host::docker::{Container, Found, Role};
use crate::host::{Host, Result};

/// Seconds that a service has whose definition is not known any more: time for a database to write what it holds.
const GRACE_S: u32 = 60;

/// Brings one of them up as described, and says what was done where something was.
///
/// # Errors
/// The engine refuses.
pub(crate) async fn ensure(host: &Host, container: &Container) -> Result<Option<&'static str>> {
    let found = of(host, &container.project).await?;
    bring_up(host, &found, container).await
}

/// The same, where the containers of the kept services have been looked at.
async fn bring_up(host: &Host, found: &[Found], container: &Container) -> Result<Option<&'static str>> {
    match found.iter().find(|it| it.name == container.name) {
        Some(it) if it.definition.as_deref() == Some(container.definition().as_str()) => {
            let (memory, cpu) = (container.memory_mib, container.cpu_milli);
            if it.running {
                host.docker.limit(&it.id, memory, cpu).await?;
                return Ok(None);
            }
            host.docker.start(&it.id).await?;
            Ok(Some("started again"))
        }
        Some(it) => {
            end(host, it, container.stop_wait_s).await?;
            host.docker.start_new(container).await?;
            Ok(Some("made anew, because its definition changed"))
        }
        None => {
            host.docker.start_new(container).await?;
            Ok(Some("started"))
        }
    }
}

/// The containers of a project's kept services.
async fn of(host: &Host, project: &str) -> Result<Vec<Found>> {
    let mut found = host.docker.list(Some(project)).await?;
    found.retain(|it| it.role == Role::Kept);
    Ok(found)
}

/// Lets a container end by itself, then removes it. Its volumes stay.
async fn end(host: &Host, found: &Found, wait_s: u32) -> Result<()> {
    host.docker.stop(&found.id, wait_s).await?;
    host.docker.remove(&found.id).await
}

/// Makes a project's kept services those of `live`, and ends all others; none stay where nothing serves.
///
/// # Errors
/// The engine refuses; calling it again goes on.
pub(crate) async fn settle(host: &Host, layout: &Layout, live: Option<&Old<'_>>) -> Result<()> {
    let slug = layout.slug().as_str();
    let wanted = live.map(Old::kept).unwrap_or_default();
    let found = of(host, slug).await?;
    for found in &found {
        if !wanted.iter().any(|container| container.name == found.name) {
            end(host, found, GRACE_S).await?;
        }
    }
    if let Some(live) = live.filter(|_| !wanted.is_empty()) {
        if let Some(compose) = &live.compose {
            ensure_volumes(layout, compose, live.uid)?;
        }
        host.docker.ensure_network(layout.network()).await?;
    }
    for container in &wanted {
        bring_up(host, &found, container).await?;
    }
    Ok(())
}

impl Run<'_> {
    /// Makes the project's kept services those of the release that serves.
    pub(crate) async fn settle_kept(&self) -> Result<()> {
        let live = Old::live(self.host(), &self.layout, self.uid)?;
        Box::pin(settle(self.host(), &self.layout, live.as_ref())).await
    }

    /// What the release before it keeps is as that release has it; the reconcile loop repeats what fails here.
    pub(crate) async fn restore_kept(&self) {
        if let Err(error) = self.settle_kept().await {
            tracing::error!(job.id = %self.job.job.id, %error, "kept services are not those of the live release");
        }
    }
}
