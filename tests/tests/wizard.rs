//! A new project from nothing but its repository's address: a server looks at it, the settings are proposed, and it
//! goes live. Every step is a page with a form, so no script is needed.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_tests::edge::EMAIL;
use devflow_tests::git::Repository;
use devflow_tests::places;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts};
use std::time::Duration;

#[test]
fn new_project_is_proposed_from_its_repository_and_goes_live() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let template = places::workspace().join("tests/apps/php");
    let repository = Repository::new(&here.folder().join("git"), "flower-shop", Some(&template))?;
    repository.write(".env.example", "GREETING=\nAPI_TOKEN=never-shown\n")?;
    repository.push("First version")?;
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let (address, server) = (repository.url(), here.server.runner.id().to_owned());
    let look = |branch: &str, text: &str| {
        let fields = format!("repository={address}&branch={branch}&server={server}");
        plain.inspect(&fields, text)
    };
    look("other", "is not there; push it first, or set another branch")?;
    let (path, page) = look("main", "What the server found")?;
    ensure!(
        page.contains("no framework that is known here: plain PHP.")
            && page.contains("value=\"Flower shop\""),
        "{page:.4000}"
    );
    ensure!(page.contains("API_TOKEN=\n") && !page.contains("never-shown"));

    let fields = format!(
        "name=Flowers&slug={}&server={server}&provider=github&repository={address}&branch=main&framework=php&php=8.4\
         &path_filter=&domains=flowers.localhost&health_path=&memory_mib=512&cpu_milli=1000&max_children=4&body_mib=64\
         &keep=5&observe_s=2&tenant_failures=0&variables=GREETING%3Dgood+morning%0AAPI_TOKEN%3D\
         &process.own.0.name=clock&process.own.0.kind=worker&process.own.0.command=sleep+infinity&process.own.0.count=2",
        here.slug("flowers")
    );
    let page = plain.submit(&path, "/projects", &fields)?;
    ensure!(page.contains("Connect the repository on GitHub"), "{page:.3000}");
    let project = page
        .split("/projects/prj_")
        .nth(1)
        .and_then(|rest| rest.split(['/', '"']).next())
        .context("no project")?;
    let project = format!("/projects/prj_{project}");
    let hook = format!("{project}/hook");
    let tested = plain.submit(&hook, &format!("{hook}/test"), "")?;
    ensure!(
        tested.contains("A signed test delivery was received, checked and stored")
            && tested.contains("id=\"dlv_"),
        "{tested:.4000}"
    );
    plain.submit(&project, &format!("{project}/deploy"), "")?;
    let deployments = here.api.get(&format!("{project}/deployments"))?;
    let id = deployments["items"][0]["id"].as_str().context("no deployment")?;
    here.api.live(id, Duration::from_mins(2))?;
    let clocks = || {
        here.server
            .docker
            .running(&format!("devflow-{}-", here.slug("flowers")))
    };
    wait_for(
        "two of the process that was added",
        Duration::from_secs(30),
        || {
            let running = clocks()?;
            ensure!(
                running.iter().filter(|name| name.contains("-clock-")).count() == 2,
                "{running:?}"
            );
            Ok(Some(()))
        },
    )?;
    let answer = here.server.visit("flowers.localhost", "/?env=GREETING")?.text();
    ensure!(
        BASE64_STANDARD.decode(answer.trim())? == b"good morning",
        "{answer:.600}"
    );
    processes_are_proposed_and_changed(&here, &repository, &plain)
}

/// Horizon is a field of the form, which is changed before the project is made.
fn processes_are_proposed_and_changed(
    here: &Installation,
    repository: &Repository,
    plain: &Plain,
) -> Result<()> {
    repository.git(&["checkout", "-q", "-b", "laravel"])?;
    repository.write("artisan", "<?php\n")?;
    let requires = r#"{"require": {"laravel/framework": "^12.0", "laravel/horizon": "^5.0"}}"#;
    repository.write("composer.json", requires)?;
    repository.push("Laravel")?;
    let (address, server) = (repository.url(), here.server.runner.id());
    let fields = format!("repository={address}&branch=laravel&server={server}");
    let (path, page) = plain.inspect(&fields, "with Horizon and the scheduler")?;
    let value = |field: &str| {
        let rest = page
            .split(&format!("name=\"process.laravel.{field}\" value=\""))
            .nth(1);
        Some(rest?.split('"').next()?.replace(' ', "+"))
    };
    ensure!(
        value("0.command").as_deref() == Some("php+artisan+horizon"),
        "{page:.9000}"
    );
    ensure!(
        value("1.command").as_deref() == Some("php+artisan+schedule:run"),
        "{page:.9000}"
    );
    let fields = |horizon: &str| {
        format!(
            "name=Queue&slug={}&server={server}&provider=github&repository={address}&branch=laravel&framework=laravel\
             &php=8.4&path_filter=&domains=queue.localhost&health_path=&memory_mib=512&cpu_milli=1000&max_children=4\
             &body_mib=64&keep=5&observe_s=2&tenant_failures=0&variables=&process.laravel.0.name=horizon\
             &process.laravel.0.kind=worker&process.laravel.0.command={horizon}&process.laravel.0.count=1\
             &process.laravel.1.name=scheduler&process.laravel.1.kind=scheduler&process.laravel.1.command=",
            here.slug("queue")
        )
    };
    let refused = plain.post(&path, "/projects", &fields("php+artisan+%27horizon"))?;
    ensure!(
        refused.status == 422 && refused.text().contains("a quote is opened and not closed"),
        "{} {:.9000}",
        refused.status,
        refused.text()
    );
    let made = plain.submit(
        &path,
        "/projects",
        &fields("php+artisan+horizon+--environment%3Dproduction"),
    )?;
    let project = made
        .split("/projects/prj_")
        .nth(1)
        .and_then(|rest| rest.split(['/', '"']).next());
    let page = plain.page(&format!(
        "/projects/prj_{}/processes",
        project.context("no project")?
    ))?;
    ensure!(
        page.contains("php artisan horizon --environment=production") && !page.contains("schedule:run"),
        "{page:.6000}"
    );
    Ok(())
}
