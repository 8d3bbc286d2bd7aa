//! A repository that only the server's own key may read, behind a real sshd.

use anyhow::{Context, Result, ensure};
use devflow_tests::process::tail;
use devflow_tests::server::{Installation, Parts, Site};
use devflow_tests::sshd::Sshd;
use serde_json::json;
use std::fs;
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
