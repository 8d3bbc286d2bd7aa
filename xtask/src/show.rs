//! What a person sees while something takes long: a spinner on a terminal, plain lines elsewhere.

use anyhow::{Context, Result, bail};
use devflow_tests::places;
use devflow_tests::process::tail;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One step that is under way.
pub(crate) struct Step {
    title: String,
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Step {
    /// Begins a step.
    pub(crate) fn begin(title: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner:.cyan} {prefix}  {elapsed:.dim}  {wide_msg:.dim}");
            let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            eprintln!("… {title}");
        }
        Self {
            title: title.to_owned(),
            bar,
            started: Instant::now(),
        }
    }

    /// Shows what it is at.
    pub(crate) fn at(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(what.chars().take(160).collect::<String>());
        }
    }

    /// Ends it well.
    pub(crate) fn done(self) {
        let took = self.started.elapsed();
        self.close(&format!("✓ {} ({:.1} s)", self.title, took.as_secs_f64()));
    }

    fn close(&self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{line}");
    }
}

/// Runs a command as one step. Its output goes to a log; the last line is shown on the way, the end of it on failure.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    let step = Step::begin(title);
    let log = log_file(title)?;
    let mut file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let (reader, writer) = std::io::pipe()?;
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    // The command keeps the pipe's writing ends; while it does, the reading below would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        step.at(String::from_utf8_lossy(&line).trim());
    }
    let status = child.wait()?;
    if status.success() {
        // Logs are for failures; nobody reads the others.
        let _ = std::fs::remove_file(&log);
        step.done();
        return Ok(());
    }
    step.close(&format!("✗ {title}"));
    bail!(
        "{title} failed ({status})\n  command: {shown}\n  log: {}\n{}",
        log.display(),
        tail(&log, 25)
    )
}

fn log_file(title: &str) -> Result<PathBuf> {
    let folder = places::cache()?.join("log");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name: String = title
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    Ok(folder.join(format!(
        "{:.60}-{}.log",
        name.trim_matches('-'),
        std::process::id()
    )))
}
