//! What this server has of its projects, for an edge that may know less.

use super::layout::Layout;
use super::reconcile::projects;
use super::record::{Project, ReleaseRecord, has_manifest, releases};
use crate::host::{Host, HostError, Result};
use devflow_protocol::DeploymentId;
use devflow_protocol::limits::{RELEASES_TOLD, STANDINGS_BYTES};
use devflow_protocol::runner_api::{KnownRelease, Standing};
use sha2::{Digest as _, Sha256};

/// A project by the names of its files alone.
struct Outline {
    layout: Layout,
    stopped: bool,
    live: Option<DeploymentId>,
    /// Newest first.
    kept: Vec<DeploymentId>,
}

/// Changes whenever something of it changes that [`standings`] tells, and with the job that ended last, of which the edge may
/// have waited to compare. Reads names, and one small file a project.
///
/// # Errors
/// A folder cannot be read.
pub(crate) fn digest(host: &Host, last_ended: i64) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{last_ended}\n"));
    for outline in outlines(host)? {
        let ids = outline.live.iter().chain(&outline.kept);
        let ids: Vec<&str> = ids.map(DeploymentId::as_str).collect();
        let (live, stopped) = (outline.live.is_some(), outline.stopped);
        hash.update(format!(
            "{} {stopped} {live} {}\n",
            outline.layout.slug(),
            ids.join(" ")
        ));
    }
    Ok(hex::encode(&hash.finalize()[..16]))
}

/// All projects of this server, with what their releases were made from.
///
/// # Errors
/// A folder or a file cannot be read, or there is more than the edge takes at once.
pub(crate) fn standings(host: &Host) -> Result<Vec<Standing>> {
    let outlines = outlines(host)?;
    let standings: Vec<Standing> = outlines.into_iter().map(standing).collect::<Result<_>>()?;
    let bytes = serde_json::to_vec(&standings).map_or(usize::MAX, |json| json.len());
    if bytes > STANDINGS_BYTES {
        return Err(HostError::new(format!(
            "{} projects are more than the edge takes at once ({bytes} of {STANDINGS_BYTES} bytes)",
            standings.len()
        )));
    }
    Ok(standings)
}

fn standing(outline: Outline) -> Result<Standing> {
    let mut ids: Vec<(&DeploymentId, bool)> = outline.kept.iter().map(|id| (id, true)).collect();
    if let Some(live) = outline.live.as_ref().filter(|live| !outline.kept.contains(live)) {
        ids.insert(0, (live, false));
    }
    let mut releases = Vec::new();
    for (id, kept) in ids.into_iter().take(RELEASES_TOLD) {
        // A release that is being removed at this moment is told of no more.
        let Some(record) = ReleaseRecord::load(&outline.layout.release(id))? else {
            continue;
        };
        releases.push(KnownRelease {
            deployment: id.clone(),
            kept,
            ref_name: record.ref_name,
            commit: record.commit,
            subject: record.subject,
            environment_version: record.environment_version,
        });
    }
    Ok(Standing {
        slug: outline.layout.slug().clone(),
        stopped: outline.stopped,
        live: outline.live,
        releases,
    })
}

fn outlines(host: &Host) -> Result<Vec<Outline>> {
    let mut outlines = Vec::new();
    for slug in projects(host)? {
        let layout = Layout::new(host, &slug);
        let Some(project) = Project::load(&layout)? else {
            continue;
        };
        let kept = releases(&layout)?
            .into_iter()
            .filter(|id| has_manifest(&layout.release(id)))
            .take(RELEASES_TOLD);
        outlines.push(Outline {
            stopped: project.stopped,
            live: layout.live()?,
            kept: kept.collect(),
            layout,
        });
    }
    outlines.sort_by(|a, b| a.layout.slug().cmp(b.layout.slug()));
    Ok(outlines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use devflow_protocol::UnixMillis;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn dep(number: u8) -> DeploymentId {
        DeploymentId::new(UnixMillis(i64::from(number)), [number; 10])
    }

    fn host(root: &Path) -> Host {
        let root = root.display();
        let config = Config::parse(&format!(
            "state_dir = \"{root}/state\"\nprojects_dir = \"{root}/p\"\n[nginx]\ngroup = \"root\""
        ));
        Host::new(config.expect("valid")).expect("a host")
    }

    fn release(host: &Host, number: u8, kept: bool) {
        let slug = "shop".parse().expect("a slug");
        let folder = Layout::new(host, &slug).release(&dep(number)).dir;
        fs::create_dir_all(&folder).expect("made");
        let spec = crate::samples::spec("shop");
        let record = ReleaseRecord {
            spec,
            ref_name: "refs/heads/main".parse().expect("a ref"),
            commit: "a".repeat(40).parse().expect("a commit"),
            subject: format!("Version {number}"),
            environment_version: 1,
            image_digest: String::new(),
        };
        let text = serde_json::to_vec(&record).expect("JSON");
        fs::write(folder.join("release.json"), text).expect("written");
        if kept {
            fs::write(folder.join("manifest.json"), "{}").expect("written");
        }
    }

    #[test]
    fn standings_tell_live_and_kept_releases_and_their_digest_changes_with_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let host = host(folder.path());
        assert!(standings(&host).expect("told").is_empty());
        let empty = digest(&host, 1).expect("a digest");
        release(&host, 1, true);
        release(&host, 2, false);
        release(&host, 3, true);
        // No project yet: its record is missing, as in the middle of a first deployment.
        assert_eq!(digest(&host, 1).expect("a digest"), empty);
        let project = folder.path().join("p/shop");
        fs::write(project.join("project.json"), r#"{"uid":1,"stopped":true}"#).expect("written");
        let first = digest(&host, 1).expect("a digest");
        assert_ne!(first, empty);

        symlink(
            project.join("releases").join(dep(2).as_str()),
            project.join("current"),
        )
        .expect("linked");
        let live = digest(&host, 1).expect("a digest");
        assert_ne!(live, first);
        assert_ne!(digest(&host, 2).expect("a digest"), live);
        let told = standings(&host).expect("told");
        let releases: Vec<(DeploymentId, bool)> = told[0]
            .releases
            .iter()
            .map(|release| (release.deployment.clone(), release.kept))
            .collect();
        assert_eq!(releases, [(dep(2), false), (dep(3), true), (dep(1), true)]);
        assert_eq!((told[0].stopped, &told[0].live), (true, &Some(dep(2))));
        assert_eq!(told[0].releases[1].subject, "Version 3");
    }
}
