//! A new project from nothing but its repository's address: a server looks at it, the settings are proposed, and it
//! goes live. Every step is a page with a form, so no script is needed.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_tests::edge::EMAIL;
use devflow_tests::git::Repository;
use devflow_tests::places;
use devflow_tests::plain::Plain;
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
    let look = |branch: &str, text: &str| plain.inspect(&address, branch, &server, text);
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
         &keep=5&observe_s=2&tenant_failures=0&variables=GREETING%3Dgood+morning%0AAPI_TOKEN%3D",
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
    let answer = here.server.visit("flowers.localhost", "/?env=GREETING")?.text();
    ensure!(
        BASE64_STANDARD.decode(answer.trim())? == b"good morning",
        "{answer:.600}"
    );
    Ok(())
}
