//! What runs beside the site, and what happens around it: workers, scheduler, cancelled and concurrent deployments,
//! restarts of Docker and of the whole machine.

use anyhow::{Context, Result, ensure};
use devflow_tests::docker::Engine;
use devflow_tests::edge::EMAIL;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts, Site};
use devflow_tests::webhook::Delivery;
use serde_json::json;
use std::time::Duration;

fn recorded(site: &Site<'_>, sku: &str, limit: Duration) -> Result<()> {
    wait_for(&format!("the record `{sku}`"), limit, || {
        let page = site.page("/recorded")?;
        ensure!(page.contains(&format!("\"{sku}\"")), "recorded: {page}");
        Ok(Some(()))
    })
}

#[test]
fn workers_and_scheduler_run_the_new_code_after_a_switch() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: true,
    })?;
    let site = here.project("laravel", &json!({"services": {"mariadb": true, "redis": true}}))?;
    site.push_live("First version")?;
    site.page("/queue")?;
    recorded(&site, "job-of-version-1", Duration::from_secs(30))?;
    site.repository.write("VERSION", "2\n")?;
    site.push_live("Second version")?;
    site.page("/queue")?;
    recorded(&site, "job-of-version-2", Duration::from_secs(30))?;
    recorded(&site, "scheduled-by-version-2", Duration::from_secs(90))?;
    let page = site.page("/recorded")?;
    assert_eq!(page.matches("job-of-version-1").count(), 1, "{page}");
    Ok(())
}

#[test]
fn pushes_close_together_run_one_by_one_and_the_newest_is_live() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    site.push_live("First version")?;
    let mut deployments = Vec::new();
    for version in 2..=5 {
        site.repository.write("VERSION", &format!("{version}\n"))?;
        deployments.push(site.push(&format!("Version {version}"))?.1);
    }
    here.api.live(&deployments[3], Duration::from_mins(2))?;
    ensure!(site.page("/")?.contains("version 5"));
    for earlier in &deployments[..3] {
        let state = here.api.finished(earlier, Duration::from_secs(30))?["state"].clone();
        ensure!(state == "live" || state == "superseded", "{earlier} is {state}");
    }
    Ok(())
}

#[test]
fn deployment_cancelled_while_it_builds_leaves_the_old_release() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    let (_, first) = site.push_live("First version")?;
    site.repository.write("VERSION", "2\n")?;
    let composer = site.repository.read("composer.json")?;
    let slow = composer.replacen(
        '{',
        "{\n    \"scripts\": { \"post-install-cmd\": [\"sleep 120\"] },",
        1,
    );
    site.repository.write("composer.json", &slow)?;
    let (_, deployment) = site.push("A build that takes long")?;
    here.api
        .reaches(&deployment, &["building"], Duration::from_secs(30))?;
    here.api
        .post(&format!("/deployments/{deployment}/cancel"), &json!({}), 202)?;
    let ended = here.api.finished(&deployment, Duration::from_secs(30))?;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    ensure!(site.page("/")?.contains("version 1"));
    assert_eq!(
        here.server.live_release(&site.project.slug).as_deref(),
        first["id"].as_str()
    );
    // The project is free again.
    site.repository.write("composer.json", &composer)?;
    site.push_live("Quick again")?;
    ensure!(site.page("/")?.contains("version 2"));
    Ok(())
}

#[test]
fn project_stopped_restarted_and_removed_by_the_api_follows() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    site.push_live("First version")?;
    let path = format!("/projects/{}", site.project.id);
    here.api.post(&format!("{path}/stop"), &json!({}), 202)?;
    wait_for("the site to be stopped", Duration::from_secs(30), || {
        let told = here.api.get(&path)?["state"] == "stopped";
        Ok((told && site.visit("/")?.status == 503).then_some(()))
    })?;
    let push = site.repository.push("Second version")?;
    let ignored = Delivery::push(&push).send(&site.project.hook)?;
    ensure!(
        ignored.status == 200 && ignored.text().contains("The project is stopped"),
        "{} {}",
        ignored.status,
        ignored.text()
    );
    here.api.post(&format!("{path}/restart"), &json!({}), 202)?;
    wait_for("the site to be back", Duration::from_secs(30), || {
        Ok((site.visit("/")?.status == 200).then_some(()))
    })?;
    let removed = here.api.call("DELETE", &format!("{path}?purge=true"), None)?;
    ensure!(
        removed.status == 202 || removed.status == 204,
        "{} {}",
        removed.status,
        removed.text()
    );
    wait_for("the project's folder to be gone", Duration::from_secs(30), || {
        let folder = here.server.project(&site.project.slug);
        let left = here.server.docker.all(&site.project.slug)?;
        // Nginx closes the connection of a name that it does not serve.
        let silent = site.visit("/").is_err();
        Ok((!folder.join("releases").exists() && left.is_empty() && silent).then_some(()))
    })?;
    here.server.nginx.test()
}

/// Numbers and names that are refused, on the page and by the API.
fn scale_that_cannot_be_is_refused(here: &Installation, site: &Site<'_>, plain: &Plain) -> Result<()> {
    let path = format!("/projects/{}/processes", site.project.id);
    let refused = plain.post(&path, &path, "version=0&worker.queue=33")?;
    ensure!(
        refused.status == 422 && refused.text().contains("at most 32"),
        "{}",
        refused.status
    );
    let unknown = here.api.call(
        "POST",
        &format!("/projects/{}/scale", site.project.id),
        Some(&json!({"workers": {"mails": 1}})),
    )?;
    ensure!(
        unknown.status == 422 && unknown.text().contains("no worker `mails`"),
        "{}",
        unknown.text()
    );
    Ok(())
}

#[test]
fn workers_and_limits_changed_on_the_page_reach_the_live_release_without_a_deployment() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project(
        "php",
        &json!({"processes": [{"name": "queue", "kind": "worker", "argv": ["sleep", "infinity"], "count": 1,
            "stop_wait_s": 1}]}),
    )?;
    site.push_live("First version")?;
    let docker = &here.server.docker;
    let names = |part: &str| -> Result<Vec<String>> {
        let mut names = docker.running(&format!("devflow-{}-", site.project.slug))?;
        names.retain(|name| name.contains(part));
        Ok(names)
    };
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let path = format!("/projects/{}/processes", site.project.id);
    let scale = |workers: &str, memory: &str| -> Result<String> {
        let page = plain.page(&path)?;
        let version = page.split("name=\"version\" value=\"").nth(1);
        let version = version
            .and_then(|rest| rest.split('"').next())
            .context("no version")?;
        let fields = format!(
            "version={version}&worker.queue={workers}&max_children=5&memory_mib={memory}&cpu_milli=700\
             &php_memory_mib=96&execution_s=60"
        );
        plain.submit(&path, &path, &fields)
    };
    let workers = |count: usize| {
        wait_for(&format!("{count} workers"), Duration::from_secs(30), || {
            let names = names("-queue-")?;
            ensure!(names.len() == count, "{names:?}");
            Ok(Some(names))
        })
    };
    let id = |name: &str| {
        docker.run(&[
            "inspect",
            "--format",
            "{{.Id}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}",
            name,
        ])
    };
    workers(1)?;
    let web = names("-web")?;
    let before = id(&web[0])?;

    ensure!(scale("3", "300")?.contains("no request is lost"));
    let three = workers(3)?;
    let after = id(&web[0])?;
    // The same container, with other limits.
    ensure!(
        after.split(' ').next() == before.split(' ').next(),
        "{before} and {after}"
    );
    ensure!(
        after.ends_with(&format!(" {} 700000000", 300 * 1024 * 1024)),
        "{after}"
    );
    ensure!(site.page("/")?.contains("version 1"));
    let release = here
        .server
        .live_release(&site.project.slug)
        .context("no release")?;
    let release = here
        .server
        .project(&site.project.slug)
        .join("releases")
        .join(release);
    let pool = std::fs::read_to_string(release.join("conf/fpm.conf"))?;
    ensure!(
        pool.contains("pm.max_children = 5") && pool.contains("[memory_limit] = 96M"),
        "{pool}"
    );

    // One kind is started anew, the others stay.
    let old: Vec<String> = three.iter().map(|name| id(name)).collect::<Result<_>>()?;
    plain.submit(&path, &format!("{path}/restart"), "worker=queue")?;
    wait_for("new workers", Duration::from_secs(30), || {
        let new: Vec<String> = names("-queue-")?
            .iter()
            .map(|name| id(name))
            .collect::<Result<_>>()?;
        Ok((new.len() == 3 && new.iter().all(|one| !old.contains(one))).then_some(()))
    })?;
    ensure!(id(&web[0])? == after);
    ensure!(scale("0", "300")?.contains("no request is lost"));
    workers(0)?;

    scale_that_cannot_be_is_refused(&here, &site, &plain)?;
    let list = here
        .api
        .get(&format!("/projects/{}/deployments", site.project.id))?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    Ok(())
}

#[test]
fn docker_restarted_and_machine_rebooted_bring_the_site_back() -> Result<()> {
    // One that may be restarted without harm to anything else on the machine.
    let mut engine = Engine::own("dk-stories")?;
    let mut here = Installation::start_on(
        engine.docker().clone(),
        Parts {
            mariadb: true,
            redis: false,
        },
    )?;
    let site = here
        .project("laravel", &json!({"services": {"mariadb": true}}))?
        .detach();
    site.on(&here).push_live("First version")?;
    let serves = |here: &Installation, what: &str| {
        wait_for(what, Duration::from_secs(90), || {
            ensure!(site.on(here).page("/")?.contains("version 1"), "another page");
            Ok(Some(()))
        })
    };

    engine.restart()?;
    serves(&here, "the site after a restart of Docker")?;
    site.on(&here).page("/queue")?;
    recorded(&site.on(&here), "job-of-version-1", Duration::from_mins(1))?;

    here.server.runner.kill();
    engine.power_cut()?;
    here.server.nginx.restart()?;
    here.server.runner.start()?;
    serves(&here, "the site after a reboot")?;

    site.repository.write("VERSION", "2\n")?;
    site.on(&here).push_live("Second version")?;
    ensure!(site.on(&here).page("/")?.contains("version 2"));
    drop(here);
    drop(engine);
    Ok(())
}

#[test]
fn environment_edited_takes_effect_with_the_next_deployment() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    here.api
        .set_environment(&site.project, &json!({"GREETING": "one"}))?;
    let seen = || -> Result<Vec<u8>> {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD
            .decode(site.page("/?env=GREETING")?.trim())
            .context("not base64")
    };
    site.push_live("First version")?;
    assert_eq!(seen()?, b"one");
    let odd = "two $HOME \"quoted\" 'single' #hash \\ back\nsecond line é €";
    here.api
        .set_environment(&site.project, &json!({"GREETING": odd}))?;
    assert_eq!(seen()?, b"one");
    let deployment = here.api.deploy(&site.project)?;
    here.api.live(&deployment, Duration::from_mins(1))?;
    assert_eq!(String::from_utf8(seen()?)?, odd);
    // Values are never in what a deployment prints.
    ensure!(!here.api.output(&deployment)?.contains("second line"));
    Ok(())
}
