//! How many signed pushes the edge takes a second, each stored before it is answered; beside Debian's `webhook`, which
//! checks the same signature of the same body and stores nothing. The connections are as many as wrk keeps busy.
//!
//! Every tenth delivery is sent a second time at once, so that the two race: what is lost or stored twice is counted
//! in the database afterwards.

use super::Say;
use anyhow::{Context, Result, bail, ensure};
use devflow_tests::database;
use devflow_tests::edge::Edge;
use devflow_tests::git::Push;
use devflow_tests::places::Scratch;
use devflow_tests::process::{Process, free_port, output, wait_for};
use devflow_tests::webhook::{Hook, hmac_hex, push_body};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SCRIPT: &str = include_str!("pushes.lua");
const BODY_BYTES: usize = 6_000;
/// Commits that the pushes bring in turn, so that one is never the head already.
const COMMITS: usize = 50;
const CONNECTIONS: u8 = 16;
const SECONDS: u8 = 15;

/// What wrk measured.
struct Rate {
    per_s: u64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn measure(say: Say) -> Result<Value> {
    let scratch = Scratch::new()?;
    let load = Load::prepare(scratch.path())?;

    let edge = Edge::start(&scratch.path().join("edge"))?;
    let (api, _) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    let project = |name: &str| {
        api.add_project(&json!({
            "name": name, "framework": "php", "repository": "https://github.com/acme/shop.git", "server": server,
            "domains": [format!("{name}.example.com")], "provider": "github",
        }))
    };
    let (followed, other) = (project("shop")?, project("other")?);
    let deploying = load.run("deploying", &followed.hook, "refs/heads/main")?;
    let ignored = load.run("ignored", &other.hook, "refs/heads/topic")?;
    drop(edge);
    let stored = stored(&scratch.path().join("edge/data"))?;
    let (lost, double) = load.compare(&stored)?;

    let (peer, hook) = start_peer(scratch.path())?;
    let beside = load.run("peer", &hook, "refs/heads/main")?;
    drop(peer);

    for (what, rate) in [
        ("pushes that deploy", &deploying),
        ("pushes of other branches", &ignored),
        ("Debian's webhook, which stores nothing", &beside),
    ] {
        say.line(&format!(
            "{what}: {} a second, p50 {:.1} ms, p99 {:.1} ms",
            rate.per_s, rate.p50_ms, rate.p99_ms
        ));
    }
    say.line(&format!(
        "{} stored, {lost} lost, {double} double",
        stored.deliveries.len()
    ));
    Ok(json!({
        "per_s": deploying.per_s, "p50_ms": deploying.p50_ms, "p99_ms": deploying.p99_ms,
        "ignored_per_s": ignored.per_s, "ignored_p99_ms": ignored.p99_ms,
        "peer_per_s": beside.per_s, "peer_p50_ms": beside.p50_ms, "peer_p99_ms": beside.p99_ms,
        "lost": lost, "double": double,
    }))
}

/// wrk with its script.
struct Load {
    folder: PathBuf,
    script: PathBuf,
}

impl Load {
    fn prepare(folder: &Path) -> Result<Self> {
        let script = folder.join("pushes.lua");
        fs::write(&script, SCRIPT).context("cannot write wrk's script")?;
        Ok(Self {
            folder: folder.to_owned(),
            script,
        })
    }

    fn answers(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-answers.txt"))
    }

    fn run(&self, name: &str, hook: &Hook, ref_name: &str) -> Result<Rate> {
        let pushes = self.folder.join(format!("{name}-pushes.lua"));
        fs::write(&pushes, prepared(hook, ref_name)?).context("cannot write the pushes")?;
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "--latency", "--timeout=30s"])
            .args([format!("-c{CONNECTIONS}"), format!("-d{SECONDS}s")])
            .arg("-s")
            .arg(&self.script)
            .arg(&hook.url)
            .arg("--")
            .arg(pushes)
            .arg(self.answers(name));
        let report = output(&mut wrk)?;
        read(&report).with_context(|| format!("wrk said:\n{report}"))
    }

    /// Deliveries that were answered as stored and are not there, and those that were taken twice.
    fn compare(&self, stored: &Stored) -> Result<(usize, usize)> {
        let (mut lost, mut answered, mut taken) = (0, 0, BTreeSet::new());
        for name in ["deploying", "ignored"] {
            let text = fs::read_to_string(self.answers(name)).context("wrk wrote no answers")?;
            for (id, decision) in text.lines().filter_map(|line| line.split_once(' ')) {
                lost += usize::from(!stored.deliveries.contains(id));
                if decision != "duplicate" {
                    answered += 1;
                    taken.insert(id.to_owned());
                }
            }
        }
        ensure!(answered > 100, "only {answered} pushes were taken");
        Ok((lost, answered - taken.len() + stored.extra_deployments))
    }
}

/// The pushes as a table of Lua: their bodies, signed.
fn prepared(hook: &Hook, ref_name: &str) -> Result<String> {
    let mut table = "return {\n".to_owned();
    for number in 1..=COMMITS {
        let body = body(ref_name, number);
        ensure!(!body.contains("]==]"), "the body ends Lua's string");
        let signature = hmac_hex(hook.secret.as_bytes(), body.as_bytes());
        writeln!(
            table,
            "{{signature = \"sha256={signature}\", body = [==[{body}]==]}},"
        )?;
    }
    table.push_str("}\n");
    Ok(table)
}

/// GitHub's push of one commit that changed as many files as make the usual size.
fn body(ref_name: &str, number: usize) -> String {
    let mut push = Push {
        ref_name: ref_name.to_owned(),
        before: "1".repeat(40),
        after: format!("{number:040x}"),
        message: "Show prices with and without tax".to_owned(),
        files: Vec::new(),
        forced: false,
    };
    loop {
        let body = push_body(&push).to_string();
        if body.len() >= BODY_BYTES {
            return body;
        }
        let name = format!("app/Http/Controllers/Shop/Controller{}.php", push.files.len());
        push.files.push(name);
    }
}

/// What the database holds when all is over.
struct Stored {
    deliveries: BTreeSet<String>,
    /// Deployments that a delivery queued beside its first.
    extra_deployments: usize,
}

fn stored(data: &Path) -> Result<Stored> {
    let core = database::open(data, "deliveries")?;
    let mut ids = core.prepare("SELECT id FROM deliveries")?;
    let deliveries = ids.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let sql = "SELECT count(*) - count(DISTINCT delivery) FROM deployments";
    Ok(Stored {
        deliveries,
        extra_deployments: usize::try_from(core.query_row(sql, [], |row| row.get::<_, i64>(0))?)?,
    })
}

/// Debian's `webhook` with the rule that the edge has: the signature over the body, and the branch.
fn start_peer(folder: &Path) -> Result<(Process, Hook)> {
    let (port, secret) = (free_port()?, "a secret of the bench".to_owned());
    let header = |name: &str| json!({"source": "header", "name": name});
    let hooks = json!([{
        "id": "push",
        "execute-command": "/bin/true",
        "http-methods": ["POST"],
        "trigger-rule": {"and": [
            {"match": {"type": "payload-hmac-sha256", "secret": secret, "parameter": header("X-Hub-Signature-256")}},
            {"match": {"type": "value", "value": "refs/heads/main", "parameter": {"source": "payload", "name": "ref"}}},
        ]},
    }]);
    let file = folder.join("hooks.json");
    fs::write(&file, hooks.to_string()).context("cannot write the peer's hooks")?;
    let mut command = Command::new("webhook");
    command
        .arg("-hooks")
        .arg(&file)
        .args(["-ip", "127.0.0.1", "-port"]);
    command.arg(port.to_string());
    let mut process = Process::start("webhook", &mut command, &folder.join("webhook.log"))?;
    wait_for("webhook to listen", Duration::from_secs(20), || {
        process.check()?;
        Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
    })?;
    let url = format!("http://127.0.0.1:{port}/hooks/push");
    Ok((process, Hook { url, secret }))
}

fn read(report: &str) -> Result<Rate> {
    if let Some(line) = report
        .lines()
        .find(|line| line.contains("Non-2xx") || line.contains("Socket errors"))
    {
        bail!("pushes failed: {}", line.trim());
    }
    let value = |label: &str| {
        report
            .lines()
            .find_map(|line| line.trim().strip_prefix(label))
            .map(str::trim)
            .with_context(|| format!("no {label}"))
    };
    Ok(Rate {
        per_s: value("Requests/sec:")?
            .split('.')
            .next()
            .unwrap_or_default()
            .parse()
            .context("Requests/sec is no number")?,
        p50_ms: millis(value("50%")?)?,
        p99_ms: millis(value("99%")?)?,
    })
}

/// A time as wrk writes it: `950.00us`, `12.34ms`, `1.20s`.
fn millis(text: &str) -> Result<f64> {
    let end = text
        .find(|sign: char| sign.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().with_context(|| format!("{text} is no time"))?;
    match unit {
        "us" => Ok(number / 1_000.0),
        "ms" => Ok(number),
        "s" => Ok(number * 1_000.0),
        _ => bail!("{text} has no unit that wrk writes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_gives_rate_and_percentiles_in_milliseconds() {
        let report = "  Latency Distribution\n     50%    0.95ms\n     75%    2.00ms\n     90%    3.00ms\n     99%    1.20s \n  \
            15000 requests in 15.00s, 3.0MB read\nRequests/sec:   1000.12\n";
        let rate = read(report).unwrap();
        let shown = format!("{} {} {}", rate.per_s, rate.p50_ms, rate.p99_ms);
        assert_eq!(shown, "1000 0.95 1200");
        assert_eq!(millis("950.00us").unwrap().to_string(), "0.95");
    }

    #[test]
    fn failed_pushes_are_no_rate() {
        assert!(read("Requests/sec:   10.0\n  Non-2xx or 3xx responses: 5\n").is_err());
    }

    #[test]
    fn body_has_the_usual_size() {
        let size = body("refs/heads/main", 1).len();
        assert!((BODY_BYTES..BODY_BYTES + 200).contains(&size), "{size}");
    }
}
