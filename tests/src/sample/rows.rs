//! What runners would have reported, written into the databases of an edge that is away.

use super::{PROJECTS, SEVERAL, Stand, output};
use crate::api::Project;
use crate::database;
use anyhow::{Context, Result};
use devflow_protocol::{DeploymentId, JobId, UnixMillis};
use rusqlite::{Transaction, params};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const MINUTE_MS: i64 = 60_000;

/// The deployments that pages are about.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) live: String,
    pub(super) failed: String,
    pub(super) running: String,
    pub(super) several_live: String,
    pub(super) several_failed: String,
}

/// Subjects of earlier deployments, with how many tenths of a usual build theirs took.
const EARLIER: [(&str, &str, u64); 8] = [
    ("live", "Sort bouquets by season", 9),
    ("live", "Faster search of the catalogue", 10),
    ("failed", "Move prices to the new table", 6),
    ("live", "Move prices to the new table, with a default", 13),
    ("live", "Longer sessions for signed-in customers", 10),
    ("live", "Update Laravel to 12.31", 24),
    ("superseded", "Wording of the order mail", 0),
    ("live", "Wording of the order mail, second try", 11),
];

const STEPS: [(&str, u64); 9] = [
    ("fetch", 310),
    ("checkout", 140),
    ("composer", 1_460),
    ("npm-build", 2_300),
    ("config-cache", 420),
    ("start", 380),
    ("migrate", 260),
    ("switch", 30),
    ("observe", 10_020),
];

struct Writer<'a> {
    rows: Transaction<'a>,
    now: UnixMillis,
    /// Makes each id another one.
    count: u8,
}

/// A deployment to write.
struct Deployment<'a> {
    project: &'a Project,
    server: &'a str,
    state: &'a str,
    subject: &'a str,
    minutes_ago: i64,
    tenths: u64,
    /// The newest one of its project was made with the environment of now, and with newer packages.
    newest: bool,
}

/// Adds everything; `projects` are those of [`PROJECTS`], on those `servers`.
pub(super) fn fill(data: &Path, servers: &[String], projects: &[Project]) -> Result<Told> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    let now = UnixMillis(i64::try_from(now.as_millis())?);
    let mut core = database::open(data, "projects")?;
    let mut logs = database::open(data, "deployment_events")?;
    let mut told = Told::default();
    let mut jobs = Vec::new();
    let mut writer = Writer {
        rows: core.transaction()?,
        now,
        count: 0,
    };
    writer.connect(servers)?;
    for (place, (project, spec)) in projects.iter().zip(PROJECTS).enumerate() {
        let (.., server, stand, newest) = spec;
        let newest = (stand, newest);
        let earlier = if place == 0 { EARLIER.len() } else { 1 };
        let ago = i64::try_from(place)? * 47 + 2;
        jobs.extend(writer.history(project, &servers[server], newest, earlier, ago, &mut told)?);
    }
    let (several, on) = (
        &projects[SEVERAL.0],
        [&servers[PROJECTS[SEVERAL.0].3], &servers[SEVERAL.1]],
    );
    writer.on_both(several, on, &mut told)?;
    writer.rows.commit()?;
    let rows = logs.transaction()?;
    for (job, state) in &jobs {
        output::write(&rows, job, state, now)?;
    }
    rows.commit()?;
    Ok(told)
}

impl Writer<'_> {
    fn bytes(&mut self) -> [u8; 10] {
        self.count += 1;
        [self.count; 10]
    }

    /// Makes the servers look as if their runners had polled.
    fn connect(&self, servers: &[String]) -> Result<()> {
        for (place, server) in servers.iter().enumerate() {
            let facts = json!({"hostname": format!("web-{}.example.net", place + 1), "os": "Debian GNU/Linux 13",
                "cpus": 4 + 4 * (place % 2), "memory_mib": 7_900 * (1 + place % 2), "runner_version": "0.1.0",
                "deploy_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr0n2J8mWmYvQm8x1g6m3nUqk2ZbT0hVd5c7yRw9eXs devflow"});
            self.rows.execute(
                "UPDATE servers SET state = ?2, signing_key = 'c2lnbg==', sealing_key = 'c2VhbA==', facts = ?3,
                   enrolled_at = ?4, state_at = ?5 WHERE id = ?1",
                params![
                    server,
                    if place == 2 { "missing" } else { "online" },
                    facts.to_string(),
                    self.now.0 - 90 * 24 * 60 * MINUTE_MS,
                    self.now.0 - 25 * MINUTE_MS
                ],
            )?;
        }
        Ok(())
    }

    /// A project's deployments, oldest first; gives jobs whose output is to be written.
    fn history(
        &mut self,
        project: &Project,
        server: &str,
        (stand, newest): (Stand, &str),
        earlier: usize,
        ago: i64,
        told: &mut Told,
    ) -> Result<Vec<(String, &'static str)>> {
        if stand == Stand::New {
            return Ok(vec![]);
        }
        let mut made = Vec::new();
        let mut kept = Vec::new();
        for (place, (state, subject, tenths)) in EARLIER.iter().take(earlier).enumerate() {
            let minutes_ago = ago + i64::try_from(earlier - place)? * 400;
            let (id, job) = self.deployment(&Deployment {
                project,
                server,
                state,
                subject,
                minutes_ago,
                tenths: *tenths,
                newest: false,
            })?;
            if *state == "live" {
                kept.insert(0, id.clone());
            } else if *state == "failed" {
                told.failed = id;
                made.push((job, "failed"));
            }
        }
        let state = match stand {
            Stand::Failing => "failed",
            Stand::Building => "building",
            _ => "live",
        };
        let (id, job) = self.deployment(&Deployment {
            project,
            server,
            state,
            subject: newest,
            minutes_ago: if state == "building" { 0 } else { ago },
            tenths: 10,
            newest: true,
        })?;
        match state {
            "live" => {
                if earlier > 1 {
                    told.live.clone_from(&id);
                }
                kept.insert(0, id);
            }
            "building" => told.running = id,
            _ => {}
        }
        made.push((job, state));
        kept.truncate(5);
        self.rows.execute(
            "UPDATE projects SET live_deployment = ?2, kept_releases = ?3, failing = ?4, state = ?5, answer_times = ?6
             WHERE id = ?1",
            params![
                project.id,
                kept.first(),
                json!(kept).to_string(),
                state == "failed",
                if stand == Stand::Stopped { "stopped" } else { "active" },
                json!(answer_times(usize::try_from(ago)?)).to_string()
            ],
        )?;
        Ok(made)
    }

    /// A project's newest deployment is live on both of its servers; one before it failed on the second, and both went back.
    fn on_both(&mut self, project: &Project, servers: [&String; 2], told: &mut Told) -> Result<()> {
        let live: String = self.rows.query_row(
            "SELECT live_deployment FROM projects WHERE id = ?1",
            [&project.id],
            |row| row.get(0),
        )?;
        let (failed, _) = self.deployment(&Deployment {
            project,
            server: servers[0],
            state: "rolled_back",
            subject: "Seat map for the upper deck",
            minutes_ago: 300,
            tenths: 11,
            newest: false,
        })?;
        let reason =
            "step `ready` failed: not ready after 20 s: `/up` answers 500; the release before it serves on";
        for (id, states) in [
            (&live, [("live", None), ("live", None)]),
            (&failed, [("rolled_back", None), ("failed", Some(reason))]),
        ] {
            for (position, ((state, reason), server)) in states.into_iter().zip(servers).enumerate() {
                self.rows.execute(
                    "INSERT INTO deployment_parts (deployment, position, server, state, reason, steps, started_at, finished_at)
                     SELECT ?1, ?2, ?3, ?4, ?5, steps, started_at, finished_at FROM deployments WHERE id = ?1",
                    params![id, i64::try_from(position)?, server, state, reason],
                )?;
            }
        }
        self.rows.execute(
            "UPDATE further_targets SET live_deployment = ?2, kept_releases = ?3 WHERE project = ?1",
            params![project.id, live, json!([live]).to_string()],
        )?;
        (told.several_live, told.several_failed) = (live, failed);
        Ok(())
    }

    fn deployment(&mut self, new: &Deployment<'_>) -> Result<(String, String)> {
        let queued = self.now.plus(-new.minutes_ago * MINUTE_MS - 3_000);
        let id = DeploymentId::new(queued, self.bytes()).to_string();
        let job = JobId::new(queued, self.bytes()).to_string();
        let (steps, took) = steps(new, queued.0);
        let commit = format!(
            "{:08x}{:032x}",
            0x9e37_79b9_u32.wrapping_mul(u32::from(self.count)),
            self.count
        );
        let live = new.state == "live";
        let over = new.state != "building";
        let begun = new.state != "superseded";
        let reason = match new.state {
            "failed" => Some(
                "step `migrate` failed: SQLSTATE[42S02]: Base table or view not found: 1146 Table 'shop.price_lists' doesn't exist; the release before it serves on",
            ),
            "superseded" => Some("a newer push of main is live"),
            "rolled_back" => Some(
                "fra-2: step `ready` failed: not ready after 20 s: `/up` answers 500; the release before it serves on. fra-1 went back to the release before.",
            ),
            _ => None,
        };
        self.rows.execute(
            "INSERT INTO deployments (id, project, server, kind, trigger_kind, state, ref_name, commit_sha, subject,
               author, reason, steps, queued_at, started_at, finished_at, manifest, packages)
             VALUES (?1, ?2, ?3, 'deploy', 'push', ?4, 'refs/heads/main', ?5, ?6, 'Ada Lovelace', ?7, ?8, ?9, ?10, ?11,
               ?12, ?13)",
            params![
                id,
                new.project.id,
                new.server,
                new.state,
                commit,
                new.subject,
                reason,
                steps.to_string(),
                queued.0,
                begun.then_some(queued.0 + 40),
                over.then_some(queued.0 + 40 + i64::try_from(took)?),
                live.then(|| manifest(&id, &commit, new.newest).to_string()),
                live.then(|| packages(new.newest).to_string())
            ],
        )?;
        self.rows.execute(
            "INSERT INTO jobs (id, server, project, deployment, verb, state, attempt, lease, created_at, finished_at)
             VALUES (?1, ?2, ?3, ?4, 'deploy', ?5, 1, 'sample', ?6, ?7)",
            params![
                job,
                new.server,
                new.project.id,
                id,
                if over { "done" } else { "running" },
                queued.0,
                over.then_some(queued.0)
            ],
        )?;
        Ok((id, job))
    }
}

/// What a release is made of.
fn manifest(id: &str, commit: &str, newest: bool) -> Value {
    let mut migrations = vec!["2026_01_01_000000_create_order_tables"];
    let mut destructive = json!({});
    if newest {
        migrations.extend([
            "2026_11_20_101500_add_delivery_date",
            "2026_11_24_084100_drop_old_prices",
        ]);
        destructive =
            json!({"2026_11_24_084100_drop_old_prices": "alter table `products` drop column `old_price`"});
    }
    json!({"release": id, "commit": commit, "image_digest": format!("sha256:{}", "4be1c07a".repeat(8)),
        "environment_version": if newest { 2 } else { 1 }, "migrations": migrations, "destructive": destructive,
        "steps": [], "framework": "laravel", "php": if newest { "8.4" } else { "8.3" }, "answer_ms": if newest { 38 } else { 44 }})
}

/// What its lock files name.
fn packages(newest: bool) -> Value {
    if newest {
        json!({"composer": {"brick/math": "0.14.0", "laravel/framework": "v12.31.1", "laravel/scout": "v10.20.0",
                "monolog/monolog": "3.9.0", "nesbot/carbon": "3.10.3"},
            "npm": {"@vitejs/plugin-vue": "6.0.1", "vite": "7.1.7", "vue": "3.5.22"}})
    } else {
        json!({"composer": {"brick/math": "0.14.0", "fruitcake/php-cors": "v1.3.0", "laravel/framework": "v12.30.1",
                "monolog/monolog": "3.9.0", "nesbot/carbon": "3.10.2"},
            "npm": {"@vitejs/plugin-vue": "6.0.1", "vite": "7.1.3", "vue": "3.5.22"}})
    }
}

/// How fast a project answered each time that it went live, in milliseconds.
fn answer_times(seed: usize) -> Vec<usize> {
    (0..14)
        .map(|place| 30 + seed % 40 + (seed + place * place * 7) % 19)
        .collect()
}

/// The steps of a deployment and how long they took together.
fn steps(new: &Deployment<'_>, queued: i64) -> (Value, u64) {
    let mut at = 40;
    let mut steps = Vec::new();
    for (step, ms) in STEPS {
        let ms = if step == "observe" {
            ms
        } else {
            ms * new.tenths / 10
        };
        let begins = queued + i64::try_from(at).unwrap_or_default();
        let (outcome, ms) = match (new.state, step) {
            ("superseded", _) => break,
            ("building", "npm-build") => (Value::Null, Value::Null),
            ("failed", "migrate") => (json!("failed"), json!(ms)),
            _ => (json!("ok"), json!(ms)),
        };
        at += ms.as_u64().unwrap_or_default();
        let last = outcome == Value::Null || outcome == "failed";
        steps.push(json!({"step": step, "outcome": outcome, "ms": ms, "started_at": begins}));
        if last {
            break;
        }
    }
    (Value::Array(steps), at - 40)
}
