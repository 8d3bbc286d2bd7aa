//! What `doctor` and the other commands say on a machine where nothing is right.

use crate::runner::Server;
use serde_json::Value;
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The checks of `doctor --json`.
fn checks(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn check<'c>(checks: &'c [Value], name: &str) -> &'c Value {
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check of {name}: {checks:#?}"))
}

#[tokio::test]
async fn doctor_tells_all_that_is_wrong_at_once_and_what_to_do() {
    let server = Server::new();
    let root = server.folder.path();
    let long = root.join("p".repeat(80)).display().to_string();
    let config = std::fs::read_to_string(root.join("runner.toml")).expect("there");
    let config = config
        .replace(&format!("{}/projects", root.display()), &long)
        .replace("group = \"root\"", "group = \"nobodys-group\"");
    let databases = format!(
        "[mariadb]\nsocket = \"{0}/my.sock\"\nuser = \"root\"\n[redis]\nsocket = \"{0}/redis.sock\"\n",
        root.display()
    );
    std::fs::write(root.join("runner.toml"), config + "\n" + &databases).expect("written");
    std::fs::write(root.join("policy.toml"), "[allow]\nverbs = [\"shell\"]\n").expect("written");

    let output = server
        .command(&["doctor", "--json"])
        .env("PATH", root)
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = checks(&output);
    let cases = [
        ("state", "No such file", "the command that the dashboard shows"),
        (
            "socket paths",
            "the system allows 107",
            "choose a `projects_dir` of at most",
        ),
        ("group", "no group `nobodys-group`", "set `nginx.group`"),
        ("git", "`git` cannot be run", "apt install git"),
        ("policy", "unknown verb `shell`", "mend the file"),
        ("enrolment", "not enrolled", "run the command that it shows"),
        ("docker", "does not answer at", "systemctl start docker"),
        ("nginx", "cannot be run", "apt install nginx"),
        ("mariadb", "cannot be deployed", "correct `mariadb.socket`"),
        ("mariadb client", "cannot be run", "apt install mariadb-client"),
        ("redis", "cannot be deployed", "correct `redis.socket`"),
    ];
    for (name, says, fix) in cases {
        let check = check(&found, name);
        assert_eq!(check["verdict"], "fail", "{check}");
        assert!(check["says"].as_str().expect("text").contains(says), "{check}");
        assert!(check["fix"].as_str().expect("text").contains(fix), "{check}");
    }
    // It works without, for repositories over HTTPS.
    assert_eq!(check(&found, "ssh")["verdict"], "warn");
    // It looks and changes nothing.
    assert!(!server.state().exists());

    let read = server.call(&["doctor"], "").await;
    assert_eq!(read.status.code(), Some(1));
    let page = text(&read.stdout);
    assert!(page.contains("FAIL  docker"), "{page}");
    assert!(page.contains("→ apt install nginx"), "{page}");
}

#[tokio::test]
async fn every_command_tells_all_problems_of_the_configuration() {
    let server = Server::new();
    let file = server.folder.path().join("runner.toml");
    std::fs::write(&file, "colour = 1\nuid_base = 3\nredis = 5\n").expect("written");
    for arguments in [&["doctor"][..], &["policy", "check"], &["run"], &["status"]] {
        let output = server.call(arguments, "").await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        for problem in [
            "`colour` is not known",
            "`uid_base` must be a whole number",
            "`redis` must be a table",
        ] {
            assert!(said.contains(problem), "{arguments:?}: {said}");
        }
    }
}
