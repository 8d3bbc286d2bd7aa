//! Stopping, restarting and removing a project, and what is true of it on this server.

use super::kept;
use super::layout::Layout;
use super::live::{Old, apply_vhost};
use super::record::{Project, ReleaseRecord, kept_releases, load_token, releases, save_token};
use super::run::sentence;
use crate::host::docker::Role;
use crate::host::{Host, HostError, Result, databases};
use crate::job::JobContext;
use devflow_protocol::job::{Part, ProjectOnly, RemoveProject, Restart};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::runner_api::ProjectReport;
use devflow_protocol::seal::Sealed;
use devflow_protocol::text::Slug;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Stops a project's containers; visitors get 503.
pub(crate) async fn stop(job: &JobContext, work: &ProjectOnly) -> Outcome {
    done(stop_project(&job.host, &work.slug).await)
}

/// Starts or restarts a project's containers from the live release, or one part of them.
pub(crate) async fn restart(job: &JobContext, work: &Restart) -> Outcome {
    done(match &work.only {
        None => restart_project(&job.host, &work.slug).await,
        Some(part) => restart_part(&job.host, &work.slug, part).await,
    })
}

/// Removes a project from this server.
pub(crate) async fn remove(job: &JobContext, work: &RemoveProject) -> Outcome {
    done(remove_project(&job.host, &work.slug, work.purge).await)
}

pub(super) fn done(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Succeeded { manifest: None },
        Err(error) => Outcome::Failed {
            step: None,
            reason: sentence(&error.to_string()),
        },
    }
}

pub(super) fn live_of<'a>(host: &'a Host, layout: &'a Layout) -> Result<(Project, Old<'a>)> {
    let missing = || {
        HostError::new(format!(
            "the project `{}` has no live release on this server; deploy it first",
            layout.slug()
        ))
    };
    let project = Project::load(layout)?.ok_or_else(missing)?;
    let old = Old::live(host, layout, project.uid)?.ok_or_else(missing)?;
    Ok((project, old))
}

async fn stop_project(host: &Host, slug: &Slug) -> Result<()> {
    let layout = Layout::new(host, slug);
    let (mut project, live) = live_of(host, &layout)?;
    // First on disk, so that the reconcile loop does not start again what is being stopped.
    project.stopped = true;
    project.save(&layout)?;
    apply_vhost(host, &layout, &live.record.spec, true).await?;
    live.retire().await?;
    Box::pin(kept::settle(host, &layout, None)).await
}

async fn restart_project(host: &Host, slug: &Slug) -> Result<()> {
    let layout = Layout::new(host, slug);
    let (mut project, live) = live_of(host, &layout)?;
    project.stopped = false;
    project.save(&layout)?;
    reload_web(&live).await?;
    live.stop_workers().await?;
    live.stop_services().await?;
    live.remove_containers(|role| matches!(role, Role::Worker | Role::Service))
        .await?;
    live.ensure_running().await?;
    apply_vhost(host, &layout, &live.record.spec, false).await
}

/// PHP-FPM takes its configuration and its code up anew and keeps its socket: no request is lost. Containers that speak HTTP
/// are restarted one after the other.
pub(super) async fn reload_web(live: &Old<'_>) -> Result<()> {
    if live.record.spec.container.is_some() {
        return super::replicas::restart(live).await;
    }
    let found = super::live::containers_of(live.host, live.layout, &live.release.id).await?;
    for web in found.iter().filter(|it| it.role == Role::Web && it.running) {
        live.host.docker.signal(&web.id, "SIGUSR2").await?;
    }
    Ok(())
}

async fn restart_part(host: &Host, slug: &Slug, part: &Part) -> Result<()> {
    let layout = Layout::new(host, slug);
    let (project, live) = live_of(host, &layout)?;
    if project.stopped {
        return Err(HostError::new("the project is stopped; start it first"));
    }
    match part {
        Part::Web => reload_web(&live).await,
        Part::Worker { name } => live.renew_worker(name).await,
    }
}

async fn remove_project(host: &Host, slug: &Slug, purge: bool) -> Result<()> {
    let layout = Layout::new(host, slug);
    host.nginx.remove(slug).await?;
    for found in host.docker.list(Some(slug.as_str())).await? {
        host.docker.remove(&found.id).await?;
    }
    super::image::remove_images(host, slug, None).await?;
    for release in releases(&layout)? {
        let network = layout.release_network(&layout.release(&release));
        host.docker.remove_network(&network).await?;
    }
    host.docker.remove_network(layout.network()).await?;
    layout.unswitch()?;
    save_token(&layout, None)?;
    for folder in [layout.releases(), layout.trash(), layout.mirror(), layout.cache()] {
        remove_folder(folder).await?;
    }
    if purge {
        databases::drop_all(host, layout.dir(), slug).await?;
        remove_folder(layout.dir().to_owned()).await?;
    }
    Ok(())
}

async fn remove_folder(folder: std::path::PathBuf) -> Result<()> {
    super::run::blocking(move || match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(HostError::because(format!("remove {}", folder.display()), error))
        }
        _ => Ok(()),
    })
    .await
}

/// What a live project follows.
#[derive(Debug)]
pub(crate) struct Followed {
    /// What its live release was made from.
    pub(crate) record: ReleaseRecord,
    /// Its bare mirror of the repository.
    pub(crate) mirror: PathBuf,
    /// What the repository asks for, as its last deployment brought it.
    pub(crate) token: Option<Sealed>,
}

/// What a project follows; None for one that is not live or was stopped.
///
/// # Errors
/// Its folder or the record of its live release cannot be read.
pub(crate) fn followed(host: &Host, slug: &Slug) -> Result<Option<Followed>> {
    let layout = Layout::new(host, slug);
    let Some(live) = layout.live()? else {
        return Ok(None);
    };
    if Project::load(&layout)?.is_none_or(|project| project.stopped) {
        return Ok(None);
    }
    let record = ReleaseRecord::load(&layout.release(&live))?;
    let (mirror, token) = (layout.mirror(), load_token(&layout)?);
    Ok(record.map(|record| Followed {
        record,
        mirror,
        token,
    }))
}

/// Where a project stands on this server now.
///
/// # Errors
/// Its folder cannot be read.
pub(crate) fn report(host: &Host, slug: &Slug) -> Result<ProjectReport> {
    let layout = Layout::new(host, slug);
    Ok(ProjectReport {
        slug: slug.clone(),
        live: layout.live()?,
        kept: kept_releases(&layout)?,
    })
}
