//! `devflow` at a terminal of its own: script(1) makes a pseudo terminal, and passes on what would be seen there.

use crate::cli::Cli;
use anyhow::{Context, Result, anyhow};
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

/// A run at a terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    reader: JoinHandle<std::io::Result<Vec<u8>>>,
}

impl Terminal {
    /// Starts the command; with `output`, standard output goes to that file and only standard error to the terminal.
    pub fn start(cli: &Cli, arguments: &[&str], output: Option<&Path>) -> Result<Self> {
        let asked = cli.command(arguments)?;
        let words = [asked.get_program()].into_iter().chain(asked.get_args());
        let quoted = |word: &OsStr| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
        let mut line: Vec<String> = words.map(quoted).collect();
        if let Some(file) = output {
            line.extend([">".to_owned(), quoted(file.as_os_str())]);
        }
        let line = line.join(" ");
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for (name, value) in asked.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        if let Some(folder) = asked.get_current_dir() {
            script.current_dir(folder);
        }
        let mut child = script.spawn().context("cannot run script(1), of util-linux")?;
        let mut stdout = child.stdout.take().context("no stdout")?;
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            stdout.read_to_end(&mut seen)?;
            Ok(seen)
        });
        Ok(Self { child, reader })
    }

    /// Waits for its end; gives its exit code and all that came to the terminal, with its control characters.
    pub fn end(mut self) -> Result<(i32, String)> {
        let code = self
            .child
            .wait()?
            .code()
            .context("script was ended by a signal")?;
        let seen = self.reader.join().map_err(|_| anyhow!("the reader panicked"))??;
        Ok((code, String::from_utf8_lossy(&seen).into_owned()))
    }
}
