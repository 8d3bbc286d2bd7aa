//! What a person sees while something takes long: a bar on a terminal (a spinner where nothing tells how far it is),
//! plain lines elsewhere.

use crate::progress;
use anyhow::{Context, Result, bail};
use devflow_tests::places;
use devflow_tests::process::tail;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Steps may run beside each other: each has a line of its own.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

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
            let bar = BARS.add(ProgressBar::new_spinner().with_prefix(title.to_owned()));
            bar.set_style(style("{spinner:.cyan} {prefix}  {elapsed:.dim}  {wide_msg:.dim}"));
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

    /// Shows what a command printed, and how far it is where that is told.
    fn printed(&self, line: &str) {
        let Some(progress) = progress::read(line) else {
            return self.at(line);
        };
        if let Some(bar) = &self.bar {
            if bar.length() != Some(progress.total) {
                bar.set_length(progress.total);
                bar.set_style(style(
                    "{spinner:.cyan} {prefix}  {bar:24.cyan/dim} {pos}/{len}  {elapsed:.dim}  {wide_msg:.dim}",
                ));
            }
            bar.set_position(progress.done);
            self.at(&progress.what);
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
        BARS.suspend(|| eprintln!("{line}"));
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
    let mut reader = BufReader::new(reader);
    let mut piece = Vec::new();
    while let Some(end) = read_piece(&mut reader, &mut piece)? {
        step.printed(String::from_utf8_lossy(&piece).trim());
        if end == b'\n' {
            piece.push(end);
            file.write_all(&piece)?;
        }
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

/// Reads up to the next end of a line (`\n`), or up to where a terminal would overwrite the line (`\r`), and gives that
/// byte; what ends without one counts as a line. `None` at the end.
fn read_piece(reader: &mut impl BufRead, piece: &mut Vec<u8>) -> io::Result<Option<u8>> {
    piece.clear();
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok((!piece.is_empty()).then_some(b'\n'));
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let taken = end.unwrap_or(bytes.len());
        piece.extend_from_slice(&bytes[..taken]);
        let byte = end.map(|at| bytes[at]);
        reader.consume(taken + usize::from(end.is_some()));
        if byte.is_some() {
            return Ok(byte);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_piece_ends_at_lines_and_at_what_is_overwritten() {
        let mut reader = &b"one\rtwo\n\nthree"[..];
        let mut piece = Vec::new();
        let mut pieces = Vec::new();
        while let Some(end) = read_piece(&mut reader, &mut piece).unwrap() {
            pieces.push((String::from_utf8_lossy(&piece).into_owned(), end));
        }
        let expected = [("one", b'\r'), ("two", b'\n'), ("", b'\n'), ("three", b'\n')];
        assert_eq!(pieces, expected.map(|(piece, end)| (piece.to_owned(), end)));
    }
}
