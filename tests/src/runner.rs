//! `host-runner`, enrolled and running with all its paths below one folder.

use crate::api::Api;
use crate::git::copy_tree;
use crate::places;
use crate::process::{Process, output, tail, wait_for};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the program that runners are started from; the first call counts.
pub fn use_program(program: &Path) {
    PROGRAM.get_or_init(|| program.to_owned());
}

/// A runner; it may be down for a while.
#[derive(Debug)]
pub struct Runner {
    process: Option<Process>,
    folder: PathBuf,
    id: String,
    /// Environment variables that it is started with, as its service unit sets them.
    pub variables: Vec<(&'static str, String)>,
}

impl Runner {
    /// The program: the one of [`use_program`], else `DEVFLOW_RUNNER`, else the one beside the program that runs.
    pub fn program() -> Result<PathBuf> {
        if let Some(program) = PROGRAM.get() {
            return Ok(program.clone());
        }
        places::own_program("host-runner", "DEVFLOW_RUNNER")
    }

    /// Adds a server of that name, enrols this machine as it with the configuration `<folder>/runner.toml`, and
    /// starts the runner.
    pub fn enrol(api: &Api, name: &str, folder: &Path) -> Result<Self> {
        let (id, enrolment) = api.add_server(name)?;
        let mut runner = Self {
            process: None,
            folder: folder.to_owned(),
            id,
            variables: vec![],
        };
        runner.take_enrolment(api, &enrolment, &[])?;
        Ok(runner)
    }

    /// Enrols the machine anew as the same server, as after a loss of its keys, and starts the runner.
    pub fn enrol_again(&mut self, api: &Api) -> Result<()> {
        let path = format!("/servers/{}/enrolment", self.id);
        let answer = api.post(&path, &json!({}), 201)?;
        self.take_enrolment(api, &answer["enrolment"], &["--force"])
    }

    fn take_enrolment(&mut self, api: &Api, enrolment: &Value, more: &[&str]) -> Result<()> {
        let part = |name: &str| {
            enrolment[name]
                .as_str()
                .with_context(|| format!("the enrolment has no {name}"))
        };
        let mut child = self
            .command("enrol")?
            .args(["--edge", api.base(), "--fingerprint", part("fingerprint")?])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run host-runner")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        writeln!(stdin, "{}", part("token")?).context("host-runner did not take the token")?;
        drop(stdin);
        let done = child.wait_with_output()?;
        if !done.status.success() {
            bail!(
                "host-runner enrol failed: {}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
        }
        self.start()?;
        wait_for("the server to be online", Duration::from_secs(30), || {
            self.check()?;
            let server = api.get(&format!("/servers/{}", self.id))?;
            if server["state"] == "online" {
                Ok(Some(()))
            } else {
                bail!("it is {}", server["state"])
            }
        })
    }

    /// The server's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Starts the daemon (again).
    pub fn start(&mut self) -> Result<()> {
        let mut command = self.command("run")?;
        command.arg("-v").envs(self.variables.iter().cloned());
        let mut process = Process::start("host-runner", &mut command, &self.log())?;
        process.grace = Duration::from_secs(40);
        self.process = Some(process);
        Ok(())
    }

    /// Changes its configuration, and how it is started when it is started next.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let file = self.folder.join("runner.toml");
        std::fs::write(&file, change(std::fs::read_to_string(&file)?))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// A call of the program with this runner's configuration.
    pub fn command(&self, verb: &str) -> Result<Command> {
        let mut command = Command::new(Self::program()?);
        command
            .arg(verb)
            .arg("--config")
            .arg(self.folder.join("runner.toml"));
        Ok(command)
    }

    /// What a short command such as `status` or `doctor` prints.
    pub fn tell(&self, verb: &str) -> Result<String> {
        output(&mut self.command(verb)?)
    }

    /// SIGKILL: nothing is put in order.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Has the daemon end itself with SIGKILL at a moment of its next deployment, `before:STEP` or `after:STEP`.
    pub fn kill_at(&self, moment: &str) -> Result<()> {
        let file = self.folder.join("state/kill-at");
        std::fs::write(&file, moment).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Waits until the daemon has come to that moment.
    pub fn killed(&mut self, limit: Duration) -> Result<()> {
        self.ended(limit)
            .context("is it a debug build? No other has these moments")
            .map(drop)
    }

    /// Waits until the daemon has ended by itself.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let status = wait_for("the runner to come to its end", limit, || {
            let ended = self.process.as_mut().and_then(Process::ended);
            ended.context("it runs").map(Some)
        })?;
        self.process = None;
        Ok(status)
    }

    /// What a machine is that was made from an image of this one: the same keys and journal in another folder.
    pub fn cloned_to(&self, folder: &Path) -> Result<Self> {
        copy_tree(&self.folder.join("state"), &folder.join("state"))?;
        let config = std::fs::read_to_string(self.folder.join("runner.toml"))?;
        let state = |folder: &Path| format!("state_dir = \"{}\"", folder.join("state").display());
        let config = config.replace(&state(&self.folder), &state(folder));
        std::fs::write(folder.join("runner.toml"), config)?;
        let mut clone = Self {
            process: None,
            folder: folder.to_owned(),
            id: self.id.clone(),
            variables: vec![],
        };
        clone.start()?;
        Ok(clone)
    }

    /// SIGTERM, as an update of the runner does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    /// Fails when the daemon has ended.
    pub fn check(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.check(),
            None => bail!("the runner is stopped"),
        }
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// What it logged.
    pub fn log(&self) -> PathBuf {
        self.folder.join("runner.log")
    }

    /// The end of its log, for messages.
    pub fn last_lines(&self) -> String {
        tail(&self.log(), 60)
    }
}
