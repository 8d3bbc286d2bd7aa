//! What an administrator does on a server: `doctor`, `policy check`, and the ways to the edge and to repositories.

use anyhow::{Context, Result, ensure};
use devflow_tests::http::Client;
use devflow_tests::process::output;
use devflow_tests::server::{Installation, Parts};
use devflow_tests::tls::{Authority, Door};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What `doctor` finds: the names of what fails, after a look that each failure says what to do.
fn failures(command: &mut Command) -> Result<Vec<String>> {
    let done = command.arg("--json").output()?;
    let checks: Vec<Value> = serde_json::from_slice(&done.stdout)
        .with_context(|| format!("it said: {}", String::from_utf8_lossy(&done.stderr)))?;
    let failing: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "fail").collect();
    ensure!(
        done.status.code() == Some(i32::from(!failing.is_empty())),
        "it ended with {}: {failing:#?}",
        done.status
    );
    ensure!(
        failing
            .iter()
            .all(|check| check["fix"].as_str().is_some_and(|fix| fix.len() > 10)),
        "nothing is said to do about one of {failing:#?}"
    );
    let names = failing.iter().filter_map(|check| check["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

#[test]
fn doctor_fails_nothing_of_a_good_server_and_names_all_that_is_wrong_with_a_bad_one() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: true,
    })?;
    let runner = &here.server.runner;
    assert_eq!(failures(&mut runner.command("doctor")?)?, Vec::<String>::new());
    let told = runner.tell("doctor")?;
    ensure!(
        told.contains("enrolled as") && told.contains("live-restore"),
        "it said: {told}"
    );

    fs::write(here.folder().join("s/policy.toml"), "[alow]\n")?;
    runner.reconfigure(|text| {
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("edge", _)) => "edge = \"http://127.0.0.1:9\"".to_owned(),
            Some((key @ ("socket" | "binary"), _)) => format!("{key} = \"/nowhere/at-all\""),
            Some(("group", _)) => "group = \"nobody-at-all\"".to_owned(),
            Some(("projects_dir", _)) => format!("projects_dir = \"/{}\"", "long".repeat(20)),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    })?;
    let mut found = failures(&mut runner.command("doctor")?)?;
    found.sort();
    assert_eq!(
        found,
        [
            "docker",
            "edge",
            "group",
            "mariadb",
            "nginx",
            "policy",
            "redis",
            "socket paths"
        ]
    );
    Ok(())
}

#[test]
fn policy_check_shows_what_holds_and_all_problems_of_a_file_that_cannot_be_used() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let file = here.folder().join("s/policy.toml");
    let check = |here: &Installation| -> Result<_> {
        let mut command = here.server.runner.command("policy")?;
        Ok(command.arg("check").output()?)
    };
    fs::write(
        &file,
        "[allow]\nrepositories = [\"https://git.example.com/**\"]\nown_commands = false\n[projects.shop]\nmemory_mib = 512\n",
    )?;
    let done = check(&here)?;
    let said = String::from_utf8(done.stdout)?;
    ensure!(done.status.success(), "it ended with {}", done.status);
    for part in [
        "https://git.example.com/**",
        "Project shop",
        "memory_mib 512",
        "none yet",
    ] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }

    fs::write(
        &file,
        "[allow]\nverbs = \"deploy\"\ncolour = 1\n[projects.Shop]\nmemory_mib = 1\n",
    )?;
    let done = check(&here)?;
    let said = String::from_utf8(done.stderr)?;
    assert_eq!(done.status.code(), Some(1));
    for part in ["allow.verbs", "allow.colour", "projects.Shop", "memory_mib"] {
        ensure!(said.contains(part), "{part} is not in: {said}");
    }
    // Nothing runs under rules that cannot be read.
    here.server.runner.stop();
    let done = here.server.runner.command("run")?.output()?;
    assert_eq!(done.status.code(), Some(1));
    ensure!(
        String::from_utf8_lossy(&done.stderr).contains("policy.toml has problems"),
        "it said: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}

#[test]
fn edge_with_a_certificate_of_ones_own_authority_is_believed_only_where_that_is_named() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let authority = Authority::new(&here.folder().join("authority.pem"))?;
    let other = Authority::new(&here.folder().join("other.pem"))?;
    let pass = format!("proxy_pass {}; proxy_read_timeout 90s;", here.edge.url());
    let door = Door::open(&here.folder().join("door"), &authority, &pass)?;
    here.server.runner.stop();
    let plain = format!("edge = \"{}\"", here.edge.url());
    let through = format!("edge = \"{}\"", door.url());
    here.server
        .runner
        .reconfigure(|text| text.replace(&plain, &through))?;
    // The system's authorities do not vouch for it, and neither does another one.
    assert_eq!(failures(&mut here.server.runner.command("doctor")?)?, ["edge"]);
    for (named, trusted) in [(&other, false), (&authority, true)] {
        here.server.runner.reconfigure(|text| {
            let rest = text.lines().filter(|line| !line.starts_with("ca_file"));
            let line = format!("ca_file = \"{}\"", named.file().display());
            [line.as_str()]
                .into_iter()
                .chain(rest)
                .collect::<Vec<_>>()
                .join("\n")
        })?;
        let found = failures(&mut here.server.runner.command("doctor")?)?;
        assert_eq!(found.is_empty(), trusted, "{found:?}");
    }
    here.server.runner.start()?;
    here.project("php", &json!({}))?.push_live("First version")?;
    let log = fs::read_to_string(here.server.runner.log())?;
    ensure!(!log.contains("certificate"), "{log}");
    Ok(())
}

#[test]
fn repository_behind_https_is_fetched_where_its_certificate_can_be_believed() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    fs::write(
        here.folder().join("s/policy.toml"),
        "[allow]\nrepositories = [\"https://localhost:*/**\"]\n",
    )?;
    let authority = Authority::new(&here.folder().join("authority.pem"))?;
    let files = format!("root {};", here.folder().join("git").display());
    let door = Door::open(&here.folder().join("door"), &authority, &files)?;
    here.server.runner.stop();
    here.server.runner.start()?;
    let address = format!("{}/php.git", door.url());
    let site = here.project("php", &json!({"repository": address}))?.detach();
    let publish = |here: &Installation| -> Result<String> {
        let site = site.on(here);
        let push = site.repository.push("First version")?;
        // What a web server needs to hand out a repository as files.
        output(
            Command::new("git")
                .arg("-C")
                .arg(site.repository.bare())
                .arg("update-server-info"),
        )?;
        site.announce(&push)
    };
    let refused = publish(&here)?;
    let ended = here.api.finished(&refused, Duration::from_mins(1))?;
    assert_eq!(ended["state"], "failed");
    let reason = ended["reason"].as_str().unwrap_or_default();
    ensure!(
        reason.contains("its certificate cannot be believed") && reason.contains("GIT_SSL_CAINFO"),
        "{reason}"
    );
    here.server.runner.stop();
    let file = authority.file().display().to_string();
    here.server.runner.variables = vec![("GIT_SSL_CAINFO", file)];
    here.server.runner.start()?;
    let believed = publish(&here)?;
    here.api.live(&believed, Duration::from_mins(2))?;
    ensure!(site.on(&here).page("/")?.contains("version 1"), "another version");
    Ok(())
}

#[test]
fn site_behind_a_password_opens_with_it_alone_and_goes_live_all_the_same() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    // `open sesame`, by crypt(3) with SHA-512.
    let hash = "$6$saltofthehouse$XzG77I0g5zBLM75B0XjcMozWUtUrafAVzOscbGCNCFHqv5EnvNWsVYWmYV2ixos7x6VlReeYLnMsm9flnqCSM1";
    let guard = json!({"basic_auth": {"user": "ada", "password_hash": hash}});
    let site = here.project("php", &guard)?;
    site.push_live("First version")?;
    let ask = |authorization: Option<&str>| -> Result<u16> {
        let url = format!("http://127.0.0.1:{}/", here.server.nginx.port());
        let mut headers = vec![("host", site.host.as_str())];
        headers.extend(authorization.map(|value| ("authorization", value)));
        Ok(Client::default().get(&url, &headers)?.status)
    };
    assert_eq!(ask(None)?, 401);
    // ada:open, and ada:open sesame.
    assert_eq!(ask(Some("Basic YWRhOm9wZW4="))?, 401);
    assert_eq!(ask(Some("Basic YWRhOm9wZW4gc2VzYW1l"))?, 200);
    Ok(())
}
