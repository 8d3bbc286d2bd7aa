//! The runner of a server replaces itself: from the page, by the command, and back again where the new one does not reach the
//! edge. How it dies at any moment of it is among the runner's own tests.

use crate::installation::{House, command_of};
use anyhow::{Result, ensure};
use devflow_tests::cli::Cli;
use devflow_tests::edge::EMAIL;
use devflow_tests::plain::Plain;
use devflow_tests::process::wait_for;
use devflow_tests::vps::Vps;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_mins(1);
const PROGRAM: &str = "/usr/local/lib/devflow/host-runner";

/// A server whose runner is of version 0.1.1. It ends before the folder that it is in.
struct Place {
    vps: Vps,
    house: House,
    server: String,
}

impl Place {
    fn build() -> Result<Self> {
        let mut house = House::build()?;
        house.make("0.1.1", "")?;
        house.publish()?;
        let vps = Vps::boot(&house.scratch.path().join("vps"))?;
        let (server, enrolment) = house.api.add_server("web-1")?;
        vps.run(&command_of(&enrolment)?)?;
        house.wait_online(&server, &vps)?;
        Ok(Self { vps, house, server })
    }

    /// Publishes another version; gives its bytes.
    fn publish(&mut self, version: &str, claims: &str) -> Result<Vec<u8>> {
        let program = self.house.make(version, claims)?;
        self.house.publish()?;
        self.house.wait_online(&self.server, &self.vps)?;
        Ok(program)
    }

    /// Waits until the server says that it runs a version.
    fn wait_version(&self, version: &str) -> Result<()> {
        wait_for("the version", SOON, || {
            let server = self.house.api.get(&format!("/servers/{}", self.server))?;
            let told = &server["facts"]["runner_version"];
            ensure!(
                told == version && server["state"] == "online",
                "{told} {}",
                self.vps.journal("devflow-runner")
            );
            Ok(Some(()))
        })
    }

    fn installed(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.vps.file(PROGRAM))?)
    }
}

#[test]
fn server_is_updated_from_its_page_and_goes_back_from_what_does_not_reach_the_edge() -> Result<()> {
    let mut place = Place::build()?;
    let first = place.installed()?;
    let pid = place.vps.run("systemctl show -P MainPID devflow-runner")?;
    let plain = Plain::sign_in(place.house.edge.url(), EMAIL, &place.house.password)?;
    let page = format!("/servers/{}", place.server);
    ensure!(
        !plain.page(&page)?.contains("is published here"),
        "there is nothing newer"
    );

    let second = place.publish("0.1.2", "")?;
    let shown = plain.page(&page)?;
    ensure!(shown.contains("Runner 0.1.2 is published here."), "{shown:.3000}");
    let said = plain.submit(&page, &format!("{page}/update"), "")?;
    ensure!(said.contains("was asked to update its runner"), "{said:.3000}");
    place.wait_version("0.1.2")?;
    wait_for("the end of the update", SOON, || {
        let open = plain.page(&page)?.contains("Update of the runner");
        Ok((!open).then_some(()))
    })?;
    ensure!(place.installed()? == second, "another program is in place");
    let previous = fs::read(place.vps.file(&format!("{PROGRAM}.previous")))?;
    ensure!(previous == first, "the one before is not kept");
    ensure!(
        place.vps.run("systemctl show -P MainPID devflow-runner")? == pid,
        "the service was restarted"
    );

    // By the command there is nothing left to do.
    let cli = Cli::new(
        &place.house.scratch.path().join("home"),
        place.house.scratch.path(),
    );
    cli.run_with(
        &["login", place.house.edge.url()],
        &format!("{}\n", place.house.api.key()),
    )?
    .expect(0)?;
    let out = cli.run(&["servers", "update", "web-1"])?.expect(0)?;
    ensure!(out == "web-1 runs runner 0.1.2\n", "{out}");

    // One that starts and never reaches the edge.
    place.publish("0.1.3", "#cut-off yes")?;
    let ran = cli.run(&["servers", "update", "web-1"])?;
    ensure!(
        ran.code == 3 && ran.err.contains("runner 0.1.3 did not reach the edge in time"),
        "{ran:?}"
    );
    place.wait_version("0.1.2")?;
    ensure!(place.installed()? == second, "it was not put back");
    Ok(())
}
