//! Fills the databases of a worker that is away: copies of one project that was made through the API, so that what
//! pages read is what the worker writes.

use anyhow::{Context, Result};
use devflow_protocol::{DeliveryId, DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use devflow_tests::api::Api;
use devflow_tests::database;
use rusqlite::{Transaction, params};
use serde_json::json;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const PROJECTS: usize = 2_500;
pub(super) const SERVERS: usize = 50;
pub(super) const DEPLOYMENTS: usize = 100_000;
const MINUTE_MS: i64 = 60_000;
/// Deployments that are under way, and jobs that wait: a bad day.
const RUNNING: usize = 60;
const WAITING: usize = 60;
/// Lines in the output of the deployment whose page is measured, and lines of one batch of them.
const LINES: i64 = 20_000;
const BATCH: i64 = 500;

/// The project and the server that all others are copies of.
pub(super) struct Template {
    project: String,
    server: String,
}

/// What there is to look at.
pub(super) struct Filled {
    template: Template,
    deployment: DeploymentId,
}

impl Filled {
    pub(super) fn paths(&self) -> Vec<String> {
        let (project, server) = (&self.template.project, &self.template.server);
        let of_project = [
            "",
            "/compare",
            "/environment",
            "/deliveries",
            "/hook",
            "/settings",
        ];
        [
            "/",
            "/?cursor=p-1200",
            "/?view=by_server",
            "/?view=by_server&cursor=web-25%2Fp-1224",
            "/?view=by_tag",
            "/?view=by_tag&cursor=%23client-50%2F",
            "/?view=failing",
            "/?view=deploying",
            "/?view=stopped",
            "/?q=project+12",
            "/?q=example.com",
            "/projects/new",
            "/servers",
            "/servers/new",
            "/activity",
            "/keys",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(of_project.map(|tab| format!("/projects/{project}{tab}")))
        .chain([
            format!("/servers/{server}"),
            format!("/deployments/{}", self.deployment),
        ])
        .collect()
    }
}

/// Makes the first server and the first project.
pub(super) fn template(api: &Api) -> Result<Template> {
    let (server, _) = api.add_server("web-0")?;
    let project = api.add_project(&json!({
        "name": "Project 0", "slug": "p-0", "server": server, "provider": "github", "framework": "laravel",
        "repository": "git@github.com:acme/p-0.git", "domains": ["p-0.example.com"],
    }))?;
    Ok(Template {
        project: project.id,
        server,
    })
}

/// Adds everything else to the databases below `data`.
pub(super) fn fill(data: &Path, template: &Template) -> Result<Filled> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    let now = UnixMillis(i64::try_from(now.as_millis())?);
    let mut core = database::open(data, "projects")?;
    let rows = core.transaction()?;
    let servers = servers(&rows, template, now)?;
    let projects = projects(&rows, template, &servers, now)?;
    let newest = deployments(&rows, &projects, &servers, now)?;
    around(&rows, template, &newest, now)?;
    rows.commit()?;
    let mut logs = database::open(data, "deployment_events")?;
    let rows = logs.transaction()?;
    output(&rows, &newest.job, now)?;
    rows.commit()?;
    Ok(Filled {
        template: Template {
            project: template.project.clone(),
            server: template.server.clone(),
        },
        deployment: newest.deployment,
    })
}

/// Ten bytes that differ for each number.
fn entropy(number: usize) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn before(now: UnixMillis, minutes: usize) -> UnixMillis {
    now.plus(-i64::try_from(minutes).unwrap_or(i64::MAX / MINUTE_MS) * MINUTE_MS)
}

fn servers(rows: &Transaction<'_>, template: &Template, now: UnixMillis) -> Result<Vec<String>> {
    let facts = json!({"hostname": "web.example.net", "os": "Debian GNU/Linux 12", "cpus": 4, "memory_mib": 7_900,
        "runner_version": "0.1.0", "deploy_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr0n2J8mWmYvQm8x1g6m3nU devflow"})
    .to_string();
    let mut ids = vec![template.server.clone()];
    for number in 1..SERVERS {
        let id = ServerId::new(before(now, 90_000), entropy(number)).to_string();
        rows.execute(
            "INSERT INTO servers (id, name, state, created_at, state_at) VALUES (?1, ?2, 'pending', ?3, ?3)",
            params![id, format!("web-{number}"), now.0],
        )?;
        ids.push(id);
    }
    rows.execute(
        "UPDATE servers SET state = iif(name = 'web-7', 'missing', 'online'), signing_key = 'c2lnbg==',
           sealing_key = 'c2VhbA==', facts = ?1, enrolled_at = ?2",
        params![facts, now.0],
    )?;
    Ok(ids)
}

/// Project `n` is on server `n mod 50`.
fn projects(
    rows: &Transaction<'_>,
    template: &Template,
    servers: &[String],
    now: UnixMillis,
) -> Result<Vec<String>> {
    let mut ids = vec![template.project.clone()];
    for number in 1..PROJECTS {
        let id = ProjectId::new(before(now, 80_000), entropy(number)).to_string();
        let (slug, name) = (format!("p-{number}"), format!("Project {number}"));
        rows.execute(
            "INSERT INTO projects (id, slug, name, server, state, ref_name, settings, created_at, updated_at)
             SELECT ?1, ?2, ?3, ?4, iif(?5, 'stopped', 'active'), ref_name,
               replace(settings, 'p-0', ?2), created_at, updated_at
             FROM projects WHERE id = ?6",
            params![
                id,
                slug,
                name,
                servers[number % servers.len()],
                number % 50 == 9,
                template.project
            ],
        )?;
        rows.execute(
            "INSERT INTO project_words (word, project)
             SELECT replace(word, 'p-0', ?1), ?2 FROM project_words WHERE project = ?3 AND word LIKE 'p-0%'
             UNION SELECT lower(?4), ?2 UNION SELECT 'example.com', ?2 UNION SELECT ?5, ?2",
            params![
                slug,
                id,
                template.project,
                name,
                format!("#client-{}", number % 100)
            ],
        )?;
        ids.push(id);
    }
    Ok(ids)
}

/// The deployment whose page is measured.
struct Newest {
    deployment: DeploymentId,
    job: String,
}

fn deployments(
    rows: &Transaction<'_>,
    projects: &[String],
    servers: &[String],
    now: UnixMillis,
) -> Result<Newest> {
    let steps: Vec<_> = [
        "fetch",
        "checkout",
        "composer",
        "npm-build",
        "migrate",
        "config-cache",
        "switch",
        "observe",
    ]
    .iter()
    .map(|step| json!({"step": step, "outcome": "ok", "ms": 412, "started_at": now.0}))
    .collect();
    let steps = serde_json::to_string(&steps)?;
    let mut insert = rows.prepare(
        "INSERT INTO deployments (id, project, server, kind, trigger_kind, state, ref_name, commit_sha, subject,
           author, reason, steps, queued_at, started_at, finished_at)
         VALUES (?1, ?2, ?3, 'deploy', 'push', ?4, 'refs/heads/main', ?5, 'Show the delivery date in the basket',
           'Ada Lovelace', iif(?4 = 'failed', 'composer: could not find acme/core ^3.0', NULL), ?6, ?7, ?7, ?8)",
    )?;
    let mut newest = DeploymentId::new(now, entropy(0));
    for number in 0..DEPLOYMENTS {
        let (project, left) = (number % PROJECTS, DEPLOYMENTS - number);
        let state = match number {
            _ if left <= RUNNING => "building",
            _ if number % 19 == 3 => "failed",
            _ => "live",
        };
        let at = before(now, left);
        let id = DeploymentId::new(at, entropy(number));
        let commit = format!("{number:040x}");
        let end = (state != "building").then_some(at.0 + 2_900);
        insert.execute(params![
            id.to_string(),
            projects[project],
            servers[project % servers.len()],
            state,
            commit,
            steps,
            at.0,
            end
        ])?;
        if project == 0 {
            newest = id;
        }
    }
    // What the trigger does when a state changes.
    rows.execute_batch(
        "UPDATE projects SET live_deployment = (SELECT max(id) FROM deployments d WHERE d.project = projects.id AND
           d.state = 'live'), failing = (SELECT state = 'failed' FROM deployments d WHERE d.project = projects.id AND
           d.state IN ('live', 'failed') ORDER BY id DESC LIMIT 1);",
    )?;
    made_of(rows, &projects[0])?;
    let job = JobId::new(now, entropy(0)).to_string();
    Ok(Newest {
        deployment: newest,
        job,
    })
}

/// What the releases of the measured project are made of: a hundred packages, and so many versions of its environment between
/// two of them that the page that compares them reads as much as it ever does.
fn made_of(rows: &Transaction<'_>, project: &str) -> Result<()> {
    let packages: serde_json::Map<_, _> = (0..100)
        .map(|number| (format!("acme/package-{number}"), json!("v1.2.3")))
        .collect();
    rows.execute(
        "UPDATE deployments SET packages = ?2, manifest = json_object('release', id, 'commit', commit_sha, 'image_digest',
           'sha256:00', 'environment_version', iif(rowed % 2, 1, 60), 'migrations', json('[]'), 'steps', json('[]'))
         FROM (SELECT id AS made, row_number() OVER (ORDER BY id) AS rowed FROM deployments
           WHERE project = ?1 AND state = 'live') WHERE id = made",
        params![project, json!({"composer": packages}).to_string()],
    )?;
    rows.execute(
        "WITH RECURSIVE versions(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM versions WHERE number < 60)
         INSERT INTO environments (project, version, sealed, names, actor, changes, created_at)
         SELECT project, number, sealed, names, actor, '{\"changed\":[\"MAIL_HOST\"]}', created_at
         FROM versions, environments WHERE project = ?1 AND version = 1",
        [project],
    )?;
    rows.execute(
        "UPDATE projects SET answer_times = '[44,41,39,52,40,38,41,43,39,40,42,38,37,41,40,39,44,38,36,41]'",
        [],
    )?;
    Ok(())
}

/// The measured project's deliveries, the job of its newest deployment, and what people did.
fn around(rows: &Transaction<'_>, template: &Template, newest: &Newest, now: UnixMillis) -> Result<()> {
    rows.execute(
        "INSERT INTO jobs (id, server, project, deployment, verb, state, attempt, created_at, finished_at)
         VALUES (?1, ?2, ?3, ?4, 'deploy', 'done', 1, ?5, ?5)",
        params![
            newest.job,
            template.server,
            template.project,
            newest.deployment.to_string(),
            now.0
        ],
    )?;
    for number in 1..=WAITING {
        rows.execute(
            "INSERT INTO jobs (id, server, verb, state, created_at) VALUES (?1, ?2, 'ping', 'queued', ?3)",
            params![
                JobId::new(now, entropy(number)).to_string(),
                template.server,
                now.0
            ],
        )?;
    }
    let event = json!({"kind": "ping"}).to_string();
    for number in 0..500 {
        rows.execute(
            "INSERT INTO deliveries (id, provider, hook, project, delivery_key, event_name, event, decision, reason,
               received_at)
             SELECT ?1, provider, id, project, ?2, 'ping', ?3, 'ping', 'GitHub asked whether we are here', ?4
             FROM hooks WHERE project = ?5",
            params![
                DeliveryId::new(before(now, 500 - number), entropy(number)).to_string(),
                number.to_string(),
                event,
                now.0,
                template.project
            ],
        )?;
    }
    rows.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
         INSERT INTO activity_logs (at, actor, action, subject)
         SELECT ?2, (SELECT id FROM users), 'deployment.start', ?3 FROM n",
        params![i64::try_from(DEPLOYMENTS)?, now.0, newest.deployment.to_string()],
    )?;
    Ok(())
}

fn output(rows: &Transaction<'_>, job: &str, now: UnixMillis) -> Result<()> {
    for first in (0..LINES / BATCH).map(|batch| batch * BATCH + 1) {
        let events: Vec<_> = (first..first + BATCH)
            .map(|n| {
                json!({"n": n, "at": now.0, "what": {"kind": "output", "step": "composer", "stream": "out",
                    "text": format!("  - Installing acme/package-{n} (3.2.1): Extracting archive")}})
            })
            .collect();
        rows.execute(
            "INSERT INTO deployment_events (job, attempt, first, last, received_at, body)
             VALUES (?1, 1, ?2, ?3, ?4, ?5)",
            params![
                job,
                first,
                first + BATCH - 1,
                now.0,
                serde_json::to_string(&events)?
            ],
        )?;
    }
    Ok(())
}
