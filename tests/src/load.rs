//! Visitors in numbers: wrk against a site while it is deployed.

use crate::process::wait_for;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How visitors use connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Many requests a connection.
    KeepAlive,
    /// One request a connection.
    Close,
}

impl Connections {
    /// As people say it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::Close => "close",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers that were not 2xx or 3xx, broken connections and time-outs.
    pub failed: u64,
    /// Answers a second, over the whole time.
    pub per_second: u64,
}

/// wrk at work. Ended with [`Load::stop`], which counts.
#[derive(Debug)]
struct Load {
    child: Child,
    report: PathBuf,
}

impl Load {
    /// Starts `connections` visitors of a page.
    fn start(folder: &Path, url: &str, host: &str, how: Connections, connections: u16) -> Result<Self> {
        let report = folder.join(format!("wrk-{}.txt", how.words()));
        let output = std::fs::File::create(&report)?;
        // Real visitors take no time of the server's processors: these take little where it needs it itself.
        let mut command = Command::new("nice");
        // The duration, an hour, is an upper bound; `stop` ends it earlier.
        command.args([
            "-n10",
            "wrk",
            "-t1",
            "-d3600s",
            "--timeout=20s",
            &format!("-c{connections}"),
            "-H",
            &format!("Host: {host}"),
        ]);
        if how == Connections::Close {
            command.args(["-H", "Connection: close"]);
        }
        let child = command
            .arg(url)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot run wrk; `cargo xtask setup` installs it")?;
        Ok(Self { child, report })
    }

    /// Ends it and counts.
    fn stop(mut self) -> Result<Counted> {
        ensure!(
            self.child.try_wait()?.is_none(),
            "wrk ended early: {}",
            std::fs::read_to_string(&self.report)?
        );
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        wait_for("wrk to end", Duration::from_secs(30), || {
            Ok(self.child.try_wait()?)
        })?;
        let report = std::fs::read_to_string(&self.report)?;
        read(&report).with_context(|| format!("wrk said:\n{report}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Ended already where `stop` was called.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What visitors of both kinds see while something is done, `connections` of each at a time.
pub fn meanwhile(
    folder: &Path,
    url: &str,
    host: &str,
    connections: u16,
    done: impl FnOnce() -> Result<()>,
) -> Result<[(Connections, Counted); 2]> {
    let start = |how: Connections| Load::start(folder, url, host, how, connections);
    let (keep, close) = (start(Connections::KeepAlive)?, start(Connections::Close)?);
    done()?;
    Ok([
        (Connections::KeepAlive, keep.stop()?),
        (Connections::Close, close.stop()?),
    ])
}

/// Every request was answered, and there were more than `least` of each kind.
pub fn all_answered(counts: &[(Connections, Counted)], least: u64) -> Result<()> {
    for (connections, counted) in counts {
        let (failed, requests) = (counted.failed, counted.requests);
        ensure!(
            failed == 0,
            "{failed} of {requests} requests failed ({})",
            connections.words()
        );
        ensure!(
            requests > least,
            "only {requests} requests ({})",
            connections.words()
        );
    }
    Ok(())
}

fn read(report: &str) -> Result<Counted> {
    let line = |part: &str| report.lines().find(|line| line.contains(part));
    let Some(requests) = line(" requests in ").and_then(|line| line.trim().split(' ').next()?.parse().ok())
    else {
        bail!("no count of requests");
    };
    let last_number = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|number| number.parse::<u64>().ok())
    };
    let bad_status = line("Non-2xx or 3xx responses:")
        .and_then(last_number)
        .unwrap_or(0);
    let broken: u64 = line("Socket errors:").map_or(0, |line| {
        line.split([' ', ','])
            .filter_map(|word| word.parse::<u64>().ok())
            .sum()
    });
    let per_second =
        line("Requests/sec:").and_then(|line| line.rsplit(' ').next()?.split('.').next()?.parse().ok());
    Ok(Counted {
        requests,
        failed: bad_status + broken,
        per_second: per_second.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_with_errors_counts_them_all() {
        let report = "Running 3s test @ http://127.0.0.1:1/\n  1 threads and 4 connections\n  9000 requests in 3.00s, 1.2MB read\n  \
            Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\nRequests/sec:   3000.12\nTransfer/sec:      0.4MB\n";
        assert_eq!(
            read(report).unwrap(),
            Counted {
                requests: 9000,
                failed: 15,
                per_second: 3000
            }
        );
    }
}
