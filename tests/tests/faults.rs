//! Things break in the middle: the runner is killed, the edge is away. The site serves, the deployment ends in a true
//! state, and nothing happens twice.

use anyhow::{Context, Result, ensure};
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::json;
use std::time::{Duration, Instant};

/// A new version with a migration that leaves a mark each time it is run.
fn write_version(site: &Site<'_>, version: u32) -> Result<()> {
    site.repository.write("VERSION", &format!("{version}\n"))?;
    let file = format!("database/migrations/2026_02_01_{version:06}_mark.php");
    let body = format!(
        "Illuminate\\Support\\Facades\\DB::table('orders')->insert(['sku' => 'migrated-{version}']);"
    );
    site.repository.write(
        &file,
        &format!("<?php\nreturn new class extends Illuminate\\Database\\Migrations\\Migration {{\n    public function up() {{ {body} }}\n}};\n"),
    )
}

fn marks(site: &Site<'_>, version: u32) -> Result<usize> {
    let recorded: serde_json::Value = serde_json::from_str(&site.page("/recorded")?)?;
    let mark = format!("migrated-{version}");
    Ok(recorded
        .as_array()
        .context("a list")?
        .iter()
        .filter(|sku| **sku == *mark)
        .count())
}

#[test]
fn runner_killed_at_any_moment_leaves_a_true_state() -> Result<()> {
    let mut here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let api = here.api.clone();
    let release = json!({"keep": 3, "drain_s": 5, "observe_s": 1, "ready_s": 20});
    let site_body = json!({"services": {"mariadb": true}, "release": release});
    let site = here.project("laravel", &site_body)?.detach();

    site.on(&here).push_live("First version")?;
    write_version(&site.on(&here), 2)?;
    let started = Instant::now();
    site.on(&here).push_live("Second version")?;
    let whole = started.elapsed();
    let mut serving = 2;
    let kills = 12;
    for kill in 0..kills {
        let version = 3 + kill;
        write_version(&site.on(&here), version)?;
        let (_, deployment) = site.on(&here).push(&format!("Version {version}, killed"))?;
        std::thread::sleep(whole * kill / kills);
        here.server.runner.kill();
        // Whatever it was at, visitors are served while it is away.
        site.on(&here).page("/")?;
        here.server.runner.start()?;
        let ended = api.finished(&deployment, Duration::from_mins(2))?;
        let state = ended["state"].as_str().unwrap_or_default();
        let told = || {
            format!(
                "killed after {:?} of {whole:?}: {} ({})",
                whole * kill / kills,
                state,
                ended["reason"]
            )
        };
        if state == "live" {
            serving = version;
        } else {
            ensure!(["failed", "rolled_back"].contains(&state), "{}", told());
            ensure!(
                ended["reason"].as_str().is_some_and(|reason| reason.len() > 10),
                "{}: no reason",
                told()
            );
        }
        let page = site.on(&here).page("/")?;
        ensure!(
            page.contains(&format!("version {serving}<")),
            "{}: it serves {page:.300}",
            told()
        );
        let release = here.server.live_release(&site.project.slug);
        ensure!(
            (release.as_deref() == Some(deployment.as_str())) == (state == "live"),
            "{}: current is {release:?}",
            told()
        );
        let count = marks(&site.on(&here), version)?;
        ensure!(
            count <= 1 && (state != "live" || count == 1),
            "{}: the migration ran {count} times",
            told()
        );
    }
    // No container of a release that is not live is left.
    let slug = site.project.slug.clone();
    wait_for(
        "containers of dead releases to be gone",
        Duration::from_secs(90),
        || {
            let live = here.server.live_release(&slug).context("no live release")?;
            let labels = here.server.docker.run(&[
                "ps",
                "-a",
                "--filter",
                &format!("name={slug}"),
                "--format",
                "{{.Names}} {{.Labels}}",
            ])?;
            let strangers: Vec<&str> = labels
                .lines()
                .filter(|line| line.contains("dep_") && !line.contains(&live))
                .collect();
            ensure!(strangers.is_empty(), "left: {strangers:#?}");
            Ok(Some(()))
        },
    )
}

#[test]
fn edge_away_during_a_deployment_is_told_later_and_repeats_nothing() -> Result<()> {
    let mut here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let release = json!({"keep": 3, "drain_s": 5, "observe_s": 1, "ready_s": 20});
    let body = json!({"services": {"mariadb": true}, "release": release});
    let site = here.project("laravel", &body)?.detach();
    site.on(&here).push_live("First version")?;
    write_version(&site.on(&here), 2)?;
    let (_, deployment) = site.on(&here).push("Second version")?;
    here.api
        .reaches(&deployment, &["building"], Duration::from_secs(20))?;
    // Acknowledged and under way: an unacknowledged job waits for the edge instead.
    here.edge.go_away();
    wait_for(
        "the new release to serve without the edge",
        Duration::from_mins(1),
        || {
            ensure!(
                site.on(&here).page("/")?.contains("version 2<"),
                "it serves the old one"
            );
            Ok(Some(()))
        },
    )?;
    here.edge.come_back()?;
    here.api.live(&deployment, Duration::from_mins(2))?;
    assert_eq!(marks(&site.on(&here), 2)?, 1);
    let list = here
        .api
        .get(&format!("/projects/{}/deployments", site.project.id))?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    // The events of the time without the edge are all there, in order and once.
    let shown = here.api.deployment(&deployment)?;
    let steps: Vec<&str> = shown["steps"]
        .as_array()
        .context("steps")?
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    for name in ["composer", "assets", "migrate", "queue-restart"] {
        assert_eq!(
            steps.iter().filter(|step| **step == name).count(),
            1,
            "{name} in {steps:?}"
        );
    }
    Ok(())
}

#[test]
fn runner_away_while_pushes_come_does_the_newest_when_it_is_back() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?.detach();
    here.server.runner.stop();
    let mut deployments = Vec::new();
    for version in 1..=3 {
        site.repository.write("VERSION", &format!("{version}\n"))?;
        deployments.push(site.on(&here).push(&format!("Version {version}"))?.1);
    }
    here.server.runner.start()?;
    here.api.live(&deployments[2], Duration::from_mins(1))?;
    ensure!(site.on(&here).page("/")?.contains("version 3"));
    // The first may have been given to the poll that the runner left behind, and is then done before the newest.
    let states: Vec<_> = deployments
        .iter()
        .map(|id| Ok(here.api.deployment(id)?["state"].clone()))
        .collect::<Result<_>>()?;
    ensure!(states[0] == "superseded" || states[0] == "live", "{states:?}");
    assert_eq!(states[1], "superseded");
    Ok(())
}
