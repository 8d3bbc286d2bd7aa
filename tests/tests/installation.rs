//! A new server: the command that the dashboard shows, run on a Debian with systemd, and what it leaves when it goes wrong.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, text};
use devflow_tests::edge::Edge;
use devflow_tests::http::Client;
use devflow_tests::owner::Owner;
use devflow_tests::places::{self, Scratch};
use devflow_tests::process::wait_for;
use devflow_tests::vps::Vps;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(40);

/// An edge with its owner, at the checkout.
pub(crate) struct House {
    pub(crate) edge: Edge,
    pub(crate) api: Api,
    pub(crate) password: String,
    owner: Owner,
    programs: PathBuf,
    pub(crate) scratch: Scratch,
}

impl House {
    pub(crate) fn build() -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start_with(&scratch.path().join("e"), &json!({"POLL_HOLD_MS": "1000"}))?;
        let (api, password) = edge.set_up()?;
        let owner = Owner::of(&scratch.path().join("e"), &scratch.path().join("keys"))?;
        let house = Self {
            edge,
            api,
            password,
            owner,
            programs: scratch.path().join("programs"),
            scratch,
        };
        fs::create_dir(&house.programs)?;
        let program = places::own_program("host-runner-static", "DEVFLOW_STATIC_RUNNER")?;
        fs::copy(&program, house.program())?;
        fs::write(house.programs.join("VERSION"), env!("CARGO_PKG_VERSION"))?;
        Ok(house)
    }

    /// Makes the program one of another version, by what a runner for stories reads behind its own end.
    pub(crate) fn make(&self, version: &str, claims: &str) -> Result<Vec<u8>> {
        let program = places::own_program("host-runner-static", "DEVFLOW_STATIC_RUNNER")?;
        let mut program = fs::read(program)?;
        program.extend_from_slice(format!("\n#version {version}\n{claims}\n").as_bytes());
        fs::write(self.program(), &program)?;
        fs::write(self.programs.join("VERSION"), version)?;
        Ok(program)
    }

    fn program(&self) -> PathBuf {
        self.programs
            .join(format!("host-runner-{}", std::env::consts::ARCH))
    }

    /// Signs and uploads the programs; the worker has to be away meanwhile.
    pub(crate) fn publish(&mut self) -> Result<()> {
        self.edge.go_away();
        let from = self.programs.to_string_lossy().into_owned();
        self.owner.xtask(&["publish-runner", "--from", &from])?;
        self.edge.come_back()
    }

    fn object(&self) -> Result<(u16, Vec<u8>)> {
        let path = format!("/runner/{}/{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        let answer = Client::with_timeout(SOON).get(&format!("{}{path}", self.edge.url()), &[])?;
        Ok((answer.status, answer.body))
    }

    pub(crate) fn wait_online(&self, server: &str, vps: &Vps) -> Result<()> {
        wait_for("the server to be online", SOON, || {
            let state = text(&self.api.get(&format!("/servers/{server}"))?, "/state")?;
            ensure!(
                state == "online",
                "it is {state}: {}",
                vps.journal("devflow-runner")
            );
            Ok(Some(()))
        })
    }
}

pub(crate) fn command_of(enrolment: &serde_json::Value) -> Result<String> {
    text(enrolment, "/command")
}

/// What a line printed that had to fail.
fn refused(vps: &Vps, line: &str) -> Result<String> {
    let done = vps.shell(line)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(!done.status.success(), "{line} went well: {said}");
    Ok(said)
}

/// Types the command there, and looks meanwhile whether another user would see the token among the processes.
fn watched(vps: &Vps, command: &str, token: &str) -> Result<String> {
    fs::write(vps.file("/root/typed"), command)?;
    let look = "while sleep 0.01; do cat /proc/[0-9]*/cmdline; done > /root/seen 2>/dev/null & echo $! > /root/looks";
    vps.run(look)?;
    let said = vps.run("sh /root/typed");
    vps.run("kill $(cat /root/looks)")?;
    let seen = fs::read(vps.file("/root/seen"))?;
    let seen = String::from_utf8_lossy(&seen);
    ensure!(seen.contains("--fingerprint"), "nothing was seen");
    ensure!(!seen.contains(token), "the token was among the processes");
    said
}

/// Changes a byte of each file below `folder` that holds just these bytes; gives how many.
fn tamper(folder: &Path, content: &[u8]) -> Result<usize> {
    let mut changed = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            changed += tamper(&path, content)?;
        } else if fs::metadata(&path)?.len() == u64::try_from(content.len())? && fs::read(&path)? == content {
            let mut other = content.to_vec();
            other[content.len() / 2] ^= 1;
            fs::write(&path, other)?;
            changed += 1;
        }
    }
    Ok(changed)
}

fn exists(vps: &Vps, path: &str) -> bool {
    fs::symlink_metadata(vps.file(path)).is_ok()
}

#[test]
fn one_command_of_the_dashboard_makes_a_bare_debian_a_server() -> Result<()> {
    let mut house = House::build()?;
    // Nothing is published yet: the command is for a server that has a runner.
    let (_, enrolment) = house.api.add_server("by-hand")?;
    ensure!(
        command_of(&enrolment)?.contains("host-runner enrol"),
        "{enrolment}"
    );
    let script = Client::default().get(&format!("{}/install", house.edge.url()), &[])?;
    ensure!(script.status == 404, "{}", script.text());

    house.publish()?;
    let (status, bytes) = house.object()?;
    ensure!(
        status == 200 && bytes == fs::read(house.program())?,
        "{status}, {} bytes",
        bytes.len()
    );
    let vps = Vps::boot(&house.scratch.path().join("vps"))?;
    let (server, enrolment) = house.api.add_server("web-1")?;
    let command = command_of(&enrolment)?;
    let said = watched(&vps, &command, &text(&enrolment, "/token")?)?;
    ensure!(
        said.contains("is installed.") && said.contains("The runner runs."),
        "{said}"
    );
    house.wait_online(&server, &vps)?;
    let shown = house.api.get(&format!("/servers/{server}"))?;
    ensure!(
        shown["facts"]["runner_version"] == env!("CARGO_PKG_VERSION"),
        "{shown}"
    );
    vps.run("systemctl is-enabled devflow-runner && host-runner status")?;

    // Once more changes nothing: neither the enrolment nor what the administrator wrote, and the runner is not restarted.
    fs::write(vps.file("/etc/devflow/policy.toml"), "[allow]\n")?;
    let pid = vps.run("systemctl show -P MainPID devflow-runner")?;
    let said = vps.run(&command)?;
    ensure!(
        said.contains("installed already") && said.contains("enrolled already"),
        "{said}"
    );
    ensure!(
        vps.run("systemctl show -P MainPID devflow-runner")? == pid,
        "it was restarted"
    );
    ensure!(fs::read_to_string(vps.file("/etc/devflow/policy.toml"))? == "[allow]\n");

    // Enrolled anew, as after keys got into other hands.
    let again = house
        .api
        .post(&format!("/servers/{server}/enrolment"), &json!({}), 201)?;
    let command = command_of(&again["enrolment"])?;
    ensure!(command.ends_with(" --force"), "{command}");
    let before = fs::read(vps.file("/var/lib/devflow/identity.json"))?;
    vps.run(&command)?;
    ensure!(
        fs::read(vps.file("/var/lib/devflow/identity.json"))? != before,
        "the keys are the same"
    );
    house.wait_online(&server, &vps)
}

#[test]
fn installation_that_cannot_be_trusted_leaves_nothing() -> Result<()> {
    let mut house = House::build()?;
    house.publish()?;
    let vps = Vps::boot(&house.scratch.path().join("vps"))?;
    let (server, enrolment) = house.api.add_server("web-1")?;
    let command = command_of(&enrolment)?;

    // Nobody but root, and a token without the fingerprint that it goes with.
    let unprivileged = command.replace("sudo sh", "setpriv --reuid 1000 --regid 1000 --clear-groups sh");
    ensure!(refused(&vps, &unprivileged)?.contains("run this as root"));
    let bare = command.split(" --fingerprint").next().context("no fingerprint")?;
    ensure!(refused(&vps, bare)?.contains("--fingerprint has to come with the token"));
    // A script that was cut off on its way.
    let cut = command.replace("/install; }", "/install | head -n -1; }");
    vps.run(&cut)?;

    // Somebody changes the program in the bucket.
    let program = fs::read(house.program())?;
    ensure!(
        tamper(&house.scratch.path().join("e"), &program)? == 1,
        "it is not in the bucket"
    );
    let said = refused(&vps, &command)?;
    ensure!(said.contains("nothing was changed"), "{said}");
    for path in [
        "/usr/local/bin/host-runner",
        "/usr/local/lib/devflow/host-runner",
        "/etc/systemd/system/devflow-runner.service",
        "/etc/devflow",
        "/var/lib/devflow",
    ] {
        ensure!(!exists(&vps, path), "{path} is there");
    }
    let left = fs::read_dir(vps.file("/usr/local/lib/devflow"))?.count();
    ensure!(left == 0, "{left} files are left");

    // A fingerprint of another edge: the runner is there, and keeps nothing of the enrolment.
    house.publish()?;
    let foreign = format!("{bare} --fingerprint sha256:{}", "0".repeat(64));
    refused(&vps, &foreign)?;
    ensure!(!exists(&vps, "/var/lib/devflow/identity.json"));
    // The token was not spent by any of it.
    vps.run(&command)?;
    house.wait_online(&server, &vps)?;

    // What the recovery key does not vouch for is not handed out at all.
    let named = fs::read(house.programs.join("release.json"))?;
    ensure!(
        tamper(&house.scratch.path().join("e"), &named)? == 1,
        "it is not in the bucket"
    );
    let script = Client::default().get(&format!("{}/install", house.edge.url()), &[])?;
    ensure!(script.status == 404, "{}", script.text());
    wait_for("the worker's log to say why", SOON, || {
        let log = fs::read_to_string(house.edge.log())?;
        Ok(log.contains("release.json is not handed out").then_some(()))
    })
}
