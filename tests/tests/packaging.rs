//! What is installed on a server, judged by the programs that read it there.

use anyhow::{Context, Result, ensure};
use devflow_tests::places::{self, Scratch};
use std::fs;
use std::process::Command;

/// Exposure by `systemd-analyze security`, in tenths: 0 is closed, 100 open. What is left is what a runner needs: root,
/// and most of its capabilities.
const EXPOSURE: &str = "40";

#[test]
fn unit_is_understood_by_systemd_and_stays_closed() -> Result<()> {
    let scratch = Scratch::new()?;
    let source = places::workspace().join("host-runner/packaging/devflow-runner.service");
    let text = fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let installed = "/usr/local/bin/host-runner";
    ensure!(text.contains(installed), "the unit starts another program");
    // The program has to be there to be looked at, and is not installed on the machine of a test.
    let unit = scratch.path().join("devflow-runner.service");
    fs::write(&unit, text.replace(installed, "/bin/true"))?;

    for arguments in [
        &["verify", "--man=no"][..],
        &[
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            EXPOSURE,
        ],
    ] {
        let done = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output()
            .context("cannot run systemd-analyze; `cargo xtask setup` installs it")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(
            done.status.success() && said.trim().is_empty(),
            "systemd-analyze {arguments:?}: {said}{}",
            String::from_utf8_lossy(&done.stdout)
        );
    }
    Ok(())
}
