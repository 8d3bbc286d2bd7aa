//! Visitors while something is done: none of their requests may fail.

use super::lab::{Lab, version};
use devflow_protocol::project::ProjectSpec;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
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

/// Deploys some times for each of some kinds of visitors: path, options of `wrk`, and how many requests there are at least.
pub(super) async fn switches_under_load(
    lab: &Lab,
    spec: &ProjectSpec,
    work: &Path,
    each: u32,
    kinds: [(&str, &[&str], u64); 3],
) {
    let mut newest = 1;
    for (path, options, least) in kinds {
        let deployments = async {
            for _ in 0..each {
                newest += 1;
                version(work, &newest.to_string());
                lab.deploy_live(spec, &[]).await;
            }
        };
        let requests = visitors(lab, spec, path, options, deployments).await;
        assert!(requests >= least, "only {requests} requests");
        println!("{path} {options:?}: {requests} requests over {each} switches, 0 failed");
    }
}
