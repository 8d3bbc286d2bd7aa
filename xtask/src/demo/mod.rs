//! `cargo xtask demo`: the real parts on this machine, a push that goes live, and everything ended afterwards.

mod follow;
mod rehearsal;

pub(crate) use rehearsal::rehearse;

use crate::setup::{self, Need};
use crate::show::Step;
use crate::{build_edge, cargo};
use anyhow::{Context, Result, ensure};
use devflow_tests::git::Push;
use devflow_tests::process::{interrupt, interrupted};
use devflow_tests::server::{Installation, Parts, Site};
use devflow_tests::{edge, places, runner};
use serde_json::json;
use std::time::{Duration, Instant};

/// Runs the demo until Ctrl-C, or for one push; with the runner that `DEVFLOW_RUNNER` names, where it names one.
pub(crate) fn demo(once: bool) -> Result<()> {
    ctrlc::set_handler(interrupt).context("cannot handle Ctrl-C")?;
    setup::root()?;
    setup::for_edge()?;
    let engine = setup::for_servers(Need::Installation)?;
    build_edge::build()?;
    if places::named_by("DEVFLOW_RUNNER").is_none() {
        runner::use_program(&cargo::build_runner(cargo::Build::Debug)?);
    }

    let step = Step::begin("start the control plane, Nginx, MariaDB, Redis and a runner");
    let installation = Installation::start(Parts {
        mariadb: true,
        redis: true,
    })?;
    step.done();
    let site = installation.project_named(
        "shop",
        "laravel",
        &json!({"services": {"mariadb": true, "redis": true}}),
    )?;

    println!("\nPushing the first version of the shop.\n");
    let push = site.repository.push("First version")?;
    deploy(&installation, &site, &push)?;
    if interrupted() {
        println!("\nEnding everything that was started.");
        return Ok(());
    }
    let page = site.page("/")?;
    ensure!(
        page.contains("Orders, version 1"),
        "the live page is not the shop's: {page:.500}"
    );
    tell(&installation, &site);
    if !once {
        println!("Ctrl-C ends everything that was started.\n");
        watch(&installation, &site)?;
        println!("\nEnding everything that was started.");
    }
    drop(installation);
    drop(engine);
    Ok(())
}

/// Sends the webhook as a Git provider would, and follows the deployment to its end.
fn deploy(installation: &Installation, site: &Site<'_>, push: &Push) -> Result<()> {
    let started = Instant::now();
    let deployment = site.announce(push)?;
    let state = follow::follow(&installation.api, &deployment)?;
    if interrupted() {
        return Ok(());
    }
    println!(
        "\n  {state} {:.1} s after the webhook\n",
        started.elapsed().as_secs_f64()
    );
    ensure!(
        state == "live",
        "the deployment did not go live; the reason is above and at {}",
        installation.edge.url()
    );
    Ok(())
}

fn tell(installation: &Installation, site: &Site<'_>) {
    let rows = [
        ("Dashboard", installation.edge.url().to_owned()),
        (
            "Sign in as",
            format!("{} with the password {}", edge::EMAIL, installation.password),
        ),
        (
            "The site",
            format!("http://{}:{}/", site.host, installation.server.nginx.port()),
        ),
        (
            "Push again",
            format!(
                "cd {} && echo 2 > VERSION && git commit -aqm 'Second version' && git push -q",
                site.repository.path().display()
            ),
        ),
        (
            "API",
            format!(
                "curl -H 'authorization: Bearer {}' {}/api/v1/projects",
                installation.api.key(),
                installation.edge.url()
            ),
        ),
        ("Logs", installation.folder().display().to_string()),
    ];
    for (name, value) in rows {
        println!("  {name:<11} {value}");
    }
    println!();
}

/// Plays the Git provider: each commit that arrives in the repository is announced with a signed webhook.
fn watch(installation: &Installation, site: &Site<'_>) -> Result<()> {
    let mut seen = site.repository.tip()?;
    while !interrupted() {
        std::thread::sleep(Duration::from_millis(200));
        let tip = site.repository.tip()?;
        if tip == seen {
            continue;
        }
        let push = site.repository.describe(&seen, &tip)?;
        println!("A push: {}\n", push.message.lines().next().unwrap_or_default());
        if let Err(error) = deploy(installation, site, &push) {
            println!("{error:#}\n");
        }
        seen = tip;
    }
    Ok(())
}
