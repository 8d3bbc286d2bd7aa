//! Keeps what this server serves true to what is on its disk, without the edge: web containers, workers and vhosts of
//! live releases, and the scheduler each minute.
//!
//! The caller holds the turn of a project while it is brought up, so that no job changes it meanwhile.

use super::containers::Blueprint;
use super::layout::Layout;
use super::live::{Old, apply_vhost};
use super::record::{Project, load_environment};
use crate::host::docker::{Found, Role};
use crate::host::{Doing, Host, Result, databases};
use devflow_protocol::project::ProcessKind;
use devflow_protocol::text::Slug;
use std::fs;

/// The projects that have a folder on this server.
///
/// # Errors
/// The folder of the projects cannot be read.
pub(crate) fn projects(host: &Host) -> Result<Vec<Slug>> {
    let folder = &host.config.projects_dir;
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    let slugs = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(slugs.collect())
}

/// Brings a project up as it should be: containers of the live release, vhost, Redis user. `seen` are the containers of
/// the server as they were a moment ago; they are looked at again before anything is changed.
///
/// # Errors
/// The first thing that could not be brought up.
pub(crate) async fn bring_up(host: &Host, slug: &Slug, seen: &[Found]) -> Result<()> {
    let layout = Layout::new(host, slug);
    let Some(project) = Project::load(&layout)? else {
        return Ok(());
    };
    let Some(live) = Old::live(host, &layout, project.uid)? else {
        return Ok(());
    };
    if !project.stopped {
        // Redis forgets its users with a restart unless it keeps them in a file.
        databases::ensure_redis(host, layout.dir(), &live.record.spec).await?;
        if !live.is_up(seen) {
            tracing::warn!(project = %slug, release = %live.release.id, "containers of the live release are not up");
            live.ensure_running().await?;
        }
    }
    apply_vhost(host, &layout, &live.record.spec, project.stopped).await
}

/// Starts a project's scheduler in the live release, unless it runs.
///
/// # Errors
/// Its container does not start.
pub(crate) async fn run_scheduler(host: &Host, slug: &Slug) -> Result<()> {
    let layout = Layout::new(host, slug);
    let Some(project) = Project::load(&layout)?.filter(|project| !project.stopped) else {
        return Ok(());
    };
    let Some(live) = Old::live(host, &layout, project.uid)? else {
        return Ok(());
    };
    let spec = &live.record.spec;
    let scheduled: Vec<_> = spec
        .processes
        .iter()
        .filter(|it| it.kind == ProcessKind::Scheduler)
        .collect();
    if scheduled.is_empty() {
        return Ok(());
    }
    let found = host.docker.list(Some(slug.as_str())).await?;
    let environment = load_environment(&live.release)?;
    let blueprint = Blueprint {
        host,
        layout: &layout,
        release: &live.release,
        spec,
        environment: &environment,
        uid: project.uid,
    };
    for process in scheduled {
        let container = blueprint.scheduler(process);
        // One run at a time, whatever release it belongs to: a long one goes on and this minute is left out.
        if found
            .iter()
            .any(|it| it.role == Role::Scheduler && it.name == container.name && it.running)
        {
            continue;
        }
        host.docker.start_new(&container).await?;
    }
    Ok(())
}
