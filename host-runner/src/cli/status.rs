//! `host-runner status`: what the journal and the projects' folders say, without asking the edge.

use crate::clock;
use crate::config::Config;
use crate::files;
use crate::identity::Identity;
use crate::journal::{Entry, Journal, Seen};
use anyhow::Context as _;
use devflow_protocol::dsse::fingerprint;
use devflow_protocol::witness::Witness;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print what this server saw of the edge's audit trail, a line each, for `devflow audit verify --witness`
    #[arg(long, conflicts_with = "json")]
    audit: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    edge: String,
    server: String,
    /// Fingerprint of the key whose jobs are taken.
    job_key: String,
    /// Fingerprint of the key that may replace it; None until the edge told it.
    recovery_key: Option<String>,
    session: Option<String>,
    started_at: Option<i64>,
    last_contact_at: Option<i64>,
    audit: Audit,
    open_jobs: Vec<OpenJob>,
    projects: Vec<Project>,
}

/// What this server saw of the edge's audit trail.
#[derive(Debug, Serialize)]
struct Audit {
    /// Number of the segment that it saw last.
    segment: Option<u64>,
    seen_at: Option<i64>,
    /// How often it was shown another trail than before.
    contradictions: usize,
}

#[derive(Debug, Serialize)]
struct OpenJob {
    job: String,
    attempt: u32,
    verb: String,
    project: Option<String>,
    state: &'static str,
    accepted_at: i64,
}

#[derive(Debug, Serialize)]
struct Project {
    slug: String,
    live: Option<String>,
    repository: Option<String>,
}

impl Status {
    pub(super) fn execute(&self, config: &Config) -> anyhow::Result<ExitCode> {
        let identity = Identity::load(&config.state_dir)?;
        files::private_dir(&config.state_dir)
            .with_context(|| format!("cannot use {}", config.state_dir.display()))?;
        let journal = Journal::open(&config.state_dir)?;
        if self.audit {
            return witnesses(&identity, &journal);
        }
        let report = report(config, &identity, &journal)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{}", describe(&report));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints what was seen, oldest first.
fn witnesses(identity: &Identity, journal: &Journal) -> anyhow::Result<ExitCode> {
    for seen in journal.witnesses()? {
        let witness = Witness {
            server: identity.server.clone(),
            seen_at: seen.at,
            envelope: seen.envelope,
        };
        println!("{}", serde_json::to_string(&witness)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn audit(seen: &[Seen]) -> Audit {
    let last = seen.last();
    Audit {
        segment: last.map(|seen| seen.number),
        seen_at: last.map(|seen| seen.at.0),
        contradictions: seen.iter().filter(|seen| seen.contradicts).count(),
    }
}

fn report(config: &Config, identity: &Identity, journal: &Journal) -> anyhow::Result<Report> {
    let time = |name: &str| anyhow::Ok(journal.noted(name)?.and_then(|text| text.parse().ok()));
    Ok(Report {
        edge: config.edge.clone().unwrap_or_else(|| identity.edge_url.clone()),
        server: identity.server.to_string(),
        job_key: fingerprint(&identity.pins.job_key),
        recovery_key: identity.pins.recovery_key.as_ref().map(fingerprint),
        session: journal.noted("session")?,
        started_at: time("started")?,
        last_contact_at: time("contact")?,
        audit: audit(&journal.witnesses()?),
        open_jobs: journal.open_entries()?.iter().map(open_job).collect(),
        projects: projects(&config.projects_dir, journal)?,
    })
}

fn open_job(entry: &Entry) -> OpenJob {
    OpenJob {
        job: entry.key.job.to_string(),
        attempt: entry.key.attempt,
        verb: entry.verb.clone(),
        project: entry.slug.clone(),
        state: match (&entry.finished, entry.acknowledged) {
            (Some(_), _) => "done, not reported yet",
            (None, true) => "running",
            (None, false) => "accepted",
        },
        accepted_at: entry.accepted_at.0,
    }
}

fn projects(projects_dir: &Path, journal: &Journal) -> anyhow::Result<Vec<Project>> {
    let pins = journal.pins()?;
    let folders = match std::fs::read_dir(projects_dir) {
        Ok(folders) => folders,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", projects_dir.display())),
    };
    let mut projects = Vec::new();
    for folder in folders {
        let folder = folder?;
        let slug = folder.file_name().to_string_lossy().into_owned();
        if slug.starts_with('.') || !folder.path().is_dir() {
            continue;
        }
        let live = std::fs::read_link(folder.path().join("current"))
            .ok()
            .and_then(|target| Some(target.file_name()?.to_string_lossy().into_owned()));
        let repository = pins
            .iter()
            .find(|(name, _)| *name == slug)
            .map(|(_, url)| url.clone());
        projects.push(Project {
            slug,
            live,
            repository,
        });
    }
    projects.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(projects)
}

fn describe(report: &Report) -> String {
    use std::fmt::Write as _;
    let now = clock::local().0;
    let ago = |at: Option<i64>| at.map_or("never".to_owned(), |at| format!("{} ago", duration(now - at)));
    let mut text = format!(
        "Edge          {}\nServer        {}\nJob key       {}\nRecovery key  {}\nSession       {}\nStarted       {}\nLast contact  {}\n",
        report.edge,
        report.server,
        report.job_key,
        report.recovery_key.as_deref().unwrap_or("not told yet"),
        report.session.as_deref().unwrap_or("none yet"),
        ago(report.started_at),
        ago(report.last_contact_at),
    );
    let _ = match report.audit.segment {
        Some(number) => writeln!(
            text,
            "Audit trail   segment {number} seen {}",
            ago(report.audit.seen_at)
        ),
        None => writeln!(text, "Audit trail   nothing seen yet"),
    };
    if report.audit.contradictions > 0 {
        let _ = writeln!(
            text,
            "              ANOTHER TRAIL WAS SHOWN {} TIMES: it was cut off or made again; keep `host-runner status --audit`",
            report.audit.contradictions
        );
    }
    let _ = writeln!(text, "\nOpen jobs: {}", report.open_jobs.len());
    for job in &report.open_jobs {
        let _ = writeln!(
            text,
            "  {} attempt {}  {} {}  {}, accepted {}",
            job.job,
            job.attempt,
            job.verb,
            job.project.as_deref().unwrap_or("-"),
            job.state,
            ago(Some(job.accepted_at)),
        );
    }
    let _ = writeln!(text, "\nProjects: {}", report.projects.len());
    for project in &report.projects {
        let _ = writeln!(
            text,
            "  {}  live: {}  from: {}",
            project.slug,
            project.live.as_deref().unwrap_or("nothing"),
            project.repository.as_deref().unwrap_or("not pinned yet"),
        );
    }
    text
}

fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Keys;
    use crate::samples;
    use devflow_protocol::UnixMillis;
    use devflow_protocol::runner_api::EnrolAnswer;

    #[test]
    fn report_shows_open_jobs_and_live_releases() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display();
        let config = Config::parse(&format!(
            "state_dir = \"{root}/state\"\nprojects_dir = \"{root}/projects\""
        ))
        .expect("valid");
        std::fs::create_dir_all(config.state_dir.as_path()).expect("made");
        std::fs::create_dir_all(config.projects_dir.join("shop")).expect("made");
        std::os::unix::fs::symlink("/x/releases/dep_1", config.projects_dir.join("shop/current"))
            .expect("linked");
        let journal = Journal::open(&config.state_dir).expect("opened");
        journal
            .accept(&samples::ping(1), UnixMillis(5))
            .expect("accepted");
        journal
            .set_pin("shop", "https://h.test/a", UnixMillis(1))
            .expect("pinned");
        let keys = Keys::generate();
        let answer = EnrolAnswer {
            server: samples::server(),
            edge: "edge-1".into(),
            job_key: String::new(),
            now: UnixMillis(0),
        };
        let key = keys.signing.verifying_key();
        let identity = Identity::new("https://e.test", answer, key, keys);
        let report = report(&config, &identity, &journal).expect("a report");
        assert_eq!(
            serde_json::to_value(&report).expect("JSON"),
            serde_json::json!({
                "edge": "https://e.test",
                "server": samples::server(),
                "job_key": fingerprint(&key), "recovery_key": null,
                "session": null, "started_at": null, "last_contact_at": null,
                "audit": {"segment": null, "seen_at": null, "contradictions": 0},
                "open_jobs": [{"job": samples::ping(1).id, "attempt": 1, "verb": "ping", "project": null,
                    "state": "accepted", "accepted_at": 5}],
                "projects": [{"slug": "shop", "live": "dep_1", "repository": "https://h.test/a"}],
            })
        );
        assert!(describe(&report).contains("shop  live: dep_1  from: https://h.test/a"));
    }
}
