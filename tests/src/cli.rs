//! `devflow`, as a person at a terminal or a script uses it, with a home folder of its own.

use crate::places;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// The command in a folder, with settings that nobody else sees.
#[derive(Debug)]
pub struct Cli {
    home: PathBuf,
    folder: PathBuf,
}

/// What a run of the command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Running {
    child: Child,
    err: BufReader<ChildStderr>,
    seen: String,
}

impl Running {
    /// Waits for a line on standard error that has `part`; gives it.
    pub fn says(&mut self, part: &str) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(
                self.err.read_line(&mut line)? > 0,
                "it ended and did not say {part:?}:\n{}",
                self.seen
            );
            self.seen += &line;
            if line.contains(part) {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<Ran> {
        self.err.read_to_string(&mut self.seen)?;
        let done = self.child.wait_with_output()?;
        Ok(Ran {
            code: done.status.code().context("devflow was ended by a signal")?,
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: self.seen,
        })
    }
}

impl Ran {
    /// Standard output where the exit code is the expected one.
    pub fn expect(self, code: i32) -> Result<String> {
        ensure!(
            self.code == code,
            "expected exit code {code}, got {}\n{}{}",
            self.code,
            self.out,
            self.err
        );
        Ok(self.out)
    }

    /// Standard output as one JSON value.
    pub fn json(self) -> Result<Value> {
        let out = self.expect(0)?;
        serde_json::from_str(&out).with_context(|| format!("not JSON: {out:.300}"))
    }
}

impl Cli {
    /// The command with its settings below `home`, run in `folder`.
    pub fn new(home: &Path, folder: &Path) -> Self {
        Self {
            home: home.to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// The file that keeps logins.
    pub fn login_file(&self) -> PathBuf {
        self.home.join("devflow/login.json")
    }

    /// Runs it with nothing on standard input.
    pub fn run(&self, arguments: &[&str]) -> Result<Ran> {
        self.run_with(arguments, "")
    }

    /// How it is run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(places::own_program("devflow", "DEVFLOW_CLI")?);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("XDG_CONFIG_HOME", &self.home)
            .env_remove("DEVFLOW_URL")
            .env_remove("DEVFLOW_API_KEY");
        Ok(command)
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        self.command(arguments)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run devflow")
    }

    /// Starts it, with nothing on standard input.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        let mut child = self.spawn(arguments)?;
        drop(child.stdin.take());
        let err = child.stderr.take().context("no stderr")?;
        Ok(Running {
            child,
            err: BufReader::new(err),
            seen: String::new(),
        })
    }

    /// Runs it with a text on standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Result<Ran> {
        let mut child = self.spawn(arguments)?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        // A command that reads nothing may be gone before it is written to.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let done = child.wait_with_output()?;
        Ok(Ran {
            code: done.status.code().context("devflow was ended by a signal")?,
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }
}
