//! The demo as a newcomer meets it: on a terminal, with the printed command typed in, and ended by Ctrl-C. What it
//! started must be gone then.

use anyhow::{Context, Result, ensure};
use devflow_tests::docker::Docker;
use devflow_tests::http::Client;
use devflow_tests::places::Scratch;
use devflow_tests::process::{output, wait_for};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Builds may come first.
const START: Duration = Duration::from_mins(10);
const SOON: Duration = Duration::from_mins(2);

/// A terminal with the demo in it, by `script` of util-linux. When it goes away the demo gets SIGHUP.
struct Terminal {
    script: Child,
    screen: PathBuf,
}

impl Terminal {
    fn open(folder: &Path) -> Result<Self> {
        let screen = folder.join("screen");
        // In place of the shell, which would otherwise take the Ctrl-C for its own and end with 130.
        let demo = format!("exec '{}' demo", std::env::current_exe()?.display());
        let script = Command::new("script")
            .args(["--quiet", "--flush", "--return", "--command", &demo])
            .arg(&screen)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `script`; it is in Debian's package bsdutils")?;
        Ok(Self { script, screen })
    }

    /// All that was printed so far.
    fn text(&self) -> String {
        let bytes = fs::read(&self.screen).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.script.try_wait()?)
    }

    fn shows(&mut self, text: &str, times: usize, limit: Duration) -> Result<()> {
        wait_for(&format!("the demo to say `{text}`"), limit, || {
            let shown = self.text();
            if let Some(status) = self.ended()? {
                return Err(devflow_tests::process::GiveUp(format!("it ended ({status}):\n{shown}")).into());
            }
            Ok((shown.matches(text).count() >= times).then_some(()))
        })
        .with_context(|| self.text())
    }

    /// What stands behind a name in the list that the demo prints.
    fn row(&self, name: &str) -> Result<String> {
        let text = self.text();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("  {name:<11} ")));
        found
            .map(str::to_owned)
            .with_context(|| format!("the demo does not print `{name}`:\n{text}"))
    }

    fn press_ctrl_c(&mut self) -> Result<ExitStatus> {
        let keys = self
            .script
            .stdin
            .as_mut()
            .context("the terminal has no keyboard")?;
        keys.write_all(b"\x03").and_then(|()| keys.flush())?;
        wait_for("the demo to end", SOON, || self.ended())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Goes through the demo.
pub(crate) fn rehearse() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut terminal = Terminal::open(scratch.path())?;
    terminal.shows("Ctrl-C ends everything", 1, START)?;
    let site = terminal.row("The site")?;
    let folder = terminal.row("Logs")?;
    ensure!(page(&site)?.contains("version 1"), "{site} is not the shop");

    let projects = output(Command::new("sh").args(["-ec", &terminal.row("API")?]))?;
    ensure!(
        projects.contains("\"shop\""),
        "the API's command answers {projects}"
    );
    // Typed into another shell, with nothing of the demo's own environment.
    output(Command::new("sh").args(["-ec", &terminal.row("Push again")?]))?;
    terminal.shows("after the webhook", 2, SOON)?;
    ensure!(page(&site)?.contains("version 2"), "the second push is not live");

    ensure!(!processes(&folder)?.is_empty(), "nothing runs in {folder}");
    let status = terminal.press_ctrl_c()?;
    ensure!(status.success(), "after Ctrl-C: {status}\n{}", terminal.text());
    left_behind(&folder)
}

/// Asks for the printed address; the name is the browser's to resolve, so it goes along as the host.
fn page(site: &str) -> Result<String> {
    let address = site.trim_start_matches("http://");
    let (host, rest) = address.split_once(':').context("the site has no port")?;
    let answer = Client::default().get(&format!("http://127.0.0.1:{rest}"), &[("host", host)])?;
    Ok(answer.text())
}

/// Command lines of processes that name the folder.
fn processes(folder: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        // A process may end while it is looked at.
        let line = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(folder) {
            found.push(line);
        }
    }
    Ok(found)
}

fn left_behind(folder: &str) -> Result<()> {
    let left = processes(folder)?;
    ensure!(left.is_empty(), "these still run: {left:#?}");
    let mounts = fs::read_to_string("/proc/mounts")?;
    ensure!(
        !mounts.contains(folder),
        "something is still mounted in {folder}:\n{mounts}"
    );
    ensure!(!Path::new(folder).exists(), "{folder} is still there");
    // An engine that the demo started itself is gone with it.
    if let Ok(docker) = Docker::find() {
        let label = format!("label=devflow.root={folder}/s/p");
        let containers = docker.run(&["ps", "-aq", "--filter", &label])?;
        let networks = docker.run(&["network", "ls", "-q", "--filter", &label])?;
        ensure!(
            containers.is_empty() && networks.is_empty(),
            "left in Docker: {containers} {networks}"
        );
    }
    Ok(())
}
