//! What a request costs in CPU time, by route: of workerd's process over many requests of one route, divided by them. So
//! it holds what workerd's stand-ins for D1, R2 and Durable Objects use, which Cloudflare does not count; a request
//! for which there is nothing shows what any request costs here.

use super::Say;
use anyhow::{Context, Result, ensure};
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::git::Push;
use devflow_tests::places::Scratch;
use devflow_tests::plain::Plain;
use devflow_tests::process::output;
use devflow_tests::webhook::Delivery;
use serde_json::{Map, Value, json};
use std::fs;
use std::process::Command;

/// Requests before it is counted, until V8 has compiled what they run.
const WARM: usize = 300;
const COUNTED: usize = 400;

/// Milliseconds of CPU time by route. The worker of its own does not tell its costs, which would cost something too.
pub(super) fn by_route(say: Say) -> Result<Value> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(&scratch.path().join("edge"))?;
    let (api, password) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    let project = api.add_project(&json!({
        "name": "shop", "framework": "php", "repository": "https://github.com/acme/shop.git", "server": server,
        "domains": ["shop.example.com"], "provider": "github",
    }))?;
    let pages = Plain::sign_in(edge.url(), EMAIL, &password)?;
    let workerd = child(edge.pid().context("the edge runs")?)?;
    let mut all = Map::new();
    let mut measure = |route: &str, request: &dyn Fn(usize) -> Result<()>| -> Result<()> {
        (0..WARM).try_for_each(request)?;
        let before = cpu_ms(workerd)?;
        (WARM..WARM + COUNTED).try_for_each(request)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of some hundreds")]
        let each = (cpu_ms(workerd)? - before) / COUNTED as f64;
        let each = (each * 100.0).round() / 100.0;
        say.line(&format!("{route}: {each} ms of CPU time"));
        all.insert(route.to_owned(), json!(each));
        Ok(())
    };
    measure("nothing", &|_| {
        let answer = api.call("GET", "/nothing", None)?;
        ensure!(answer.status == 404, "there is something at /nothing");
        Ok(())
    })?;
    measure("POST /hooks/{provider}/{hook}", &|number| {
        let push = Push {
            ref_name: "refs/heads/main".to_owned(),
            before: "1".repeat(40),
            // All zeros would say that the branch is gone.
            after: format!("{:040x}", number + 1),
            message: "Show prices with and without tax".to_owned(),
            files: vec!["app/Prices.php".to_owned()],
            forced: false,
        };
        Delivery::push(&push).send(&project.hook)?.expect(202).map(drop)
    })?;
    measure("GET /api/v1/projects/{id}", &|_| {
        api.get(&format!("/projects/{}", project.id)).map(drop)
    })?;
    measure("GET /", &|_| pages.page("/").map(drop))?;
    measure("GET /projects/{id}", &|_| {
        pages.page(&format!("/projects/{}", project.id)).map(drop)
    })?;
    Ok(Value::Object(all))
}

/// The process that `parent` started; Node starts workerd alone.
fn child(parent: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
        .context("the worker's launcher is gone")?;
    let mut ids = children.split_whitespace();
    let first = ids.next().context("the launcher started nothing")?;
    ensure!(ids.next().is_none(), "the launcher started more than workerd");
    first.parse().context("a process id is not a number")
}

/// User and system time of a process so far, in milliseconds.
pub(super) fn cpu_ms(pid: u32) -> Result<f64> {
    let ticks_per_second: f64 = output(Command::new("getconf").arg("CLK_TCK"))?.trim().parse()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th fields after it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
            .context("no CPU time")
    };
    Ok((ticks(11)? + ticks(12)?) * 1000.0 / ticks_per_second)
}
