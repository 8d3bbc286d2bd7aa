//! Things break in the middle: the runner is killed, the edge is away. The site serves, the deployment ends in a true
//! state, and nothing happens twice.

use anyhow::{Context, Result, ensure};
use devflow_tests::process::wait_for;
use devflow_tests::server::{Detached, Installation, Parts, Site};
use serde_json::json;
use std::time::Duration;

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

/// An application whose every deployment step the runner is killed before and after.
struct Victim {
    app: &'static str,
    /// The steps that another victim has too are left to that one.
    wanted: fn(&str) -> bool,
    /// Writes a version.
    write: fn(&Site<'_>, u32) -> Result<()>,
    /// What the start page says of a version.
    shown: fn(u32) -> String,
    /// How often a version's migration was run.
    migrated: fn(&Site<'_>, u32) -> Result<Option<usize>>,
}

/// Steps that every pipeline has.
fn is_common(step: &str) -> bool {
    [
        "fetch", "checkout", "composer", "assets", "link", "start", "ready", "vhost", "switch", "observe",
        "retire", "prune",
    ]
    .contains(&step)
}

#[test]
fn runner_killed_at_every_step_of_plain_php_leaves_a_true_state() -> Result<()> {
    kill_at_every_step(
        Parts::default(),
        &json!({}),
        &Victim {
            app: "php",
            wanted: is_common,
            write: |site, version| site.repository.write("VERSION", &format!("{version}\n")),
            shown: |version| format!("version {version}\n"),
            migrated: |_, _| Ok(None),
        },
    )
}

#[test]
fn runner_killed_at_every_step_of_laravel_leaves_a_true_state() -> Result<()> {
    kill_at_every_step(
        Parts {
            mariadb: true,
            redis: false,
        },
        &json!({"mariadb": true}),
        &Victim {
            app: "laravel",
            wanted: |step| !is_common(step),
            write: write_version,
            shown: |version| format!("version {version}<"),
            migrated: |site, version| marks(site, version).map(Some),
        },
    )
}

fn kill_at_every_step(parts: Parts, services: &serde_json::Value, victim: &Victim) -> Result<()> {
    let mut here = Installation::start(parts)?;
    let release = json!({"keep": 3, "drain_s": 5, "observe_s": 1, "ready_s": 20});
    let body = json!({"services": services, "release": release});
    let site = here.project(victim.app, &body)?.detach();
    site.on(&here).push_live("First version")?;
    // A first deployment lacks steps that later ones have: there is nothing to compare with, carry over or retire.
    (victim.write)(&site.on(&here), 2)?;
    let (_, second) = site.on(&here).push_live("Version 2")?;
    let steps: Vec<String> = second["steps"]
        .as_array()
        .context("steps")?
        .iter()
        .filter_map(|step| step["step"].as_str().map(str::to_owned))
        .collect();
    let switch = steps
        .iter()
        .position(|step| step == "switch")
        .context("no switch")?;
    let mut serving = 2;
    let mut version = 2;
    for (place, step) in steps.iter().enumerate().filter(|(_, step)| (victim.wanted)(step)) {
        for when in ["before", "after"] {
            version += 1;
            let moment = format!("{when}:{step}");
            let switched = place > switch || (place == switch && when == "after");
            let killed = Kill {
                moment: &moment,
                version,
                serving,
                switched,
            };
            killed
                .survive(&mut here, &site, victim)
                .with_context(|| format!("killed at {moment}"))?;
            if switched {
                serving = version;
            }
        }
    }
    Ok(())
}

/// One kill, and what has to be true after it.
struct Kill<'a> {
    moment: &'a str,
    /// What is pushed.
    version: u32,
    /// What serves before.
    serving: u32,
    /// True where `current` has moved at that moment.
    switched: bool,
}

impl Kill<'_> {
    fn survive(&self, here: &mut Installation, site: &Detached, victim: &Victim) -> Result<()> {
        (victim.write)(&site.on(here), self.version)?;
        here.server.runner.kill_at(self.moment)?;
        let (_, deployment) = site.on(here).push(&format!("Version {}", self.version))?;
        here.server.runner.killed(Duration::from_mins(1))?;
        // Visitors are served while it is away.
        site.on(here).page("/")?;
        here.server.runner.start()?;
        let ended = here.api.finished(&deployment, Duration::from_mins(2))?;
        let (state, reason) = (&ended["state"], ended["reason"].as_str().unwrap_or_default());
        let step = self.moment.split_once(':').map_or("", |(_, step)| step);
        let now = if self.switched {
            ensure!(state == "live", "it is {state}: {reason}");
            self.version
        } else {
            ensure!(state == "failed", "it is {state}: {reason}");
            ensure!(
                reason.contains("the runner was restarted during `") && reason.contains("deploy again"),
                "the reason at `{step}` is: {reason}"
            );
            self.serving
        };
        let page = site.on(here).page("/")?;
        ensure!(
            page.contains(&(victim.shown)(now)),
            "not version {now} serves, but {page:.300}"
        );
        self.migrations(&site.on(here), victim)?;
        nothing_is_orphaned(here, site, &deployment, self.switched)
    }

    /// Not more than once in any case, and once where the release is live.
    fn migrations(&self, site: &Site<'_>, victim: &Victim) -> Result<()> {
        let Some(count) = (victim.migrated)(site, self.version)? else {
            return Ok(());
        };
        ensure!(
            count <= 1 && (!self.switched || count == 1),
            "the migration ran {count} times"
        );
        Ok(())
    }
}

/// The release that has to be live is, and nothing of others is left.
fn nothing_is_orphaned(here: &Installation, site: &Detached, deployment: &str, switched: bool) -> Result<()> {
    let slug = &site.project.slug;
    let live = here.server.live_release(slug).context("no live release")?;
    ensure!((live == deployment) == switched, "current is {live}");
    here.server.nothing_is_orphaned(slug, &live)
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
