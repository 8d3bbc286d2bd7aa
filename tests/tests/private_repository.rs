//! Repositories that not everybody may read: by the server's own key, behind a real sshd, and by an access token, behind
//! Nginx with TLS.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::EMAIL;
use devflow_tests::git::Repository;
use devflow_tests::git_host::GitHost;
use devflow_tests::places;
use devflow_tests::plain::Plain;
use devflow_tests::process::{tail, wait_for};
use devflow_tests::server::{Installation, Parts, Site};
use devflow_tests::sshd::Sshd;
use devflow_tests::tls::Authority;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Asks for a deployment that fails at its first step; gives what is told of it.
fn fails(here: &Installation, site: &Site<'_>) -> Result<String> {
    let id = here.api.deploy(&site.project)?;
    let ended = here.api.finished(&id, Duration::from_mins(1))?;
    ensure!(ended["state"] == "failed", "{ended}");
    Ok(ended["reason"].as_str().context("no reason")?.to_owned())
}

#[test]
fn private_repository_is_deployed_once_host_and_key_are_known() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let sshd = Sshd::start(&here.folder().join("sshd"))?;
    let policy = "[allow]\nrepositories = [\"ssh://*@127.0.0.1:*/**\"]\n";
    fs::write(here.folder().join("s/policy.toml"), policy)?;
    here.server.runner.stop();
    here.server.runner.start()?;

    let bare = here.folder().join("git/php.git");
    let site = here.project("php", &json!({"repository": sshd.url(&bare)}))?;
    site.repository.push("First version")?;
    let reason = fails(&here, &site)?;
    ensure!(
        reason.contains("step `fetch` failed") && reason.contains("its host key is not known here"),
        "{reason}"
    );

    fs::write(
        here.folder().join("s/state/known_hosts"),
        sshd.known_hosts_line()?,
    )?;
    let reason = fails(&here, &site)?;
    ensure!(
        reason.contains("it refused the runner's deploy key; add the key to the repository"),
        "{reason}\n{}",
        tail(&sshd.log(), 20)
    );

    // The key that the page shows.
    let server = here.api.get(&format!("/servers/{}", here.server.runner.id()))?;
    sshd.allow(
        server["facts"]["deploy_key"]
            .as_str()
            .context("the server shows no key")?,
    )?;
    let id = here.api.deploy(&site.project)?;
    here.api
        .live(&id, Duration::from_mins(2))
        .with_context(|| tail(&sshd.log(), 20))?;
    ensure!(site.page("/")?.contains("version 1"));

    // From here on it is as any other.
    site.repository.write("VERSION", "2\n")?;
    site.push_live("Second version")?;
    ensure!(site.page("/")?.contains("version 2"));
    Ok(())
}

const FIRST: &str = "glpat-the-first-token";
const SECOND: &str = "glpat-the-second-token";

/// An installation whose server may fetch from a host that asks for a token, and looks for pushes all the time.
fn with_git_host() -> Result<(Installation, GitHost)> {
    let mut here = Installation::start(Parts::default())?;
    let authority = Authority::new(&here.folder().join("ca.pem"))?;
    let host = GitHost::start(
        &here.folder().join("host"),
        &here.folder().join("git"),
        &authority,
    )?;
    let policy = "[allow]\nrepositories = [\"https://localhost:*/**\"]\n";
    fs::write(here.folder().join("s/policy.toml"), policy)?;
    let runner = &mut here.server.runner;
    runner.stop();
    runner.reconfigure(|text| format!("heads_every_s = 1\n{text}"))?;
    let authority = authority.file().display().to_string();
    runner.variables.push(("GIT_SSL_CAINFO", authority));
    runner.start()?;
    Ok((here, host))
}

/// What a person fills in after the look at `path`; gives the path of the project that is made.
fn make(here: &Installation, plain: &Plain, path: &str, repository: &str) -> Result<String> {
    let look = path.split("job=").nth(1).context("no look")?;
    let (slug, server) = (here.slug("php"), here.server.runner.id());
    let fields = format!(
        "name=Shop&slug={slug}&server={server}&provider=gitea&repository={repository}&branch=main&framework=php&php=8.4\
         &path_filter=&domains=php.localhost&health_path=&memory_mib=512&cpu_milli=1000&max_children=4&body_mib=64&keep=5\
         &observe_s=2&tenant_failures=0&variables=&token=&token_user=&inspection={look}"
    );
    let page = plain.submit(path, "/projects", &fields)?;
    let project = page.split("/projects/prj_").nth(1);
    let project = project.and_then(|rest| rest.split(['/', '"']).next());
    Ok(format!("/projects/prj_{}", project.context("no project")?))
}

/// Asks for a deployment and waits for its end.
fn deployed(here: &Installation, project: &str) -> Result<Value> {
    let made = here
        .api
        .post(&format!("{project}/deployments"), &json!({}), 202)?;
    let id = made["deployment"]["id"].as_str().context("no id")?;
    here.api.finished(id, Duration::from_mins(2))
}

/// The files below a folder that hold a text.
fn files_with(folder: &Path, text: &str) -> Result<String> {
    let mut grep = Command::new("grep");
    grep.args(["-rlaF", "--exclude-dir=host", "--devices=skip", text])
        .arg(folder);
    Ok(String::from_utf8(grep.output()?.stdout)?)
}

#[test]
fn private_repository_over_https_is_deployed_with_a_token_that_is_kept_nowhere() -> Result<()> {
    let (here, host) = with_git_host()?;
    let template = places::workspace().join("tests/apps/php");
    let repository = Repository::new(&here.folder().join("git"), "php", Some(&template))?;
    repository.push("First version")?;
    host.admit("ada", FIRST)?;

    let plain = Plain::sign_in(here.edge.url(), EMAIL, &here.password)?;
    let url = host.url("php");
    let look = |token: &str, text: &str| {
        let server = here.server.runner.id();
        let token = format!("token_user=ada&token={token}");
        plain.inspect(
            &format!("repository={url}&branch=main&server={server}&{token}"),
            text,
        )
    };
    look(
        "glpat-never-made",
        "the repository refused the token of the user ada",
    )?;
    let (path, page) = look(FIRST, "What the server found")?;
    ensure!(
        page.contains("The one that you gave for the look is taken over."),
        "{page:.4000}"
    );
    let project = make(&here, &plain, &path, &url)?;
    let live = deployed(&here, &project)?;
    ensure!(
        live["state"] == "live",
        "{live}\n{}",
        here.server.runner.last_lines()
    );
    ensure!(here.api.get(&project)?["repository_token_since"].is_number());

    // A push that nobody told of: the server asks with the token that the deployment brought.
    repository.write("VERSION", "2\n")?;
    let second = repository.push("Second version")?;
    wait_for("the push to be found", Duration::from_mins(2), || {
        let list = here.api.get(&format!("{project}/deployments"))?;
        let newest = &list["items"][0];
        Ok((newest["commit"] == *second.after && newest["state"] == "live").then_some(()))
    })?;

    // Taken back at the host, and replaced.
    host.admit("ada", SECOND)?;
    let failed = deployed(&here, &project)?;
    let reason = failed["reason"].as_str().context("no reason")?;
    ensure!(
        reason.contains("the repository refused the token of the user ada")
            && reason.contains("make a new one"),
        "{reason}"
    );
    let change = |body: &Value| here.api.call("PATCH", &project, Some(body));
    change(&json!({"repository_token": {"user": "ada", "token": SECOND}}))?.expect(200)?;
    let live = deployed(&here, &project)?;
    ensure!(live["state"] == "live", "{live}");

    // It goes to no other repository unless it is given for that one.
    let elsewhere = json!({"repository": host.url("other")});
    let refused = change(&elsewhere)?.expect(422)?;
    ensure!(
        refused
            .to_string()
            .contains("it would be sent for another repository"),
        "{refused}"
    );
    change(&json!({"repository_token": null}))?.expect(200)?;
    ensure!(here.api.get(&project)?["repository_token_since"].is_null());
    change(&elsewhere)?.expect(200)?;

    // Sealed it is in the journal, so that is looked through too.
    let sealed = files_with(here.folder(), "repository_token")?;
    ensure!(sealed.contains("/s/state/journal.db"), "{sealed}");
    for token in [FIRST, SECOND] {
        ensure!(host.shown().is_empty(), "{:?}", host.shown());
        ensure!(
            files_with(here.folder(), token)?.is_empty(),
            "{}",
            files_with(here.folder(), token)?
        );
    }
    Ok(())
}
