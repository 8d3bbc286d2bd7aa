//! Keeps what this server serves true to what is on its disk, without the edge: web containers, workers and vhosts of
//! live releases, and the scheduler each minute.
//!
//! The caller holds the turn of a project while it is brought up, so that no job changes it meanwhile.

use super::containers::Blueprint;
use super::kept;
use super::layout::Layout;
use super::live::{Old, apply_vhost};
use super::prune::prune;
use super::record::{Project, has_manifest, load_environment, releases};
use crate::files;
use crate::host::docker::{Found, Role};
use crate::host::{Doing, Host, Result, databases};
use devflow_protocol::DeploymentId;
use devflow_protocol::project::ProcessKind;
use devflow_protocol::text::Slug;

/// Seconds that a left-over container may take to end.
const ORPHAN_WAIT_S: u32 = 30;

/// The projects that have a folder on this server.
///
/// # Errors
/// The folder of the projects cannot be read.
pub(crate) fn projects(host: &Host) -> Result<Vec<Slug>> {
    let folder = &host.config.projects_dir;
    files::names(folder).doing(|| format!("read {}", folder.display()))
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
    let live = Old::live(host, &layout, project.uid)?;
    remove_orphans(host, &layout, live.as_ref(), seen).await?;
    super::trash::empty(&layout.trash())?;
    let has_kept = seen
        .iter()
        .any(|it| it.project == slug.as_str() && it.role == Role::Kept);
    if has_kept && (live.is_none() || project.stopped) {
        Box::pin(kept::settle(host, &layout, None)).await?;
    }
    let Some(live) = live else {
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

/// Ends what is left of releases that do not serve: a deployment that could not clean up behind itself, because Docker
/// was away for example. A run of the scheduler goes on to its end, whatever release it began in.
async fn remove_orphans(host: &Host, layout: &Layout, live: Option<&Old<'_>>, seen: &[Found]) -> Result<()> {
    let slug = layout.slug().as_str();
    let serving = live.map(|live| live.release.id.as_str());
    // Services that are kept are of no release.
    let is_orphan = |it: &Found| {
        it.project == slug
            && Some(it.release.as_str()) != serving
            && !matches!(it.role, Role::Scheduler | Role::Kept)
    };
    let is_left = |id: &DeploymentId| Some(id.as_str()) != serving && !has_manifest(&layout.release(id));
    if !seen.iter().any(is_orphan) && !releases(layout)?.iter().any(is_left) {
        return Ok(());
    }
    for found in host
        .docker
        .list(Some(slug))
        .await?
        .iter()
        .filter(|it| is_orphan(it))
    {
        tracing::warn!(
            project = slug,
            container = found.name,
            "a container of a release that does not serve is ended"
        );
        host.docker.stop(&found.id, ORPHAN_WAIT_S).await?;
        host.docker.remove(&found.id).await?;
    }
    // Where nothing serves all that once did is kept.
    let keep = live.map_or(u8::MAX, |live| live.record.spec.release.keep);
    prune(host, layout, keep).await.map(drop)
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
        compose: live.compose.as_ref(),
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
