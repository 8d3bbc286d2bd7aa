//! A repository whose authors want more than their own site.

use anyhow::{Context, Result, ensure};
use devflow_tests::server::{Installation, Parts};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::Duration;

fn uid_of(file: &Path) -> Result<u32> {
    Ok(fs::metadata(file)?.uid())
}

#[test]
fn project_of_another_customer_stays_unreadable() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let victim = here.project_named("victim", "php", &json!({}))?;
    here.api
        .set_environment(&victim.project, &json!({"SECRET": "the-victims-secret"}))?;
    victim.push_live("Victim")?;
    let home = here.server.project(&victim.project.slug);

    let evil = here.project_named("evil", "php", &json!({}))?;
    let public = evil.repository.path().join("public");
    let environment = home.join("current/env").display().to_string();
    symlink(&environment, public.join("env.txt"))?;
    symlink(home.join("current/app/VERSION"), public.join("code.txt"))?;
    symlink("/etc/passwd", public.join("passwd.txt"))?;
    symlink(
        "../../../../../../../../../../../../etc/hostname",
        public.join("relative.txt"),
    )?;
    symlink(&home, public.join("home"))?;
    // PHP itself tries as well, at request time and at build time.
    evil.repository.write(
        "public/look.php",
        &format!(
            "<?php\nheader('Content-Type: text/plain');\nforeach (['{environment}', '{home}', '/var/run/docker.sock', '/root', '/etc/shadow'] as $path) {{\n    echo $path, ' ', @file_get_contents($path) === false && @scandir($path) === false && !@is_readable($path) ? 'unseen' : 'SEEN', \"\\n\";\n}}\necho 'uid ', posix_getuid(), \"\\n\";\n",
            home = home.display()
        ),
    )?;
    let script = "{ id -u; ls -d /var/run/docker.sock /run/docker.sock; cat /etc/shadow; ls /tmp/df-*/s/p; touch /etc/owned; } > public/build.txt 2>&1; true";
    let composer = evil.repository.read("composer.json")?.replacen(
        '{',
        &format!(
            "{{\n    \"scripts\": {{ \"post-install-cmd\": [{}] }},",
            serde_json::to_string(script)?
        ),
        1,
    );
    evil.repository.write("composer.json", &composer)?;
    evil.push_live("Evil")?;

    for path in [
        "/env.txt",
        "/code.txt",
        "/passwd.txt",
        "/relative.txt",
        "/home/current/env",
    ] {
        let answer = evil.visit(path)?;
        assert_eq!(answer.status, 403, "{path}: {:.200}", answer.text());
        ensure!(!answer.text().contains("the-victims-secret"));
    }
    let looked = evil.page("/look.php")?;
    ensure!(!looked.contains("SEEN"), "{looked}");
    let built = evil.page("/build.txt")?;
    let evil_home = here.server.project(&evil.project.slug);
    let uid = uid_of(&home.join("current/app/VERSION"))?;
    ensure!(uid != 0, "the victim's files are root's");
    let own = uid_of(&evil_home.join("current/app/VERSION"))?;
    ensure!(
        own != 0 && own != uid,
        "the projects' files belong to {uid} and {own}"
    );
    for said in [
        own.to_string().as_str(),
        "ls: cannot access '/var/run/docker.sock': No such file or directory",
        "ls: cannot access '/run/docker.sock': No such file or directory",
        "cat: /etc/shadow: Permission denied",
        // Of all projects' folders it sees its own.
        evil.project.slug.as_str(),
        "touch: cannot touch '/etc/owned': Permission denied",
    ] {
        ensure!(
            built.lines().any(|line| line == said),
            "{said} is not in: {built}"
        );
    }
    Ok(())
}

#[test]
fn files_where_the_runner_writes_do_not_lead_it_astray() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let site = here.project("laravel", &json!({"services": {"mariadb": true}}))?;
    let outside = here.folder().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("keep.txt"), "mine")?;
    let clone = site.repository.path().to_owned();
    // A committed environment, and links in place of folders that are shared, cached or written into.
    fs::write(clone.join(".env"), "APP_DEBUG=true\nGREETING=committed\n")?;
    site.repository.git(&["add", "-f", ".env"])?;
    fs::remove_dir_all(clone.join("storage/app"))?;
    symlink(&outside, clone.join("storage/app"))?;
    fs::write(clone.join("storage/logs-note"), "x")?;
    symlink(&outside, clone.join("vendor"))?;
    site.repository.write(".gitignore", "/node_modules\n")?;
    let (_, deployment) = site.push("Links everywhere")?;
    let ended = here.api.finished(&deployment, Duration::from_mins(2))?;
    ensure!(
        ["live", "failed"].contains(&ended["state"].as_str().unwrap_or_default()),
        "{ended}"
    );
    if ended["state"] == "live" {
        ensure!(
            site.page("/greeting")? == "none",
            "the committed .env was read: {}",
            site.page("/greeting")?
        );
    } else {
        ensure!(
            ended["reason"].as_str().is_some_and(|reason| reason.len() > 10),
            "no reason: {ended}"
        );
    }
    let left: Vec<_> = fs::read_dir(&outside)?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .collect();
    ensure!(left == ["keep.txt"], "the folder outside has {left:?}");
    ensure!(
        fs::metadata(outside.join("keep.txt"))?.uid() == 0,
        "files outside were given to the project"
    );
    Ok(())
}

#[test]
fn committed_environment_is_neither_read_nor_served() -> Result<()> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let site = here.project("laravel", &json!({"services": {"mariadb": true}}))?;
    here.api
        .set_environment(&site.project, &json!({"GREETING": "from the project"}))?;
    fs::write(
        site.repository.path().join(".env"),
        "GREETING=committed\nAPP_DEBUG=true\n",
    )?;
    fs::write(site.repository.path().join("public/.env"), "SECRET=committed\n")?;
    site.repository.git(&["add", "-f", ".env", "public/.env"])?;
    site.push_live("With its own .env")?;
    assert_eq!(site.page("/greeting")?, "from the project");
    for (path, status) in [
        ("/.env", 404),
        ("/.git/config", 404),
        ("/../.env", 400),
        ("/%2e%2e/.env", 400),
    ] {
        assert_eq!(site.visit(path)?.status, status, "{path}");
    }
    Ok(())
}

#[test]
fn edge_that_repoints_a_repository_is_refused_by_the_server() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    site.push_live("First version")?;
    let other = here.project_named("other", "php", &json!({}))?;
    other.repository.push("Something else")?;
    let path = format!("/projects/{}", site.project.id);
    here.api
        .call(
            "PATCH",
            &path,
            Some(&json!({"repository": other.repository.url()})),
        )?
        .expect(200)?;
    let deployment = here.api.deploy(&site.project)?;
    let ended = here.api.finished(&deployment, Duration::from_mins(1))?;
    ensure!(ended["state"] == "failed", "{ended}");
    let reason = ended["reason"].as_str().context("a reason")?;
    ensure!(reason.contains("pinned"), "{reason}");
    ensure!(site.page("/")?.contains("version 1"));
    Ok(())
}
