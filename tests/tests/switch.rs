//! The switch under load, fifty times in all: no request fails, and pages loaded before it keep their assets. `cargo xtask
//! bench switch` does each part fifty times, with figures.

use anyhow::{Context as _, Result, ensure};
use devflow_tests::load::{all_answered, meanwhile};
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::json;
use std::time::Duration;

fn url(here: &Installation, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", here.server.nginx.port())
}

/// Deploys `switches` times while the visitors are there; all their requests must be answered.
fn under_load(
    here: &Installation,
    site: &Site<'_>,
    path: &str,
    connections: u16,
    switches: u32,
) -> Result<()> {
    let counts = meanwhile(here.folder(), &url(here, path), &site.host, connections, || {
        for _ in 0..switches {
            let deployment = here.api.deploy(&site.project)?;
            here.api.live(&deployment, Duration::from_mins(2))?;
        }
        Ok(())
    })?;
    all_answered(&counts, u64::from(switches) * 20).with_context(|| format!("{path} under load"))
}

const QUICK: &str = r#"{"keep": 2, "drain_s": 10, "observe_s": 0, "ready_s": 20}"#;

/// A live site of pages alone: nothing of it is built, so that many switches come one after the other.
fn pages<'a>(here: &'a Installation, limits: &serde_json::Value) -> Result<Site<'a>> {
    let release: serde_json::Value = serde_json::from_str(QUICK)?;
    let settings = json!({"release": release, "limits": limits, "health_path": "/ping.php"});
    let site = here.project("php", &settings)?;
    std::fs::remove_file(site.repository.path().join("composer.json"))?;
    site.repository
        .write("public/slow.php", "<?php usleep(300000); echo 'ok';")?;
    site.push_live("First version")?;
    Ok(site)
}

#[test]
fn switch_under_load_of_a_trivial_page_fails_no_request() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = pages(&here, &json!({}))?;
    under_load(&here, &site, "/ping.php", 8, 40)
}

#[test]
fn switch_with_a_full_backlog_of_slow_requests_fails_none() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    // Two children and 24 visitors of 300 ms each: most requests wait in the socket's backlog at any time.
    let site = pages(&here, &json!({"max_children": 2}))?;
    under_load(&here, &site, "/slow.php", 12, 6)
}

#[test]
fn switch_of_laravel_under_load_fails_no_request_and_keeps_old_assets() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let release: serde_json::Value = serde_json::from_str(QUICK)?;
    let site = here.project(
        "laravel",
        &json!({"release": release, "services": {"mariadb": true}}),
    )?;
    site.push_live("First version")?;
    let page = site.page("/")?;
    let style = page
        .split('"')
        .find(|part| part.starts_with("/build/"))
        .map(str::to_owned);
    let style = style.ok_or_else(|| anyhow::anyhow!("no style in {page}"))?;
    under_load(&here, &site, "/", 2, 4)?;
    site.repository
        .write("resources/assets/site.css", "body { color: maroon; }\n")?;
    site.push_live("Other colours")?;
    ensure!(
        !site.page("/")?.contains(&style),
        "the new page has the old style"
    );
    ensure!(
        site.visit(&style)?.status == 200,
        "the old page's style is gone: {style}"
    );
    Ok(())
}
