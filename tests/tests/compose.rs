//! A project whose repository has a compose file: proposed by the wizard, deployed by pushes while visitors are there, gone back
//! by itself where a release is bad, with a store that goes on through all of it, also when the runner is killed.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::EMAIL;
use devflow_tests::load::{all_answered, meanwhile};
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::json;
use std::time::Duration;

fn composed(here: &Installation) -> Result<Site<'_>> {
    here.project(
        "compose",
        &json!({
            "framework": "compose", "container": {"compose": {"service": "web"}}, "health_path": "/up",
            "release": {"keep": 2, "drain_s": 10, "observe_s": 6, "ready_s": 10},
        }),
    )
}

/// What the store keeps, and which process it is.
fn kept(site: &Site<'_>) -> Result<(String, String)> {
    Ok((site.page("/kept")?, site.page("/boot")?))
}

#[test]
fn compose_pushes_under_load_fail_no_request_and_the_store_goes_on() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = composed(&here)?;
    site.push_live("First version")?;
    ensure!(site.page("/")? == "Compose, version 1\n");
    let url = format!("http://127.0.0.1:{}/", here.server.nginx.port());
    ensure!(site.page("/kept?set=flowers")? == "flowers");
    let before = kept(&site)?;

    let counts = meanwhile(here.folder(), &url, &site.host, 4, || {
        for version in ["2", "3"] {
            site.repository.write("VERSION", &format!("{version}\n"))?;
            site.push_live(&format!("Version {version}"))?;
            ensure!(site.page("/")? == format!("Compose, version {version}\n"));
            wait_for("the worker", Duration::from_secs(30), || {
                Ok((site.page("/worker")? == version).then_some(()))
            })?;
            ensure!(kept(&site)? == before, "{:?}", kept(&site)?);
        }
        // One whose worker ends again and again is seen only behind the switch.
        let compose = site.repository.read("compose.yaml")?;
        let bad = compose.replace("command: php queue.php", "command: php -r 'exit(1);'");
        ensure!(bad != compose);
        site.repository.write("compose.yaml", &bad)?;
        let (_, id) = site.push("A worker that cannot run")?;
        let ended = here.api.finished(&id, Duration::from_mins(2))?;
        ensure!(
            matches!(ended["state"].as_str(), Some("rolled_back" | "failed")),
            "{ended}\n{}",
            here.api.output(&id)?
        );
        ensure!(site.page("/")? == "Compose, version 3\n");
        ensure!(kept(&site)? == before, "{:?}", kept(&site)?);
        // One that asks for the server is refused before anything runs.
        let asks = compose.replace("    ports:", "    network_mode: host\n    ports:");
        site.repository.write("compose.yaml", &asks)?;
        let (_, id) = site.push("Asks for the server's network")?;
        let ended = here.api.finished(&id, Duration::from_mins(2))?;
        let said = ended["reason"].as_str().context("no reason")?;
        ensure!(
            said.contains("service `web`: `network_mode` is not taken"),
            "{said}"
        );
        site.repository.write("compose.yaml", &compose)
    })?;
    all_answered(&counts, 200)
}

#[test]
fn compose_file_is_proposed_and_its_services_are_shown() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = composed(&here)?;
    site.push_live("First version")?;
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let (repository, server) = (site.repository.url(), here.server.runner.id());
    let fields = format!("repository={repository}&branch=main&server={server}");
    let (_, proposal) = plain.inspect(&fields, "What the server found")?;
    for part in [
        "its services are built and run. store goes on from release to release",
        "value=\"compose\" selected",
        "name=\"compose_service\" value=\"web\"",
        "name=\"port\" value=\"8080\"",
    ] {
        ensure!(proposal.contains(part), "{part} is not in {proposal:.6000}");
    }
    let project = format!("/projects/{}", site.project.id);
    let pipeline = plain.page(&format!("{project}/pipeline"))?;
    for part in ["Reads the compose file", "Starts what the web service waits for"] {
        ensure!(pipeline.contains(part), "{part} is not in {pipeline:.4000}");
    }
    let page = plain.page(&format!("{project}/processes"))?;
    for part in [
        "The service <span class=\"mono\">web</span> of the compose file, on port 8080",
        "goes on from release to release, with its volumes",
        "runs once in each deployment",
        "each release has its own",
    ] {
        ensure!(page.contains(part), "{part} is not in {page:.6000}");
    }

    // The form changes what the API has made.
    let change = format!(
        "name=Composed&repository={}&branch=main&framework=compose&php=8.4&compose_file=compose.yaml&compose_service=web\
         &port=8080&replicas=2&path_filter=&domains={}&health_path=%2Fup&memory_mib=256&cpu_milli=1000&max_children=8\
         &body_mib=64&keep=2&observe_s=1&tenant_failures=0",
        site.repository.url(),
        site.host
    );
    let settings = format!("{project}/settings");
    plain.submit(&settings, &settings, &change)?;
    let told = here.api.get(&project)?;
    ensure!(
        told["container"]["compose"] == json!({"file": "compose.yaml", "service": "web"}),
        "{told}"
    );
    site.push_live("Two are better")?;
    let running = here.server.docker.running(&here.slug("compose"))?;
    let webs = running.iter().filter(|name| name.contains("-web-")).count();
    ensure!(webs == 2, "{running:?}");
    Ok(())
}

#[test]
fn runner_killed_in_a_compose_deployment_leaves_what_is_true_and_the_store_alone() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let site = composed(&here)?.detach();
    site.on(&here).push_live("First version")?;
    site.on(&here).page("/kept?set=flowers")?;
    let before = kept(&site.on(&here))?;
    for (moment, state, serves) in [
        ("before:services", "failed", "1"),
        ("after:services", "failed", "1"),
        ("after:start", "failed", "1"),
        ("before:observe", "live", "5"),
    ] {
        let version = match moment {
            "before:services" => "2",
            "after:services" => "3",
            "after:start" => "4",
            _ => "5",
        };
        site.repository.write("VERSION", &format!("{version}\n"))?;
        here.server.runner.kill_at(moment)?;
        let (_, deployment) = site.on(&here).push(&format!("Version {version}"))?;
        here.server.runner.killed(Duration::from_mins(2))?;
        site.on(&here).page("/")?;
        here.server.runner.start()?;
        let ended = here.api.finished(&deployment, Duration::from_mins(2))?;
        ensure!(ended["state"] == state, "{moment}: {ended}");
        let page = site.on(&here).page("/")?;
        ensure!(page == format!("Compose, version {serves}\n"), "{moment}: {page}");
        ensure!(
            kept(&site.on(&here))? == before,
            "{moment}: {:?}",
            kept(&site.on(&here))?
        );
        let running = here.server.docker.running(&here.slug("compose"))?;
        ensure!(running.len() == 4, "{moment}: {running:?}");
    }
    Ok(())
}
