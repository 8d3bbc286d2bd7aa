//! Visitors while something is done: none of their requests may fail.

use super::lab::Lab;
use devflow_protocol::project::ProjectSpec;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tokio::process::Command;

/// Visitors who keep their connections, who close them, and very many.
pub(super) const KEEP: [&str; 1] = ["-c8"];
pub(super) const CLOSE: [&str; 3] = ["-c8", "-H", "Connection: close"];
pub(super) const MANY: [&str; 1] = ["-c40"];

/// Counts the requests for `path` that are answered while `done` is at work, by `wrk` with these options.
pub(super) async fn visitors(
    lab: &Lab,
    spec: &ProjectSpec,
    path: &str,
    options: &[&str],
    done: impl Future<Output = ()>,
) -> u64 {
    // Real visitors take no time of the server's processors: these take little where it needs it itself.
    let load = Command::new("nice")
        // The duration is an upper bound: it is ended with the work.
        .args(["-n10", "wrk", "-t1", "-d600s", "--timeout=20s"])
        .args(options)
        .args(["-H", &format!("Host: {}.test", spec.slug)])
        .arg(format!("http://127.0.0.1:{}{path}", lab.port))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("wrk");
    done.await;
    let id = load.id().expect("wrk is at work");
    let id = Pid::from_raw(id.try_into().expect("an id")).expect("an id");
    kill_process(id, Signal::INT).expect("wrk is told to end");
    let output = load.wait_with_output().await.expect("wrk's report");
    let report = String::from_utf8(output.stdout).expect("text");
    assert!(
        !report.contains("Non-2xx") && !report.contains("Socket errors"),
        "{report}"
    );
    let requests = report
        .lines()
        .find_map(|line| line.trim().split_once(" requests in")?.0.parse().ok());
    requests.expect("wrk's count")
}
