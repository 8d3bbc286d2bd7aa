//! A project whose repository has a Dockerfile: proposed by the wizard, deployed by pushes while visitors are there, and
//! left alone by those that cannot serve.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::EMAIL;
use devflow_tests::load::{all_answered, meanwhile};
use devflow_tests::plain::Plain;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Value, json};
use std::time::Duration;

fn boxed(here: &Installation) -> Result<Site<'_>> {
    here.project(
        "container",
        &json!({
            "framework": "dockerfile", "container": {"replicas": 2}, "health_path": "/up",
            "release": {"keep": 2, "drain_s": 10, "observe_s": 1, "ready_s": 10},
        }),
    )
}

/// Pushes what cannot serve; its deployment fails with `reason`, and `version` serves on.
fn fails(here: &Installation, site: &Site<'_>, reason: &str, version: &str) -> Result<Value> {
    let (_, deployment) = site.push(&format!("Fails: {reason}"))?;
    let ended = here.api.finished(&deployment, Duration::from_mins(2))?;
    let output = here.api.output(&deployment)?;
    ensure!(ended["state"] == "failed", "{ended}\n{output}");
    let said = ended["reason"].as_str().context("no reason")?;
    ensure!(
        said.contains(reason),
        "the reason does not name `{reason}`: {said}\n{output}"
    );
    ensure!(
        site.page("/")? == format!("Container, version {version}\n"),
        "the old release does not serve"
    );
    Ok(ended)
}

#[test]
fn dockerfile_pushes_under_load_fail_no_request_and_bad_ones_are_refused() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = boxed(&here)?;
    let (_, first) = site.push_live("First version")?;
    ensure!(site.page("/")? == "Container, version 1\n");
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let id = first["id"].as_str().context("no id")?;
    let page = plain.page(&format!("/deployments/{id}"))?;
    ensure!(page.contains("image"), "no step of the image: {page:.3000}");
    let output = here.api.output(id)?;
    ensure!(
        output.contains("RUN php -l index.php"),
        "no output of the build: {output}"
    );

    let url = format!("http://127.0.0.1:{}/", here.server.nginx.port());
    let counts = meanwhile(here.folder(), &url, &site.host, 4, || {
        for version in ["2", "3"] {
            site.repository.write("VERSION", &format!("{version}\n"))?;
            site.push_live(&format!("Version {version}"))?;
            ensure!(site.page("/")? == format!("Container, version {version}\n"));
        }
        let dockerfile = site.repository.read("Dockerfile")?;
        let put = |from: &str, to: &str| {
            ensure!(dockerfile.contains(from), "the Dockerfile has no `{from}`");
            site.repository.write("Dockerfile", &dockerfile.replace(from, to))
        };
        put("RUN php", "RUN echo it cannot be built >&2; exit 1; php")?;
        fails(&here, &site, "the build of `Dockerfile` failed", "3")?;
        put("FROM devflow/php:8.4", "FROM elsewhere.example/php:8.4")?;
        fails(&here, &site, "this server's policy does not allow", "3")?;
        put("0.0.0.0:8080", "0.0.0.0:8081")?;
        fails(&here, &site, "does not answer on port 8080", "3").map(drop)
    })?;
    all_answered(&counts, 200)
}

#[test]
fn dockerfile_is_proposed_with_its_port_and_shown_as_what_it_is() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = boxed(&here)?;
    site.push_live("First version")?;
    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let (repository, server) = (site.repository.url(), here.server.runner.id());
    let fields = format!("repository={repository}&branch=main&server={server}");
    let (_, page) = plain.inspect(&fields, "What the server found")?;
    for part in [
        "It exposes port 8080.",
        "value=\"dockerfile\" selected",
        "name=\"port\" value=\"8080\"",
    ] {
        ensure!(page.contains(part), "{part} is not in {page:.6000}");
    }
    let project = format!("/projects/{}", site.project.id);
    let page = plain.page(&format!("{project}/processes"))?;
    ensure!(
        page.contains("2 containers") && page.contains("on port 8080"),
        "{page:.4000}"
    );
    ensure!(!page.contains("memory_limit"), "{page:.4000}");
    let page = plain.page(&format!("{project}/pipeline"))?;
    ensure!(
        page.contains("Builds the image from the repository"),
        "{page:.4000}"
    );

    // The form changes what the API has made.
    let change = format!(
        "name=Boxed&repository={}&branch=main&framework=dockerfile&php=8.4&dockerfile=Dockerfile&port=8080&replicas=1\
         &path_filter=&domains={}&health_path=%2Fup&memory_mib=256&cpu_milli=1000&max_children=8&body_mib=64&keep=2\
         &observe_s=1&tenant_failures=0",
        site.repository.url(),
        site.host
    );
    plain.submit(
        &format!("{project}/settings"),
        &format!("{project}/settings"),
        &change,
    )?;
    let settings = here.api.get(&project)?;
    ensure!(settings["container"]["replicas"] == 1, "{settings}");
    site.push_live("One container is enough")?;
    let running = here.server.docker.running(&here.slug("container"))?;
    let webs: Vec<&String> = running.iter().filter(|name| name.contains("-web-")).collect();
    ensure!(webs.len() == 1, "{running:?}");
    Ok(())
}
