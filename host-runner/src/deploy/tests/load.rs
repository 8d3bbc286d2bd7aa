//! Deployments under load: no request fails, whether short, long, or waiting in a full queue.

use super::lab::{Lab, version};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, ProjectSpec};
use std::path::Path;
use tokio::process::Command;

/// Visitors who keep their connections, who close them, and very many.
pub(super) const KEEP: [&str; 1] = ["-c8"];
pub(super) const CLOSE: [&str; 3] = ["-c8", "-H", "Connection: close"];
pub(super) const MANY: [&str; 1] = ["-c40"];

/// Visitors for some seconds: how many requests, and what `wrk` says of them.
pub(super) async fn visitors(
    lab: &Lab,
    spec: &ProjectSpec,
    path: &str,
    options: &[&str],
    seconds: u32,
) -> (u64, String) {
    let mut load = Command::new("wrk");
    load.args(["-t1", &format!("-d{seconds}s"), "--timeout", "20s"])
        .args(options);
    load.args([
        "-H",
        &format!("Host: {}.test", spec.slug),
        &format!("http://127.0.0.1:{}{path}", lab.port),
    ]);
    let report = String::from_utf8(load.output().await.expect("wrk").stdout).expect("text");
    let requests = report
        .lines()
        .find_map(|line| line.trim().split_once(" requests in")?.0.parse().ok());
    (requests.expect("wrk's count"), report)
}

/// Deploys four times for each of some kinds of visitors, none of whom may notice it: path, options of `wrk`, and how many
/// requests there are at least.
pub(super) async fn switches_under_load(
    lab: &Lab,
    spec: &ProjectSpec,
    work: &Path,
    kinds: [(&str, &[&str], u64); 3],
) {
    for (path, options, least) in kinds {
        version(work, "1");
        let deployments = async {
            for n in 2..6 {
                version(work, &n.to_string());
                let outcome = lab.deploy(spec, &[]).await;
                assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
            }
        };
        let ((requests, report), ()) = tokio::join!(visitors(lab, spec, path, options, 25), deployments);
        assert_none_failed(&report);
        assert!(requests >= least, "{report}");
        println!("{path} {options:?}: {requests} requests over 4 switches, 0 failed");
    }
}

pub(super) fn assert_none_failed(report: &str) {
    assert!(
        !report.contains("Non-2xx") && !report.contains("Socket errors"),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, wrk and root"]
async fn deployments_under_load_fail_no_request() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let mut spec = Lab::spec("load", Framework::Php, &work);
    spec.limits.max_children = 4;
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let kinds = [
        ("/ping.php", &KEEP[..], 5_000),
        ("/ping.php", &CLOSE[..], 5_000),
        // 40 requests of 300 ms for 4 children: 36 wait in the queue at each switch.
        ("/?wait_ms=300", &MANY[..], 200),
    ];
    switches_under_load(&lab, &spec, &work, kinds).await;
}
