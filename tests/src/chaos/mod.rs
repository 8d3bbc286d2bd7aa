//! Deployments of several projects while every part of an installation is killed at random moments.

mod faults;
mod verdict;

pub use faults::Fault;

use crate::api::has_ended;
use crate::docker::Engine;
use crate::line::Line;
use crate::places;
use crate::server::{Detached, Installation, Parts};
use anyhow::{Context, Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::mem;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Deployments that are under way at a time, at most.
const AT_A_TIME: usize = 4;
/// How long all deployments may take to come to their ends once nothing is broken any more.
const CALM: Duration = Duration::from_mins(10);

/// The edge's time-outs are this much shorter than usual: a network that is away for a minute is away for half an hour by
/// them.
pub const FASTER: u32 = 30;
const TIMEOUTS_MS: [(&str, u32); 3] = [
    ("LEASE_MS", 30_000),
    ("POLL_HOLD_MS", 50_000),
    ("MISSING_AFTER_MS", 90_000),
];

/// Each version leaves a row each time that its migration is run.
const MIGRATE: &str = "$db = new PDO('mysql:unix_socket=' . getenv('DB_SOCKET') . ';dbname=' . getenv('DB_DATABASE'), \
     getenv('DB_USERNAME'), getenv('DB_PASSWORD')); \
     $db->exec('CREATE TABLE IF NOT EXISTS migrated (version INT)'); \
     $db->exec('INSERT INTO migrated VALUES (' . (int) file_get_contents('VERSION') . ')');";

/// How much, and in which order.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Pushes after the first one of each project.
    pub deployments: u32,
    /// Projects.
    pub projects: u16,
    /// The same seed breaks the same parts in the same order.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// How many deployments ended in each state.
    pub ended: BTreeMap<String, u32>,
    /// How often each part was broken.
    pub broken: BTreeMap<&'static str, u32>,
    /// How long runner and edge did not reach each other.
    pub apart: Duration,
    /// What is not as it has to be; empty where all is well.
    pub problems: Vec<String>,
    /// The logs of such a run.
    pub logs: Vec<PathBuf>,
}

/// A push that was announced.
#[derive(Debug)]
struct Pushed {
    site: usize,
    version: u32,
    id: String,
}

/// An installation in trouble.
#[derive(Debug)]
pub struct Chaos {
    // In the order in which they have to end.
    here: Installation,
    engine: Engine,
    /// The runner's way to the edge.
    line: Line,
    sites: Vec<Detached>,
    pushed: Vec<Pushed>,
    /// Ids of deployments that had not ended when they were looked at last.
    under_way: Vec<String>,
    rng: Rng,
    /// How long the network was away.
    apart: Duration,
    plan: Plan,
}

impl Chaos {
    /// Starts everything on an engine of its own, and brings each project live.
    pub fn start(engine: Engine, plan: Plan) -> Result<Self> {
        let parts = Parts {
            mariadb: true,
            redis: false,
        };
        let faster = TIMEOUTS_MS.map(|(name, usual)| (name.to_owned(), json!((usual / FASTER).to_string())));
        let faster = Value::Object(faster.into_iter().collect());
        let mut here = Installation::start_with(engine.docker().clone(), parts, &faster)?;
        let line = far_edge(&mut here)?;
        let mut chaos = Self {
            here,
            engine,
            line,
            sites: Vec::new(),
            pushed: Vec::new(),
            under_way: Vec::new(),
            rng: Rng::with_seed(plan.seed),
            apart: Duration::ZERO,
            plan,
        };
        for number in 0..plan.projects {
            chaos.sites.push(chaos.add_site(number)?);
        }
        for site in 0..chaos.sites.len() {
            chaos.push(site)?;
            chaos.room(AT_A_TIME)?;
        }
        chaos.room(1)?;
        Ok(chaos)
    }

    fn add_site(&self, number: u16) -> Result<Detached> {
        let settings = json!({
            "services": {"mariadb": true},
            "release": {"keep": 2, "drain_s": 2, "observe_s": 1, "ready_s": 30},
            "health_path": "/",
            "steps": [{"name": "migrate", "phase": "migrate", "argv": ["php", "-r", MIGRATE], "timeout_s": 60}],
        });
        let site = self
            .here
            .project_named(&format!("chaos-{number}"), "php", &settings)?;
        let page = "<?php echo 'version ', trim(file_get_contents(__DIR__ . '/../VERSION')), '.';";
        site.repository.write("public/index.php", page)?;
        Ok(site.detach())
    }

    /// Pushes and breaks until all is pushed; then everything is left alone, and what has to be true is looked at.
    /// `told` hears what is done.
    pub fn run(mut self, told: &dyn Fn(&str)) -> Result<Report> {
        let mut broken = BTreeMap::new();
        for _ in 0..self.plan.deployments {
            let site = self.rng.usize(..self.sites.len());
            self.push(site)?;
            told(&format!("{} pushes", self.pushed.len()));
            if self.rng.u8(..3) > 0 {
                let fault = self.rng.choice(Fault::ALL).context("there are faults")?;
                *broken.entry(fault.name()).or_insert(0) += 1;
                told(&format!(
                    "{} pushes, now without {}",
                    self.pushed.len(),
                    fault.name()
                ));
                self.suffer(fault)?;
            }
            sleep(Duration::from_millis(self.rng.u64(..600)));
            self.room(AT_A_TIME)?;
        }
        told("nothing is broken any more; waiting for the last deployments");
        self.room(1)?;
        let mut report = self.judge();
        report.broken = broken;
        report.apart = self.apart;
        if !report.problems.is_empty() {
            report.logs = self.keep_logs()?;
        }
        Ok(report)
    }

    fn keep_logs(&self) -> Result<Vec<PathBuf>> {
        let folder = places::cache()?.join("log");
        fs::create_dir_all(&folder)?;
        let logs = [
            ("runner", self.here.server.runner.log()),
            ("edge", self.here.edge.log()),
        ];
        logs.into_iter()
            .map(|(name, log)| {
                let kept = folder.join(format!("chaos-{}-{name}.log", self.plan.seed));
                fs::copy(log, &kept)?;
                Ok(kept)
            })
            .collect()
    }

    /// Pushes the next version to a project, and announces it.
    fn push(&mut self, site: usize) -> Result<()> {
        let version = u32::try_from(self.pushed.len())? + 1;
        let at = self.sites[site].clone().on(&self.here);
        at.repository.write("VERSION", &format!("{version}\n"))?;
        let (_, id) = at.push(&format!("Version {version}"))?;
        self.under_way.push(id.clone());
        self.pushed.push(Pushed { site, version, id });
        Ok(())
    }

    /// Waits until fewer than `most` deployments are under way.
    fn room(&mut self, most: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let mut open = Vec::new();
            for id in mem::take(&mut self.under_way) {
                if !has_ended(&self.here.api.deployment(&id)?) {
                    open.push(id);
                }
            }
            self.under_way = open;
            if self.under_way.len() < most {
                return Ok(());
            }
            if begun.elapsed() > CALM {
                bail!(
                    "deployments do not end: {}\n{}",
                    self.under_way.join(", "),
                    self.here.server.runner.last_lines()
                );
            }
            sleep(Duration::from_millis(200));
        }
    }
}

/// Puts a line that can be cut between the runner and the edge.
fn far_edge(here: &mut Installation) -> Result<Line> {
    let url = here.edge.url().to_owned();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    let line = Line::to(port.context("the edge has a port")?)?;
    let runner = &mut here.server.runner;
    runner.stop();
    runner.reconfigure(|config| config.replace(&url, &format!("http://127.0.0.1:{}", line.port())))?;
    runner.start()?;
    Ok(line)
}
